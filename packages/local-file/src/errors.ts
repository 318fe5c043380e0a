/**
 * Maps what a keystore throws to core's codes.
 *
 * It looks at `name` and `code` and not at `instanceof`, because a second copy of a package has other classes.
 *
 * Source: the error tables of @env/kms and @env/core
 *
 * @module
 */
import { isEnvelopeError } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";

const byName: ReadonlyMap<string, KmsFailureCode> = new Map([
  ["InvalidCiphertextException", "ERR_ENVELOPE_KMS_REJECTED"],
  ["IncorrectKeyException", "ERR_ENVELOPE_KMS_REJECTED"],
  ["NotFoundException", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"],
  ["InvalidArnException", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"],
  ["DisabledException", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["KMSInvalidStateException", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["InvalidKeyUsageException", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["AccessDeniedException", "ERR_ENVELOPE_KMS_ACCESS_DENIED"],
  ["ThrottlingException", "ERR_ENVELOPE_KMS_THROTTLED"],
]);

export function classify(error: unknown): KmsFailureCode {
  // Another process has locked the file, which is the only problem with it that passes by itself.
  if (isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_BUSY")) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  if (!(error instanceof Error)) return "ERR_ENVELOPE_KMS_ERROR";
  return byName.get(error.name) ?? "ERR_ENVELOPE_KMS_ERROR";
}
