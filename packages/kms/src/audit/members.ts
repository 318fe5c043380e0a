/**
 * Which members of requests and answers are kept, by operation. A member that is not listed is dropped, and so is a listed
 * member whose value has the wrong shape. Bytes are never text, whatever their name.
 *
 * Never listed: plaintext, ciphertext, messages, MACs, signatures, key material, public keys, import
 * and grant tokens, attestation documents.
 *
 * Source: the AWS KMS API reference for names and shapes; spec/audit-v1.md#members
 *
 * @module
 */
import type { Json } from "./canonical.ts";

/** Characters of a text that are kept. The longest valid text fits. */
const MAX_TEXT = 2048;
const MAX_DESCRIPTION = 8192;
const MAX_POLICY = 32_768;
const MAX_ITEMS = 1000;

/** Returns the value as it is kept; `undefined` if it has another shape. */
type Shape = (value: unknown) => Json | undefined;

const text = textUpTo(MAX_TEXT);
const description = textUpTo(MAX_DESCRIPTION);
const policy = textUpTo(MAX_POLICY);
const texts = listOf(text);
const tags = listOf(structure({ TagKey: text, TagValue: text }));
const region = structure({ Arn: text, Region: text });

/** Shapes of members by name: the same name has the same shape in all operations. */
const shapes: Readonly<Record<string, Shape>> = {
  AliasName: text,
  Archive: text,
  BypassPolicyLockoutSafetyCheck: flag,
  Count: number,
  Constraints: structure({
    EncryptionContextEquals: map,
    EncryptionContextSubset: map,
    SourceArn: text,
  }),
  CustomKeyStoreId: text,
  CustomKeyStoreName: text,
  CustomerMasterKeySpec: text,
  DeletionDate: date,
  Description: description,
  Digest: text,
  DestinationEncryptionAlgorithm: text,
  DestinationEncryptionContext: map,
  DestinationKeyId: text,
  DestinationKeyMaterialId: text,
  DryRun: flag,
  DryRunModifiers: texts,
  EncryptionAlgorithm: text,
  EncryptionContext: map,
  ExpirationModel: text,
  FirstRecord: number,
  GrantId: text,
  GranteePrincipal: text,
  GranteeServicePrincipal: text,
  Groups: texts,
  ImportType: text,
  IncludeKeyMaterial: text,
  KeyAgreementAlgorithm: text,
  KeyId: text,
  KeyMaterialDescription: text,
  KeyMaterialId: text,
  KeyMetadata: keyMetadata,
  KeyPairSpec: text,
  KeySpec: text,
  KeyState: text,
  KeyUsage: text,
  LastRecord: number,
  Limit: number,
  MacAlgorithm: text,
  MessageType: text,
  MultiRegion: flag,
  Name: text,
  NumberOfBytes: number,
  Operations: texts,
  Origin: text,
  ParametersValidTo: date,
  PendingWindowInDays: number,
  PermissionsBoundary: policy,
  Policies: listOf(structure({ Name: text, Policy: policy })),
  Policy: policy,
  PolicyName: text,
  PrimaryRegion: text,
  PrincipalArn: text,
  ReplicaKeyMetadata: keyMetadata,
  ReplicaRegion: text,
  RetiringPrincipal: text,
  RetiringServicePrincipal: text,
  RotationPeriodInDays: number,
  SigningAlgorithm: text,
  SourceEncryptionAlgorithm: text,
  SourceEncryptionContext: map,
  SourceKeyId: text,
  SourceKeyMaterialId: text,
  TagKeys: texts,
  Tags: tags,
  TargetKeyId: text,
  ValidTo: date,
  WrappingAlgorithm: text,
  WrappingKeySpec: text,
};

const dataKeyPair = ["KeyId", "KeyPairSpec", "EncryptionContext", "DryRun"];
const dataKey = ["KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext", "DryRun"];
const grants = ["KeyId", "GrantId", "GranteePrincipal", "GranteeServicePrincipal", "Limit"];
const signing = ["KeyId", "MessageType", "SigningAlgorithm", "DryRun"];

/** Members of requests that are kept, by operation. An operation that is not listed keeps none. */
const requests: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    CancelKeyDeletion: ["KeyId"],
    CreateAlias: ["AliasName", "TargetKeyId"],
    CreateGrant: [
      "KeyId",
      "GranteePrincipal",
      "GranteeServicePrincipal",
      "RetiringPrincipal",
      "RetiringServicePrincipal",
      "Operations",
      "Constraints",
      "Name",
      "DryRun",
    ],
    CreateKey: [
      "Policy",
      "Description",
      "KeyUsage",
      "CustomerMasterKeySpec",
      "KeySpec",
      "Origin",
      "CustomKeyStoreId",
      "BypassPolicyLockoutSafetyCheck",
      "Tags",
      "MultiRegion",
    ],
    Decapsulate: ["KeyId", "EncryptionAlgorithm", "DryRun"],
    Decrypt: ["KeyId", "EncryptionContext", "EncryptionAlgorithm", "DryRun", "DryRunModifiers"],
    DeleteAlias: ["AliasName"],
    DeleteImportedKeyMaterial: ["KeyId", "KeyMaterialId"],
    DeriveSharedSecret: ["KeyId", "KeyAgreementAlgorithm", "DryRun"],
    DescribeCustomKeyStores: ["CustomKeyStoreId", "CustomKeyStoreName", "Limit"],
    DescribeKey: ["KeyId"],
    DisableKey: ["KeyId"],
    DisableKeyRotation: ["KeyId"],
    EnableKey: ["KeyId"],
    EnableKeyRotation: ["KeyId", "RotationPeriodInDays"],
    Encapsulate: ["KeyId", "EncryptionAlgorithm", "DryRun"],
    Encrypt: ["KeyId", "EncryptionContext", "EncryptionAlgorithm", "DryRun"],
    GenerateDataKey: dataKey,
    GenerateDataKeyPair: dataKeyPair,
    GenerateDataKeyPairWithoutPlaintext: dataKeyPair,
    GenerateDataKeyWithoutPlaintext: dataKey,
    GenerateMac: ["KeyId", "MacAlgorithm", "DryRun"],
    GenerateRandom: ["NumberOfBytes", "CustomKeyStoreId"],
    GetKeyLastUsage: ["KeyId"],
    GetKeyPolicy: ["KeyId", "PolicyName"],
    GetKeyRotationStatus: ["KeyId"],
    GetParametersForImport: ["KeyId", "WrappingAlgorithm", "WrappingKeySpec"],
    GetPublicKey: ["KeyId"],
    ImportKeyMaterial: [
      "KeyId",
      "ValidTo",
      "ExpirationModel",
      "ImportType",
      "KeyMaterialDescription",
      "KeyMaterialId",
    ],
    ListAliases: ["KeyId", "Limit"],
    ListGrants: grants,
    ListKeyPolicies: ["KeyId", "Limit"],
    ListKeyRotations: ["KeyId", "IncludeKeyMaterial", "Limit"],
    ListKeys: ["Limit"],
    ListResourceTags: ["KeyId", "Limit"],
    ListRetirableGrants: ["RetiringPrincipal", "RetiringServicePrincipal", "Limit"],
    PutKeyPolicy: ["KeyId", "PolicyName", "Policy", "BypassPolicyLockoutSafetyCheck"],
    ReEncrypt: [
      "SourceKeyId",
      "SourceEncryptionContext",
      "SourceEncryptionAlgorithm",
      "DestinationKeyId",
      "DestinationEncryptionContext",
      "DestinationEncryptionAlgorithm",
      "DryRun",
      "DryRunModifiers",
    ],
    ReplicateKey: [
      "KeyId",
      "ReplicaRegion",
      "Policy",
      "BypassPolicyLockoutSafetyCheck",
      "Description",
      "Tags",
    ],
    RetireGrant: ["KeyId", "GrantId", "DryRun"],
    RevokeGrant: ["KeyId", "GrantId", "DryRun"],
    RotateKeyOnDemand: ["KeyId"],
    ScheduleKeyDeletion: ["KeyId", "PendingWindowInDays"],
    Sign: signing,
    TagResource: ["KeyId", "Tags"],
    UntagResource: ["KeyId", "TagKeys"],
    UpdateAlias: ["AliasName", "TargetKeyId"],
    UpdateKeyDescription: ["KeyId", "Description"],
    UpdatePrimaryRegion: ["KeyId", "PrimaryRegion"],
    Verify: signing,
    VerifyMac: ["KeyId", "MacAlgorithm", "DryRun"],
    // Changes of principals, which are not operations of the KMS.
    DeletePrincipal: ["PrincipalArn"],
    PutPrincipal: ["PrincipalArn", "Policies", "PermissionsBoundary", "Groups", "Tags"],
    // What the keystore does by itself.
    AuditRecordsLost: ["Count"],
    DeleteExpiredKeyMaterial: ["KeyId", "KeyMaterialId"],
    DeleteKey: ["KeyId"],
    RotateAuditLog: ["FirstRecord", "LastRecord", "Digest", "Archive"],
    RotateKey: ["KeyId", "KeyMaterialId"],
    SynchronizeMultiRegionKey: ["KeyId"],
  }),
);

/** Members of answers that are kept, by operation. CloudTrail keeps none for reads and cryptographic operations. */
const responses: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    CancelKeyDeletion: ["KeyId"],
    CreateGrant: ["KeyId", "GrantId"],
    CreateKey: ["KeyMetadata"],
    DeleteImportedKeyMaterial: ["KeyId", "KeyMaterialId"],
    ImportKeyMaterial: ["KeyId", "KeyMaterialId"],
    ReplicateKey: ["ReplicaKeyMetadata"],
    RotateKeyOnDemand: ["KeyId"],
    ScheduleKeyDeletion: ["KeyId", "DeletionDate", "KeyState", "PendingWindowInDays"],
  }),
);

/** Members that name the key material that was used. CloudTrail has them beside the answer. */
const materials = ["KeyMaterialId", "SourceKeyMaterialId", "DestinationKeyMaterialId"];

/** What is kept of a request; `null` if nothing. */
export function requestMembers(
  operation: string,
  request: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  return keep(requests.get(operation) ?? [], request);
}

/** What is kept of an answer; `null` if nothing. */
export function responseMembers(
  operation: string,
  response: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  return keep(responses.get(operation) ?? [], response);
}

/** Ids of the key material that an answer names. */
export function materialMembers(
  response: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  return keep(materials, response);
}

function keep(
  names: readonly string[],
  from: Readonly<Record<string, unknown>>,
): Record<string, Json> | null {
  let kept: Record<string, Json> | null = null;
  for (const name of names) {
    const value = from[name];
    if (value === undefined) continue;
    const json = shapes[name]?.(value);
    if (json !== undefined) (kept ??= {})[logName(name)] = json;
  }
  return kept;
}

/** CloudTrail's spelling: `KeyId` is `keyId`, `AWSAccountId` is `aWSAccountId`. */
function logName(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** Text, cut at `limit`. A request with a longer text is refused anyway. */
export function textUpTo(limit: number): (value: unknown) => string | undefined {
  return (value) => {
    if (typeof value !== "string") return undefined;
    return value.length <= limit ? value : `${value.slice(0, limit)}…`;
  };
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function flag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

/** Dates as in CloudTrail, also from seconds since 1970, as in the protocol. */
function date(value: unknown): string | number | undefined {
  if (!(value instanceof Date)) return number(value);
  return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
}

function listOf(shape: Shape): Shape {
  return (value) =>
    Array.isArray(value)
      ? value.slice(0, MAX_ITEMS).flatMap((item: unknown) => shape(item) ?? [])
      : undefined;
}

/** A map of text to text: an encryption context. */
function map(value: unknown): Json | undefined {
  if (!isPlain(value)) return undefined;
  const kept: [string, string][] = [];
  for (const [name, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const known = description(item);
    if (known !== undefined) kept.push([description(name) ?? "", known]);
  }
  return Object.fromEntries(kept);
}

function structure(members: Readonly<Record<string, Shape>>): Shape {
  const entries = Object.entries(members);
  return (value) => {
    if (!isPlain(value)) return undefined;
    const kept: Record<string, Json> = {};
    for (const [name, shape] of entries) {
      const json = shape(value[name]);
      if (json !== undefined) kept[logName(name)] = json;
    }
    return kept;
  };
}

function keyMetadata(value: unknown): Json | undefined {
  return metadata(value);
}

const metadata = structure({
  AWSAccountId: text,
  Arn: text,
  CreationDate: date,
  CurrentKeyMaterialId: text,
  CustomerMasterKeySpec: text,
  DeletionDate: date,
  Description: description,
  Enabled: flag,
  EncryptionAlgorithms: texts,
  ExpirationModel: text,
  KeyAgreementAlgorithms: texts,
  KeyId: text,
  KeyManager: text,
  KeySpec: text,
  KeyState: text,
  KeyUsage: text,
  MacAlgorithms: texts,
  MultiRegion: flag,
  MultiRegionConfiguration: structure({
    MultiRegionKeyType: text,
    PrimaryKey: region,
    ReplicaKeys: listOf(region),
  }),
  Origin: text,
  PendingDeletionWindowInDays: number,
  SigningAlgorithms: texts,
  ValidTo: date,
});

/** Excludes bytes, which are also objects with members. */
function isPlain(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof ArrayBuffer)
  );
}
