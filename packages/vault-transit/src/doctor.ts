/**
 * What Transit reveals about a key. It has no dry runs, so everything else is tried.
 *
 * @module
 */
import type { Diagnostics } from "@env/core/driver";
import type { Calls, Data } from "./calls.ts";
import { VaultTransitError } from "./errors.ts";
import { describeKey, problemOf } from "./key-check.ts";
import { labelOf, parseLabel } from "./key-name.ts";
import type { Settings } from "./options.ts";

/** A ciphertext of version 1 with 60 zero bytes, which no key wrote. */
const madeUp = `vault:v1:${"A".repeat(80)}`;

export function diagnosticsOf({ key, mode }: Settings, calls: Calls): Diagnostics {
  const own = labelOf(key);
  const derived = mode === "derived";
  const endpoints = {
    generate: derived ? "datakey/plaintext" : "encrypt",
    wrap: "encrypt",
    unwrap: "decrypt",
    rewrap: "rewrap",
  } as const;
  return {
    async ask(signal) {
      const description = await calls.run("read", signal, (request) => describeKey(key, request));
      const { latest_version: version } = description;
      return {
        label: own,
        keyVersion: typeof version === "number" ? String(version) : undefined,
        problems: [problemOf(description, key, mode), ...flawsOf(description)].filter(
          (problem) => problem !== undefined,
        ),
      };
    },

    permission(operation, keyId, error) {
      // A login that failed has another cause.
      if (!(error instanceof VaultTransitError) || error.name !== "AccessDenied") return undefined;
      const { mount, name } = parseLabel(keyId, key.namespace) ?? key;
      if (operation === "ask") return `read on ${mount}/keys/${name}`;
      return `update on ${mount}/${endpoints[operation]}/${name}`;
    },

    rewrapsFrom: (keyId) => derived && keyId === own,

    madeUp: () => new TextEncoder().encode(madeUp),

    // The key was used, but not even this version of it.
    refusesBytes(error) {
      const name = error instanceof VaultTransitError ? error.name : undefined;
      return name === "InvalidCiphertext" || name === "KeyVersionRetired";
    },

    isAnswer(error) {
      if (!(error instanceof VaultTransitError)) return false;
      return error.httpStatus !== undefined && error.name !== "UnreadableAnswer";
    },
  };
}

/** Properties with which data keys are less safe than they could be, or that keep the key from working. */
function flawsOf(description: Data): string[] {
  const flaws = {
    exportable: "the key can be exported; make one that cannot, and rewrap",
    allow_plaintext_backup:
      "the key can be backed up unencrypted; make one that cannot, and rewrap",
    soft_deleted: "the key is soft-deleted; restore it",
    convergent_encryption:
      "the key is convergent: one data key wrapped twice gives the same bytes; make one that is not, and rewrap",
  };
  return Object.entries(flaws).flatMap(([name, flaw]) =>
    description[name] === true ? [flaw] : [],
  );
}
