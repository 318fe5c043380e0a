/**
 * Turns what the client throws into errors that can be logged, and into core's codes. Nothing of a request or an
 * answer is copied.
 *
 * @module
 */
import {
  codesOf,
  KmsCallError,
  memberOf,
  networkCodes,
  type KmsFailureCode,
} from "@env/core/driver";

/** The code for each name of an error; README.md lists the same. */
const codes: Readonly<Record<string, KmsFailureCode>> = codesOf({
  ERR_ENVELOPE_KMS_REJECTED: ["WrongCiphertext"],
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: ["NoSuchKey"],
  ERR_ENVELOPE_KMS_KEY_STATE: ["KeyDisabled"],
  ERR_ENVELOPE_KMS_ACCESS_DENIED: ["Forbidden"],
  ERR_ENVELOPE_KMS_THROTTLED: ["TooManyRequests"],
  ERR_ENVELOPE_KMS_UNAVAILABLE: ["TimeoutError", "Unavailable"],
});

/** Why a call failed: the cause in core's errors. */
export class AcmeKmsError extends KmsCallError {}

/** The error to throw for what the client threw. It keeps the name that the service gives, if it is known. */
export function withoutSecrets(thrown: unknown, operation: string): AcmeKmsError {
  const code = memberOf(thrown, "code");
  if (typeof code === "string" && networkCodes.has(code)) {
    return new AcmeKmsError("Unavailable", { operation, code });
  }
  const name = memberOf(thrown, "name");
  const known = typeof name === "string" && Object.hasOwn(codes, name) ? name : "UnknownError";
  return new AcmeKmsError(known, { operation });
}

export function classify(error: unknown): KmsFailureCode {
  const name = error instanceof AcmeKmsError ? error.name : "";
  return (Object.hasOwn(codes, name) ? codes[name] : undefined) ?? "ERR_ENVELOPE_KMS_ERROR";
}
