/** Vault or OpenBao itself, where the environment names keys. */
import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { afterAll, describe, expect, it } from "vitest";
import { doctor, vaultTransitDriver, type VaultTransitOptions } from "../src/index.ts";

const {
  VAULT_ADDR: address = "",
  ENVELOPE_LIVE_VAULT_KEY: first = "",
  ENVELOPE_LIVE_VAULT_SECOND_KEY: second = "",
  ENVELOPE_LIVE_VAULT_MOUNT: mount,
  ENVELOPE_LIVE_VAULT_NAMESPACE: namespace,
  ENVELOPE_LIVE_VAULT_MODE: mode,
} = process.env;
const absent = address === "" || first === "" || second === "";
if (absent) {
  console.log(
    "not run against Vault: set VAULT_ADDR, VAULT_TOKEN, ENVELOPE_LIVE_VAULT_KEY and ENVELOPE_LIVE_VAULT_SECOND_KEY",
  );
}

const options = (key: string): VaultTransitOptions => ({
  address,
  key,
  mount,
  namespace,
  mode: mode === "aad" ? "aad" : "derived",
});
const drivers: CmkDriver[] = [];
const driver = (key: string): CmkDriver => {
  const made = vaultTransitDriver(options(key));
  drivers.push(made);
  return made;
};
afterAll(async () => {
  for (const made of drivers) await made.close?.();
});

const harness: CmkHarness = {
  open: () => ({ first: driver(first), second: driver(second), missing: driver("env-missing") }),
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: {
    alias: "Transit has no aliases: a key has one name",
    rotate: "the keys are shared, and a rotation cannot be undone",
    disable: "the keys are shared",
    deny: "the keys are shared",
    unreachable: "conformance.test.ts has it",
    throttle: "conformance.test.ts has it",
  },
};

describe.skipIf(absent)("against Vault", () => {
  it("may do everything that the cases need", async () => {
    expect(await doctor(options(first))).toMatchObject({
      reachable: true,
      mayGenerate: true,
      mayWrap: true,
      mayUnwrap: true,
      mayRewrap: true,
    });
  });

  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
