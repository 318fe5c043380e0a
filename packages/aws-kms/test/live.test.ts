/** AWS KMS itself, where the environment names keys. */
import { inspect } from "node:util";
import { KMS } from "@aws-sdk/client-kms";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { afterAll, describe, expect, it } from "vitest";
import { awsKmsDriver, doctor } from "../src/index.ts";

const first = process.env["ENVELOPE_LIVE_AWS_KEY"] ?? "";
const second = process.env["ENVELOPE_LIVE_AWS_SECOND_KEY"] ?? "";
const alias = process.env["ENVELOPE_LIVE_AWS_ALIAS"] ?? "";
const absent = first === "" || second === "";
if (absent) {
  console.log(
    "not run against AWS KMS: set ENVELOPE_LIVE_AWS_KEY and ENVELOPE_LIVE_AWS_SECOND_KEY",
  );
}

const region = first.split(":")[3] ?? "";
const client = new KMS({ region: region === "" ? "none" : region });
afterAll(() => client.destroy());

const driver = (key: string): CmkDriver => awsKmsDriver({ client, key });

const harness: CmkHarness = {
  open: () => ({
    first: driver(first),
    second: driver(second),
    missing: driver(first.replace(/[^/]*$/, "00000000-0000-4000-8000-000000000000")),
    ...(alias !== "" && { alias: driver(alias) }),
  }),
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: {
    ...(alias === "" && { alias: "ENVELOPE_LIVE_AWS_ALIAS is not set" }),
    rotate: "the keys are shared, and a rotation cannot be undone",
    disable: "the keys are shared",
    deny: "the keys are shared",
    unreachable: "conformance.test.ts has it",
    throttle: "conformance.test.ts has it",
  },
};

describe.skipIf(absent)("against AWS KMS", () => {
  it("may do everything that the cases need", async () => {
    const report = await doctor({ client, key: first, alsoUnwrap: [second] });
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
