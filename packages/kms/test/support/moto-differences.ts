/**
 * Where moto (5.2.1) answers otherwise than this KMS, and why ours is AWS's answer.
 *
 * Every entry has to be needed for each of its operations: the test fails when moto has caught up.
 *
 * Source: AWS KMS API reference, the page of each operation; its "Key states of AWS KMS keys".
 */
import type { Difference } from "./sides.ts";

export interface KnownDifference {
  readonly calls: readonly string[];
  readonly at: RegExp;
  readonly ours: RegExp;
  readonly moto: RegExp;
  readonly because: string;
}

const metadata = ["CreateKey", "DescribeKey"];
const answered = /^answered$/;
const absent = /^absent$/;
const outcome = /^outcome$/;
const crash = /^HTTP 500$/;
const materialId = /^64 hex digits$/;

const encryption = [
  "Encrypt",
  "Decrypt",
  "ReEncrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
];
const messages = ["GenerateMac", "VerifyMac", "Sign", "Verify", "GetPublicKey"];

export const knownDifferences: readonly KnownDifference[] = [
  {
    calls: metadata,
    at: /^KeyMetadata\.MultiRegion$/,
    ours: /^false$/,
    moto: absent,
    because: "KeyMetadata always has MultiRegion; moto keeps the request's null",
  },
  {
    calls: metadata,
    at: /^KeyMetadata\.KeyUsage$/,
    ours: /^ENCRYPT_DECRYPT$/,
    moto: absent,
    because: "a symmetric key has a usage by default; moto keeps the request's null",
  },
  {
    calls: metadata,
    at: /^KeyMetadata\.CurrentKeyMaterialId$/,
    ours: materialId,
    moto: absent,
    because: "moto does not know of key material",
  },
  {
    calls: [...encryption.filter((call) => call !== "Encrypt"), "ListKeyRotations"],
    at: /KeyMaterial(?:Id|State)$/,
    ours: /^(?:64 hex digits|CURRENT|NON_CURRENT)$/,
    moto: absent,
    because: "moto does not know of key material",
  },
  {
    calls: metadata,
    at: /^KeyMetadata\.MacAlgorithms$/,
    ours: /^HMAC_SHA_/,
    moto: absent,
    because: "the algorithms that fit the usage are listed; moto has no list for MACs",
  },
  {
    calls: [...metadata, "GetPublicKey"],
    at: /^(?:KeyMetadata\.)?KeyAgreementAlgorithms$/,
    ours: /^ECDH$/,
    moto: absent,
    because: "the algorithms that fit the usage are listed; moto has no list for key agreement",
  },
  {
    calls: [...metadata, "GetPublicKey"],
    at: /^(?:KeyMetadata\.)?EncryptionAlgorithms$/,
    ours: absent,
    moto: /^RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256$/,
    because: "only the list that fits the usage is there; moto takes what does not sign for RSA",
  },
  {
    calls: [...metadata, "GetPublicKey"],
    at: /^(?:KeyMetadata\.)?SigningAlgorithms$/,
    ours: absent,
    moto: /^(?:ECDSA_SHA_256)?$/,
    because:
      "only the list that fits the usage is there; moto leaves it out of encryption keys only",
  },
  {
    calls: metadata,
    at: /^KeyMetadata\.(?:KeyState|Enabled)$/,
    ours: /^(?:PendingImport|false)$/,
    moto: /^(?:Enabled|true)$/,
    because: "a key of origin EXTERNAL waits for its material; moto has no import",
  },
  {
    calls: [
      "GenerateMac",
      "VerifyMac",
      "GetPublicKey",
      "RotateKeyOnDemand",
      "ScheduleKeyDeletion",
      "CancelKeyDeletion",
    ],
    at: /^KeyId$/,
    ours: /^arn:.+:key\/\$[a-z0-9]+$/,
    moto: /^\$[a-z0-9]+$/,
    because: "answers have the key's ARN; moto repeats the request's id",
  },
  {
    calls: ["GetKeyRotationStatus"],
    at: /^(?:KeyId|RotationPeriodInDays|NextRotationDate)$/,
    ours: /^(?:arn:.+|365|a date)$/,
    moto: absent,
    because: "moto answers as AWS did before rotation periods could be chosen",
  },
  {
    calls: ["GetKeyRotationStatus"],
    at: /^KeyRotationEnabled$/,
    ours: /^false$/,
    moto: /^true$/,
    because: "a key that is pending deletion does not rotate; moto asks for no key's state",
  },
  {
    calls: ["Encrypt", "Decrypt", "ReEncrypt"],
    at: /^(?:Source|Destination)?EncryptionAlgorithm$/,
    ours: /^SYMMETRIC_DEFAULT$/,
    moto: absent,
    because: "the algorithm is part of the answer; moto leaves it out",
  },
  {
    calls: ["ScheduleKeyDeletion"],
    at: /^(?:KeyState|PendingWindowInDays)$/,
    ours: /^(?:PendingDeletion|7|30)$/,
    moto: absent,
    because: "state and window are part of the answer; moto leaves them out",
  },
  {
    calls: ["GetPublicKey"],
    at: /^KeySpec$/,
    ours: /^(?:RSA|ECC)_/,
    moto: absent,
    because: "moto knows the old name CustomerMasterKeySpec only",
  },
  {
    calls: ["ListAliases"],
    at: /^Aliases\[.+\]\.(?:CreationDate|LastUpdatedDate)$/,
    ours: /^a date$/,
    moto: absent,
    because: "moto does not keep an alias's dates",
  },
  {
    calls: ["ListAliases"],
    at: /^Aliases\[alias\/aws\/.+\]\.TargetKeyId$/,
    ours: absent,
    moto: /^[0-9a-f-]{36}$/,
    because: "the predefined aliases have no target until their key is used; moto makes up an id",
  },
  {
    calls: [
      ...encryption,
      ...messages,
      "EnableKeyRotation",
      "DisableKeyRotation",
      "RotateKeyOnDemand",
    ],
    at: outcome,
    ours: /^DisabledException$/,
    moto: answered,
    because: "moto asks for no key's state",
  },
  {
    calls: [
      ...encryption,
      ...messages,
      "EnableKey",
      "DisableKey",
      "ScheduleKeyDeletion",
      "CancelKeyDeletion",
      "TagResource",
      "UntagResource",
      "UpdateKeyDescription",
      "CreateAlias",
      "UpdateAlias",
      "EnableKeyRotation",
      "DisableKeyRotation",
      "RotateKeyOnDemand",
    ],
    at: outcome,
    ours: /^KMSInvalidStateException$/,
    moto: answered,
    because: "moto asks for no key's state",
  },
  {
    calls: [
      "EnableKeyRotation",
      "DisableKeyRotation",
      "RotateKeyOnDemand",
      "ListKeyRotations",
      "GetPublicKey",
    ],
    at: outcome,
    ours: /^UnsupportedOperationException$/,
    moto: answered,
    because:
      "only symmetric keys rotate and only asymmetric ones have a public key; moto asks neither",
  },
  {
    calls: ["Encrypt", "ReEncrypt", "GenerateDataKey", "GenerateMac"],
    at: outcome,
    ours: /^InvalidKeyUsageException$/,
    moto: answered,
    because: "moto encrypts with every key, and computes every MAC with every HMAC key",
  },
  {
    calls: [
      "CreateKey",
      "ListKeys",
      "ListResourceTags",
      "ScheduleKeyDeletion",
      "UpdateAlias",
      "UpdateKeyDescription",
    ],
    at: outcome,
    ours: /^ValidationException$/,
    moto: answered,
    because: "moto does not hold these members to their bounds, nor a usage to its key spec",
  },
  {
    calls: ["ListKeys"],
    at: outcome,
    ours: /^InvalidMarkerException$/,
    moto: answered,
    because: "moto has no pages",
  },
  {
    calls: ["TagResource"],
    at: outcome,
    ours: /^TagException$/,
    moto: answered,
    because: "moto takes any tags",
  },
  {
    calls: ["Verify"],
    at: outcome,
    ours: /^KMSInvalidSignatureException$/,
    moto: answered,
    because: "a signature that does not verify is an exception; moto answers SignatureValid: false",
  },
  {
    calls: ["Sign"],
    at: outcome,
    ours: /^InvalidKeyUsageException$/,
    moto: /^ValidationException$/,
    because: "a use or an algorithm that the key has not is InvalidKeyUsageException",
  },
  {
    calls: ["Decrypt", "ReEncrypt"],
    at: outcome,
    ours: /^(?:DisabledException|KMSInvalidStateException|InvalidKeyUsageException|IncorrectKeyException)$/,
    moto: /^(?:InvalidCiphertextException|AccessDeniedException)$/,
    because: "keys are looked at before the ciphertext; moto decrypts first",
  },
  {
    calls: ["CreateAlias"],
    at: outcome,
    ours: /^InvalidAliasNameException$/,
    moto: /^ValidationException$/,
    because: "the pattern of aliasName allows a colon, so it is the name that is not valid",
  },
  {
    calls: ["CreateKey"],
    at: outcome,
    ours: answered,
    moto: /^ValidationException$/,
    because: "moto does not have ECC_NIST_EDWARDS25519",
  },
  {
    calls: ["DisableKey", "EnableKey", "ScheduleKeyDeletion"],
    at: outcome,
    ours: answered,
    moto: crash,
    because: "moto fails over a key ARN here",
  },
  {
    calls: ["CancelKeyDeletion"],
    at: outcome,
    ours: /^KMSInvalidStateException$/,
    moto: crash,
    because: "moto fails over a key ARN here",
  },
  {
    calls: ["DescribeKey", "GenerateRandom"],
    at: outcome,
    ours: /^ValidationException$/,
    moto: crash,
    because: "moto fails where a required member is missing",
  },
  {
    calls: [
      "DeleteImportedKeyMaterial",
      "DeriveSharedSecret",
      "GenerateDataKeyPair",
      "GenerateDataKeyPairWithoutPlaintext",
      "GetParametersForImport",
    ],
    at: outcome,
    ours: answered,
    moto: crash,
    because: "moto does not have the operation",
  },
  {
    calls: ["ImportKeyMaterial"],
    at: outcome,
    ours: /^ValidationException$/,
    moto: crash,
    because: "moto does not have the operation",
  },
];

export function isKnown(known: KnownDifference, { call, at, ours, moto }: Difference): boolean {
  return (
    known.calls.includes(call) &&
    known.at.test(at) &&
    known.ours.test(ours) &&
    known.moto.test(moto)
  );
}
