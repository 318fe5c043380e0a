import { EnvelopeError, errorCodes, type EnvelopeErrorCode } from "@env/core";
import { kmsErrors, KmsError, type KmsErrorName } from "@env/kms";
import { expect, it } from "vitest";
import { classify } from "../src/errors.ts";

/** Every name of the KMS, so that a new one is thought about. */
const expected: Record<KmsErrorName, EnvelopeErrorCode> = {
  AccessDeniedException: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  AlreadyExistsException: "ERR_ENVELOPE_KMS_ERROR",
  CustomKeyStoreNotFoundException: "ERR_ENVELOPE_KMS_ERROR",
  DisabledException: "ERR_ENVELOPE_KMS_KEY_STATE",
  DryRunOperationException: "ERR_ENVELOPE_KMS_ERROR",
  ExpiredImportTokenException: "ERR_ENVELOPE_KMS_ERROR",
  IncorrectKeyException: "ERR_ENVELOPE_KMS_REJECTED",
  IncorrectKeyMaterialException: "ERR_ENVELOPE_KMS_ERROR",
  InvalidAliasNameException: "ERR_ENVELOPE_KMS_ERROR",
  InvalidArnException: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  InvalidCiphertextException: "ERR_ENVELOPE_KMS_REJECTED",
  InvalidGrantTokenException: "ERR_ENVELOPE_KMS_ERROR",
  InvalidImportTokenException: "ERR_ENVELOPE_KMS_ERROR",
  InvalidKeyUsageException: "ERR_ENVELOPE_KMS_KEY_STATE",
  InvalidMarkerException: "ERR_ENVELOPE_KMS_ERROR",
  KMSInvalidMacException: "ERR_ENVELOPE_KMS_ERROR",
  KMSInvalidSignatureException: "ERR_ENVELOPE_KMS_ERROR",
  KMSInvalidStateException: "ERR_ENVELOPE_KMS_KEY_STATE",
  LimitExceededException: "ERR_ENVELOPE_KMS_ERROR",
  MalformedPolicyDocumentException: "ERR_ENVELOPE_KMS_ERROR",
  NotAuthorizedException: "ERR_ENVELOPE_KMS_ERROR",
  NotFoundException: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  TagException: "ERR_ENVELOPE_KMS_ERROR",
  ThrottlingException: "ERR_ENVELOPE_KMS_THROTTLED",
  UnsupportedOperationException: "ERR_ENVELOPE_KMS_ERROR",
  ValidationException: "ERR_ENVELOPE_KMS_ERROR",
};

it.each(Object.keys(kmsErrors) as KmsErrorName[])("names %s", (name) => {
  expect(classify(new KmsError(name, ""))).toBe(expected[name]);
  expect(classify(Object.assign(new Error("another copy's"), { name }))).toBe(expected[name]);
});

it.each(Object.keys(errorCodes) as EnvelopeErrorCode[])("names %s", (code) => {
  const busy = code === "ERR_ENVELOPE_KEYSTORE_BUSY";
  expect(classify(new EnvelopeError(code, ""))).toBe(
    busy ? "ERR_ENVELOPE_KMS_UNAVAILABLE" : "ERR_ENVELOPE_KMS_ERROR",
  );
});

it.each([undefined, null, "NotFoundException", new Error("x")])("has no name for %o", (error) => {
  expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
});
