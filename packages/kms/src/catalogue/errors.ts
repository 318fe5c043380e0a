/**
 * What the KMS answers when a call is wrong: AWS's names, so that whoever knows AWS KMS knows these.
 *
 * Act on `name`. Problems with the file are `EnvelopeError`s instead (`ERR_ENVELOPE_KEYSTORE_…`). Neither
 * holds plaintext, key material, ciphertext or values of an encryption context.
 *
 * Source: the error lists of the AWS KMS API reference.
 *
 * @module
 */

/** One row per name: the source of the type and of the documentation. */
const table = {
  AccessDeniedException: "The principal may not do this, or the blob's key is not here.",
  AlreadyExistsException: "An alias of that name exists.",
  CustomKeyStoreNotFoundException: "There are no custom key stores.",
  DisabledException: "The key is disabled.",
  DryRunOperationException: "The request would have succeeded, but DryRun is set.",
  ExpiredImportTokenException: "The import token is older than a day.",
  IncorrectKeyException: "The blob was made under another key than the one named.",
  IncorrectKeyMaterialException: "Another key material was imported into the key before.",
  InvalidAliasNameException: "The alias name is malformed.",
  InvalidArnException:
    "An alias was given where a key id or key ARN is required, or an ARN is malformed.",
  InvalidCiphertextException: "Not this keystore's blob, altered, or another encryption context.",
  InvalidGrantTokenException: "The grant token is malformed, or its grant is gone.",
  InvalidImportTokenException: "The import token is not one for this key.",
  InvalidKeyUsageException: "The key is for another use, or the algorithm does not fit it.",
  InvalidMarkerException: "The pagination marker is not one that a call returned.",
  KMSInvalidMacException: "The MAC does not verify.",
  KMSInvalidSignatureException: "The signature does not verify.",
  KMSInvalidStateException: "The key's state does not allow this call.",
  LimitExceededException:
    "A quota is used up: aliases, grants or rotations of a key, the size of a policy.",
  MalformedPolicyDocumentException:
    "The policy does not parse, or would lock out the principal that sets it.",
  NotAuthorizedException: "Aliases under alias/aws/ are reserved.",
  NotFoundException: "No such key, alias, policy or grant.",
  TagException: "A tag is malformed, reserved or given twice, or there are too many.",
  ThrottlingException: "More calls per second than the quota allows. Only where quotas are on.",
  UnsupportedOperationException: "This KMS does not offer that, or not for this kind of key.",
  ValidationException: "A member of the request is missing or out of bounds.",
} as const;

/** Stable names of what can go wrong with a call. */
export type KmsErrorName = keyof typeof table;

/** The table of names, for documentation and tools. */
export const kmsErrors: Readonly<Record<KmsErrorName, string>> = table;

// A registered symbol and not `instanceof`, as for EnvelopeError: two copies of this package in one
// process must recognise each other's errors.
const brand: symbol = Symbol.for("@env/kms:error");

/** A refused call. */
export class KmsError extends Error {
  override readonly name: KmsErrorName;

  constructor(name: KmsErrorName, message: string) {
    super(message);
    this.name = name;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Tells whether `error` is a {@link KmsError}, and of `name` where one is given. */
export function isKmsError(error: unknown, name?: KmsErrorName): error is KmsError {
  return error instanceof Error && brand in error && (name === undefined || error.name === name);
}
