/**
 * What IAM knows: users, roles and groups with their policies, managed policies, identity providers, and access keys.
 * Last uses of keys are kept in the same way.
 *
 * Source: spec/kms-store-v1.md#principals
 *
 * @module
 */
import type { Bytes } from "@env/core";
import { random } from "../material/seal.ts";
import type { NamedPolicy } from "../policy/request.ts";

/** Records by the kinds of their names. */
export interface IamRecords {
  readonly principal: PrincipalRecord;
  readonly policy: PolicyRecord;
  readonly provider: ProviderRecord;
  readonly "access key": AccessKeyRecord;
  readonly "last use": LastUseRecord;
}

type Tags = Readonly<Record<string, string>>;

export interface PrincipalRecord {
  /** `arn:aws:iam::111122223333:user/alice`, `…:role/app`, `…:group/developers`; of printable ASCII. */
  readonly arn: string;
  readonly type: "user" | "role" | "group";
  /** The result of {@link newId}: another principal of the same name has another id. */
  readonly userId: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly tags: Tags;
  readonly policies: readonly NamedPolicy[];
  /** ARNs of managed policies, which count as the principal's own. */
  readonly attached: readonly string[];
  /** Bounds what the policies may allow: a document, or the ARN of a managed policy. Not for groups. */
  readonly boundary: NamedPolicy | string | undefined;
  /** ARNs of the groups that a user is in: their policies count as the user's own. */
  readonly groups: readonly string[];
  /** What only a role has. */
  readonly role: RoleFacts | undefined;
}

export interface RoleFacts {
  /** Who may assume the role: JSON. A role without one cannot be assumed. */
  readonly trust: string | undefined;
  /** The longest session, in seconds. */
  readonly maxSession: number;
  readonly description: string;
}

/** A policy that principals refer to by its ARN. */
export interface PolicyRecord {
  /** `arn:aws:iam::111122223333:policy/use-keys`, or with a path. */
  readonly arn: string;
  readonly policyId: string;
  readonly created: number;
  readonly updated: number;
  readonly description: string;
  readonly tags: Tags;
  /** At most five, oldest first. */
  readonly versions: readonly PolicyVersion[];
  /** The number of the version that counts. */
  readonly defaultVersion: number;
  /** The number of the newest version that there ever was: numbers are not used again. */
  readonly latestVersion: number;
}

interface PolicyVersion {
  /** 1, 2, …: AWS writes `v1`. */
  readonly number: number;
  readonly created: number;
  /** JSON. */
  readonly text: string;
}

/** The document of the version that counts. */
export function defaultText({ versions, defaultVersion }: PolicyRecord): string {
  const version = versions.find(({ number }) => number === defaultVersion);
  if (version === undefined) throw new RangeError("the policy has no such version");
  return version.text;
}

/** An issuer of OpenID Connect tokens. */
export interface ProviderRecord {
  /** `arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com`. */
  readonly arn: string;
  readonly created: number;
  /** The issuer as its tokens have it: `https://…`. */
  readonly issuer: string;
  /** Audiences that tokens may have. */
  readonly clientIds: readonly string[];
  /** Kept for clients that write and read them; keys are fetched over TLS with the system's authorities. */
  readonly thumbprints: readonly string[];
  readonly tags: Tags;
}

export interface AccessKeyRecord {
  /** `AKIA` and 16 characters. */
  readonly accessKeyId: string;
  /** ARN of a user, or of the account's root. */
  readonly owner: string;
  /** The owner's id when the key was made: a later user of the same name does not inherit it. */
  readonly ownerId: string;
  readonly created: number;
  readonly active: boolean;
  /** 40 characters of base64. */
  readonly secret: string;
  /** Sessions of the console, at most ten; the one that was renewed last is the last. Absent: none since the key was made or activated. */
  readonly sessions?: readonly ConsoleSessionRecord[];
}

/** Somebody who has signed in to the console with the access key. */
export interface ConsoleSessionRecord {
  /** SHA-256 of the secret in the cookie, in base64url. */
  readonly hash: string;
  /** What has to come in a header. */
  readonly token: string;
  /** Milliseconds since 1970: when the session ends if it is not renewed, and in any case. */
  readonly idleUntil: number;
  readonly expires: number;
}

/** The last call that used a key for cryptography. */
export interface LastUseRecord {
  /** ARN of the key. */
  readonly arn: string;
  /** `Encrypt` */
  readonly operation: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** UUID of the record in the audit log. */
  readonly eventId: string;
  /** The id of the request of a server in front, if there was one. */
  readonly requestId: string | undefined;
  /** ARN of the caller, or the name of a service. */
  readonly principal: string | undefined;
}

const PREFIXES = {
  user: "AIDA",
  role: "AROA",
  group: "AGPA",
  policy: "ANPA",
  "access key": "AKIA",
  session: "ASIA",
} as const;
const BASE_32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A principal's ARN as if it had no path: no two principals of AWS have the same. */
export function withoutPath(arn: string): string {
  return arn.slice(0, arn.indexOf("/") + 1) + arn.slice(arn.lastIndexOf("/") + 1);
}

/** A random unique id: the four letters of its kind, and 17 characters; 16 for access keys. */
export function newId(kind: keyof typeof PREFIXES): string {
  const length = kind === "access key" || kind === "session" ? 16 : 17;
  // 256 is a multiple of 32: no character is likelier than another.
  const chars = Array.from(random(length), (byte) => BASE_32.charAt(byte % BASE_32.length));
  return PREFIXES[kind] + chars.join("");
}

/** A random secret access key: 40 characters, the base64 of 30 bytes. */
export function newSecret(): string {
  return Buffer.from(random(30)).toString("base64");
}

/** A record's bytes. */
export function encodeRecord(record: IamRecords[keyof IamRecords]): Bytes {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** Reads a record's bytes and wipes them. `undefined`: {@link encodeRecord} would not write them. */
export function decodeRecord<T>(
  plaintext: Bytes,
  isRecord: (value: unknown) => value is T,
): T | undefined {
  const value: unknown = JSON.parse(new TextDecoder().decode(plaintext));
  plaintext.fill(0);
  return isRecord(value) ? value : undefined;
}

// Records were sealed under the root key, so these are about another build's mistakes, not an attacker's.

export function isPrincipal(value: unknown): value is PrincipalRecord {
  const { arn, type, userId, created, tags, policies, attached, groups } = membersOf(value);
  return (
    typeof arn === "string" &&
    (type === "user" || type === "role" || type === "group") &&
    typeof userId === "string" &&
    typeof created === "number" &&
    typeof tags === "object" &&
    [policies, attached, groups].every((list) => Array.isArray(list))
  );
}

export function isPolicy(value: unknown): value is PolicyRecord {
  const { arn, policyId, versions, defaultVersion } = membersOf(value);
  return (
    typeof arn === "string" &&
    typeof policyId === "string" &&
    Array.isArray(versions) &&
    typeof defaultVersion === "number"
  );
}

export function isProvider(value: unknown): value is ProviderRecord {
  const { arn, issuer, clientIds } = membersOf(value);
  return typeof arn === "string" && typeof issuer === "string" && Array.isArray(clientIds);
}

export function isAccessKey(value: unknown): value is AccessKeyRecord {
  const { accessKeyId, owner, ownerId, active, secret } = membersOf(value);
  return (
    [accessKeyId, owner, ownerId, secret].every((text) => typeof text === "string") &&
    typeof active === "boolean"
  );
}

export function isLastUse(value: unknown): value is LastUseRecord {
  const { arn, operation, time, eventId } = membersOf(value);
  return (
    [arn, operation, eventId].every((text) => typeof text === "string") && typeof time === "number"
  );
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
