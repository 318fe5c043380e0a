/**
 * What Cloud KMS reveals about a key. It has no dry runs, so everything else is tried.
 *
 * @module
 */
import type { Diagnostics } from "@env/core/driver";
import type { Calls } from "./calls.ts";
import type { CryptoKeyOutput } from "./client.ts";
import { GcpKmsError } from "./errors.ts";
import { parseVersionName } from "./name.ts";

/** Errors that are not an answer of Cloud KMS. */
const unanswered: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "TimeoutError",
  "UnreadableAnswer",
  "CredentialsError",
  "SdkMissing",
  "UnknownError",
]);

export function diagnosticsOf(name: string, calls: Calls): Diagnostics {
  return {
    async ask(signal) {
      const key = await calls.call("GetCryptoKey", signal, (client, options) =>
        client.getCryptoKey({ name }, options),
      );
      return {
        label: key.name ?? undefined,
        keyVersion: parseVersionName(key.primary?.name ?? "")?.version,
        problems: problemsOf(key),
      };
    },

    permission(operation, keyId) {
      if (operation === "ask") return "cloudkms.cryptoKeys.get";
      if (operation === "unwrap") return `cloudkms.cryptoKeyVersions.useToDecrypt on ${keyId}`;
      return "cloudkms.cryptoKeyVersions.useToEncrypt";
    },

    madeUp: () => new Uint8Array(1),

    isAnswer(error) {
      return error instanceof GcpKmsError && !unanswered.has(error.name);
    },
  };
}

/** Purpose and state are names or, from a client that keeps numbers, numbers. */
function problemsOf({ purpose, primary }: CryptoKeyOutput): string[] {
  if (purpose !== "ENCRYPT_DECRYPT" && purpose !== 1) {
    return ["the key is not for symmetric encryption; make one with that purpose"];
  }
  if (primary === undefined || primary === null) {
    return ["the key has no primary version; make one of its versions primary"];
  }
  if (primary.state !== "ENABLED" && primary.state !== 1) {
    return ["the primary version is not enabled; enable it, or make another one primary"];
  }
  return [];
}
