/**
 * What a keystore reveals about a key. It has no dry runs, so everything else is tried; the calls are in
 * the keystore's audit log.
 *
 * @module
 */
import { isEnvelopeError, type Bytes } from "@env/core";
import type { Diagnostics, KmsFailureCode } from "@env/core/driver";
import { isKmsError } from "@env/kms";
import type { KeyFacts, LocalFileClient } from "./client.ts";
import { classify } from "./errors.ts";

/** @param own - The key as the application named it. */
export function diagnosticsOf(own: string, client: LocalFileClient): Diagnostics {
  return {
    async ask() {
      const { KeyMetadata } = await client.describeKey({ KeyId: own });
      return { label: KeyMetadata.KeyId, problems: problemsOf(KeyMetadata) };
    },

    permission(operation, keyId) {
      if (operation === "ask") return "kms:DescribeKey, or name the key by its id";
      if (operation === "unwrap") return `kms:Decrypt on ${keyId}`;
      if (operation === "rewrap")
        return `kms:ReEncryptTo on ${own} and kms:ReEncryptFrom on ${keyId}`;
      return `kms:${operations[operation]}`;
    },

    words(error, operation) {
      const next = nextSteps[classify(error)];
      const what = isEnvelopeError(error)
        ? error.message
        : `${operations[operation]}: ${error instanceof Error ? error.name : "failed"}`;
      return next === undefined ? what : `${what}; ${next}`;
    },

    madeUp: (label) => (label === undefined ? undefined : blobOf(label)),

    // Permissions are checked first, then the blob itself.
    refusesBytes: (error) => isKmsError(error, "InvalidCiphertextException"),

    isAnswer: (error) => isKmsError(error),
  };
}

const operations = {
  ask: "DescribeKey",
  generate: "GenerateDataKey",
  wrap: "Encrypt",
  unwrap: "Decrypt",
  rewrap: "ReEncrypt",
} as const;

const nextSteps: Readonly<Partial<Record<KmsFailureCode, string>>> = {
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: "check the name of the key, and which keystore it is",
  ERR_ENVELOPE_KMS_KEY_STATE: "enable the key, cancel its deletion, or name another one",
  ERR_ENVELOPE_KMS_THROTTLED: "try again later",
  ERR_ENVELOPE_KMS_UNAVAILABLE: "try again once no other process holds the keystore",
};

function problemsOf({ KeyState, KeyUsage, KeySpec }: KeyFacts): string[] {
  const problems: string[] = [];
  if (KeyState !== undefined && KeyState !== "Enabled") {
    problems.push(`the key is in state ${KeyState}; enable it, or cancel its deletion`);
  }
  if (
    (KeyUsage !== undefined && KeyUsage !== "ENCRYPT_DECRYPT") ||
    (KeySpec !== undefined && KeySpec !== "SYMMETRIC_DEFAULT")
  ) {
    problems.push("the key is not a symmetric key for encryption; create such a key");
  }
  return problems;
}

/** A blob that names the key and a version that no key has; the rest is zeros. Source: spec/envelope-v1.md#local-wrap */
function blobOf(keyId: string): Bytes {
  const blob = new Uint8Array(93);
  blob[0] = 1;
  blob.set(Buffer.from(keyId.replace(/^mrk-/, "").replaceAll("-", ""), "hex"), 1);
  return blob;
}
