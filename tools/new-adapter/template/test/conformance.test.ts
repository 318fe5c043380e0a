import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { describe, it } from "vitest";
import { acmeKmsDriver } from "../src/index.ts";
import { FakeAcmeKms } from "./support/kms.ts";

const harness: CmkHarness = {
  open() {
    const client = new FakeAcmeKms();
    const driver = (key: string): CmkDriver => acmeKmsDriver({ client, key });
    const first = client.createKey();
    const fail = (name: string) => (): void => {
      client.fault = name;
    };
    return {
      first: driver(first),
      second: driver(client.createKey()),
      missing: driver("key/none"),
      rotate: () => client.rotate(first),
      disable: fail("KeyDisabled"),
      deny: fail("Forbidden"),
      unreachable: fail("Unavailable"),
      throttle: fail("TooManyRequests"),
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: { alias: "Acme KMS has no aliases." },
};

describe("acmeKmsDriver keeps the contract", () => {
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
