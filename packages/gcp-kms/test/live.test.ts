/** Cloud KMS itself, where the environment names keys. */
import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { afterAll, describe, expect, it } from "vitest";
import { doctor, gcpKmsDriver } from "../src/index.ts";

const first = process.env["ENVELOPE_LIVE_GCP_KEY"] ?? "";
const second = process.env["ENVELOPE_LIVE_GCP_SECOND_KEY"] ?? "";
const alias = process.env["ENVELOPE_LIVE_GCP_ALIAS"] ?? "";
const absent = first === "" || second === "";
if (absent) {
  console.log(
    "not run against Cloud KMS: set ENVELOPE_LIVE_GCP_KEY and ENVELOPE_LIVE_GCP_SECOND_KEY",
  );
}

// Made only where it is used: making one looks for credentials, on the network too.
let client: KeyManagementServiceClient | undefined;
const connected = (): KeyManagementServiceClient => (client ??= new KeyManagementServiceClient());
afterAll(() => client?.close());

const driver = (key: string): CmkDriver => gcpKmsDriver({ client: connected(), key });

const harness: CmkHarness = {
  open: () => ({
    first: driver(first),
    second: driver(second),
    missing: driver(`${first}-missing`),
    ...(alias !== "" && { alias: driver(alias) }),
  }),
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: {
    ...(alias === "" && { alias: "ENVELOPE_LIVE_GCP_ALIAS is not set" }),
    rotate: "the keys are shared",
    disable: "the keys are shared",
    deny: "the keys are shared",
    unreachable: "conformance.test.ts has it",
    throttle: "conformance.test.ts has it",
  },
};

describe.skipIf(absent)("against Cloud KMS", () => {
  it("may do everything that the cases need", async () => {
    const report = await doctor({ client: connected(), key: first, alsoUnwrap: [second] });
    expect(report).toMatchObject({
      label: first,
      reachable: true,
      mayGenerate: true,
      mayWrap: true,
      mayUnwrap: true,
      mayRewrap: true,
      problems: [],
    });
  });

  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
