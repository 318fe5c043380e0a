/**
 * Which members of requests and answers are kept: of a request those that have a shape here, of an answer those
 * that the catalogue names. A member whose value has another shape is dropped. Bytes are never text, whatever
 * their name.
 *
 * Never with a shape: plaintext, ciphertext, shared secrets, messages, MACs, signatures, key material, public keys, import
 * and grant tokens, attestation documents.
 *
 * Source: the AWS KMS API reference for names and shapes; spec/audit-v1.md#members
 *
 * @module
 */
import { operations } from "../catalogue/operations.ts";
import type { Row } from "../catalogue/row.ts";
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
  AccessKeyId: text,
  AliasName: text,
  Archive: text,
  AssumeRolePolicyDocument: policy,
  AttachedPolicies: texts,
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
  EncapsulationAlgorithm: text,
  EncryptionAlgorithm: text,
  EncryptionContext: map,
  ExpirationModel: text,
  FirstRecord: number,
  From: date,
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
  MaxSessionDuration: number,
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
  Principal: text,
  PrincipalArn: text,
  ReplicaKeyMetadata: keyMetadata,
  Requests: listOf(structure({ action: text, key: text, principal: text, role: text })),
  Resource: text,
  ReplicaRegion: text,
  RetiringPrincipal: text,
  RetiringServicePrincipal: text,
  RotationPeriodInDays: number,
  SigningAlgorithm: text,
  SourceEncryptionAlgorithm: text,
  SourceEncryptionContext: map,
  SourceKeyId: text,
  SourceKeyMaterialId: text,
  Status: text,
  TagKeys: texts,
  Tags: tags,
  TargetKeyId: text,
  To: date,
  ValidTo: date,
  WrappingAlgorithm: text,
  WrappingKeySpec: text,
};

/** What is recorded beside calls: changes of principals, and what the keystore does by itself. */
const ownRecords: Readonly<Record<string, Kept>> = {
  CreateAccessKey: { request: ["PrincipalArn", "AccessKeyId"] },
  DeleteAccessKey: { request: ["PrincipalArn", "AccessKeyId"] },
  UpdateAccessKey: { request: ["PrincipalArn", "AccessKeyId", "Status"] },
  DeletePrincipal: { request: ["PrincipalArn"] },
  CountAudit: { request: ["From", "To", "Operations", "Principal", "Resource"] },
  EffectiveAccess: { request: ["KeyId"] },
  Explain: { request: ["Requests"] },
  QueryAudit: { request: ["From", "To", "Operations", "Principal", "Resource"] },
  PutPrincipal: {
    request: [
      "PrincipalArn",
      "Policies",
      "PermissionsBoundary",
      "Groups",
      "AttachedPolicies",
      "AssumeRolePolicyDocument",
      "MaxSessionDuration",
      "Tags",
    ],
  },
  AuditRecordsLost: { request: ["Count"] },
  DeleteExpiredKeyMaterial: { request: ["KeyId", "KeyMaterialId"] },
  DeleteKey: { request: ["KeyId"] },
  AnchorAuditLog: { request: ["Places"] },
  RotateAuditLog: { request: ["FirstRecord", "LastRecord", "Digest", "Archive"] },
  RotateKey: { request: ["KeyId", "KeyMaterialId"] },
  SynchronizeMultiRegionKey: { request: ["KeyId"] },
};

interface Kept {
  readonly request: readonly string[];
  readonly response?: readonly string[];
}

/** Members that are kept, by operation. Of one that is not listed nothing is kept. */
const keptOf: ReadonlyMap<string, Kept> = new Map(
  [
    ...Object.entries(ownRecords),
    ...Object.entries<Row>(operations).map(([name, row]) => [name, membersKept(row)] as const),
  ].map(([name, { request, response = [] }]) => [
    name,
    // In the order of the canonical form, as in record.ts.
    { request: byLogName(request), response: byLogName(response) },
  ]),
);

function byLogName(members: readonly string[]): readonly string[] {
  return members.toSorted((a, b) => (logName(a) < logName(b) ? -1 : 1));
}

/** All members of the request that have a shape, also those that the call is refused for. */
function membersKept({ request, refused, logged }: Row): Kept {
  const members = [request, refused].flatMap((words) => words?.split(" ") ?? []);
  return {
    request: members.filter((member) => Object.hasOwn(shapes, member)),
    ...(logged === undefined ? {} : { response: logged.split(" ") }),
  };
}

/** Members that name the key material that was used. CloudTrail has them beside the answer. */
const materials = ["DestinationKeyMaterialId", "KeyMaterialId", "SourceKeyMaterialId"];

/** What is kept of a request; `null` if nothing. */
export function requestMembers(
  operation: string,
  request: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  return keep(keptOf.get(operation)?.request ?? [], request);
}

/** Parameters of IAM and STS that are kept, whatever the action: none of them is secret. */
const formShapes: ReadonlyMap<string, Shape> = new Map([
  ...[
    "AccessKeyId",
    "DurationSeconds",
    "GroupName",
    "NewGroupName",
    "NewPath",
    "NewUserName",
    "OpenIDConnectProviderArn",
    "Path",
    "PermissionsBoundary",
    "PolicyArn",
    "PolicyName",
    "RoleArn",
    "RoleName",
    "RoleSessionName",
    "SourceIdentity",
    "Status",
    "Url",
    "UserName",
    "VersionId",
  ].map((name) => [name, text] as const),
  ...["AssumeRolePolicyDocument", "Policy", "PolicyDocument"].map(
    (name) => [name, policy] as const,
  ),
]);

/** What is kept of the parameters of a call of IAM or STS; `null` if nothing. */
export function formMembers(
  request: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  const kept: Record<string, Json> = {};
  for (const [name, shape] of formShapes) {
    const json = Object.hasOwn(request, name) ? shape(request[name]) : undefined;
    if (json !== undefined) kept[logName(name)] = json;
  }
  return Object.keys(kept).length === 0 ? null : kept;
}

/** What is kept of an answer; `null` if nothing. */
export function responseMembers(
  operation: string,
  response: Readonly<Record<string, unknown>>,
): Readonly<Record<string, Json>> | null {
  return keep(keptOf.get(operation)?.response ?? [], response);
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
  EncapsulationAlgorithms: texts,
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
