import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { awsError, startAwsKmsServer, sdkClient } from "@env/test-servers/aws-kms";
import { describe, it } from "vitest";
import { awsKmsDriver } from "../src/index.ts";

/** The real SDK, the real protocol, a KMS in a file. */
const harness: CmkHarness = {
  async open() {
    const endpoint = await startAwsKmsServer();
    const client = sdkClient(endpoint.url);
    const driver = (key: string): CmkDriver => awsKmsDriver({ client, key });
    const first = await endpoint.newKey("alias/first");
    return {
      first: driver(first),
      second: driver(await endpoint.newKey()),
      missing: driver(first.replace(/[^/]*$/, "00000000-0000-4000-8000-000000000000")),
      alias: driver("alias/first"),
      rotate: async () => void (await endpoint.root.rotateKeyOnDemand({ KeyId: first })),
      disable: () => endpoint.root.disableKey({ KeyId: first }),
      deny: () => endpoint.fail(awsError("AccessDeniedException", denied(first))),
      unreachable: () => endpoint.cut(),
      throttle: () => endpoint.fail(awsError("ThrottlingException", "Rate exceeded")),
      async close() {
        client.destroy();
        await endpoint.close();
      },
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
};

function denied(arn: string): string {
  return `User: arn:aws:iam::000000000000:user/app is not authorized to perform: kms:Decrypt on resource: ${arn} because no identity-based policy allows the kms:Decrypt action`;
}

describe("awsKmsDriver keeps the contract of CmkDriver", () => {
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
