import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { awsError, testEndpoint } from "./support/endpoint.ts";
import { describe, it } from "vitest";
import { awsKmsDriver } from "../src/index.ts";

/** The real SDK and the real protocol. */
const harness: CmkHarness = {
  async open() {
    const { endpoint, client } = await testEndpoint();
    const driver = (key: string): CmkDriver => awsKmsDriver({ client, key });
    const first = await endpoint.newKey("alias/first");
    return {
      first: driver(first),
      second: driver(await endpoint.newKey()),
      missing: driver(first.replace(/[^/]*$/, "00000000-0000-4000-8000-000000000000")),
      alias: driver("alias/first"),
      rotate: async () => void (await endpoint.root.rotateKeyOnDemand({ KeyId: first })),
      disable: () => endpoint.root.disableKey({ KeyId: first }),
      deny: () => endpoint.root.putKeyPolicy({ KeyId: first, Policy: administration }),
      unreachable: () => endpoint.cut(),
      throttle: () => endpoint.fail(awsError("ThrottlingException", "Rate exceeded")),
      close: () => client.destroy(),
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
};

/** A key policy that lets nobody use the key. */
const administration = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::000000000000:root" },
      Action: ["kms:PutKeyPolicy", "kms:GetKeyPolicy"],
      Resource: "*",
    },
  ],
});

describe("awsKmsDriver keeps the contract of CmkDriver", () => {
  // Requirements: E13, E15
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
