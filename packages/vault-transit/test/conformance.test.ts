/** The real `node-vault`, the real protocol, a Transit on this machine: both modes, all flavours. */
import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import {
  startTransitServer,
  transitFaults,
  type TransitFlavour,
  type TransitPolicyRule,
} from "@env/test-servers/transit";
import { describe, it } from "vitest";
import { vaultTransitDriver, type VaultTransitMode } from "../src/index.ts";

/** The same permissions, for another key. */
const elsewhere: readonly TransitPolicyRule[] = [
  { path: "transit/keys/other", capabilities: ["read"] },
  { path: "transit/decrypt/other", capabilities: ["update"] },
];

function harnessOf(mode: VaultTransitMode, flavour: TransitFlavour): CmkHarness {
  return {
    async open() {
      const server = await startTransitServer({ flavour });
      const derived = mode === "derived";
      server.createKey("first", { derived });
      server.createKey("second", { derived });
      server.setPolicy("app", [{ path: "transit/*", capabilities: ["update", "read"] }]);
      const token = server.createToken({ policies: ["app"] });
      const drivers: CmkDriver[] = [];
      const driver = (key: string): CmkDriver => {
        const made = vaultTransitDriver({ address: server.url, auth: { token }, key, mode });
        drivers.push(made);
        return made;
      };
      return {
        first: driver("first"),
        second: driver("second"),
        missing: driver("missing"),
        rotate: () => void server.root("POST", "transit/keys/first/rotate"),
        ...(flavour !== "vault" && {
          disable: () => void server.root("DELETE", "transit/keys/first/soft-delete"),
        }),
        deny: () => server.setPolicy("app", elsewhere),
        unreachable: () => server.close(),
        throttle: () => server.fail(transitFaults.rateLimited),
        async close() {
          for (const made of drivers) await made.close?.();
          await server.close();
        },
      };
    },
    inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
    skips: {
      alias: "Transit has no aliases: a key has one name",
      ...(flavour === "vault" && { disable: "Vault has no disabled keys, only deleted ones" }),
    },
  };
}

describe.each<[VaultTransitMode, TransitFlavour]>([
  ["derived", "openbao-2.5"],
  ["derived", "vault"],
  ["aad", "openbao-2.4"],
  ["aad", "vault"],
])("vaultTransitDriver in mode %s against %s keeps the contract of CmkDriver", (mode, flavour) => {
  // Requirements: E13, E15
  it.for(cmkCases(harnessOf(mode, flavour)))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
