/**
 * Names of things: key ids, ARNs, aliases.
 *
 * @module
 */
import { KmsError } from "./catalogue/errors.ts";

/** Whose keys they are: part of every ARN. */
export interface Realm {
  /** Twelve digits. */
  readonly accountId: string;
  readonly region: string;
}

export function isRegion(text: unknown): text is string {
  return typeof text === "string" && /^[a-z0-9-]{1,32}$/.test(text);
}

/** What a request's `KeyId` names. An ARN of another account says so in `accountId`. */
export type KeyReference =
  | { readonly kind: "key"; readonly keyId: string; readonly accountId: string }
  | { readonly kind: "alias"; readonly name: string; readonly accountId: string };

const KEY_ID =
  /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const KMS_ARN = /^arn:aws:kms:([^:]*):([^:]*):(key|alias)\/(.*)$/s;

/** Lower-case UUIDs, and `mrk-` with 32 lower-case hex digits: one key, one name. */
export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
}

export function isMultiRegionKeyId(keyId: string): boolean {
  return keyId.startsWith("mrk-");
}

export function keyArn(realm: Realm, keyId: string): string {
  return `arn:aws:kms:${realm.region}:${realm.accountId}:key/${keyId}`;
}

export function aliasArn(realm: Realm, name: string): string {
  return `arn:aws:kms:${realm.region}:${realm.accountId}:${name}`;
}

export function accountRoot(accountId: string): string {
  return `arn:aws:iam::${accountId}:root`;
}

/**
 * Reads a key id, key ARN, alias name or alias ARN.
 *
 * @param ownAccount - The caller's: the account of a name that is not an ARN.
 * @throws {@link KmsError} `NotFoundException` for another region, and for a text that is not one of the four.
 */
export function parseKeyReference(
  text: string,
  realm: Realm,
  ownAccount: string = realm.accountId,
): KeyReference {
  if (isKeyId(text)) return { kind: "key", keyId: text, accountId: ownAccount };
  if (text.startsWith("alias/")) return { kind: "alias", name: text, accountId: ownAccount };
  const [, region, accountId, kind, rest] = KMS_ARN.exec(text) ?? [];
  if (region === undefined || accountId === undefined || rest === undefined) {
    throw new KmsError("NotFoundException", `Invalid keyId '${text}'`);
  }
  if (region !== realm.region) throw new KmsError("NotFoundException", `Invalid arn ${region}`);
  if (kind === "alias") return { kind, name: `alias/${rest}`, accountId };
  if (!isKeyId(rest)) throw new KmsError("NotFoundException", `Invalid keyId '${rest}'`);
  return { kind: "key", keyId: rest, accountId };
}

/** The 16 bytes that identify a key in a file and in a blob, without the `mrk-` of a multi-Region key. */
export function keyIdToBytes(keyId: string): Uint8Array<ArrayBuffer> {
  const hex = isMultiRegionKeyId(keyId) ? keyId.slice(4) : keyId.replaceAll("-", "");
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/** The multi-Region key id with the same 16 bytes as a UUID. */
export function multiRegionForm(uuid: string): string {
  return `mrk-${uuid.replaceAll("-", "")}`;
}

/** The UUID with the same 16 bytes as a key id: what a file and a blob call the key. */
export function uuidOf(keyId: string): string {
  return isMultiRegionKeyId(keyId) ? asUuid(keyId.slice(4)) : keyId;
}

/** Writes 16 bytes as a UUID. */
export function keyIdFromBytes(bytes: Uint8Array): string {
  return asUuid(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex"));
}

function asUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export type PrincipalType = "root" | "user" | "role" | "session" | "federated" | "service";

/** What the name of a principal says. */
export interface ParsedPrincipal {
  readonly type: PrincipalType;
  /** None for a service. */
  readonly accountId: string | undefined;
  /** The name of a session or federated user; empty for others. */
  readonly name: string;
  /** ARN of the role of a session, as if the role had no path. */
  readonly roleArn: string | undefined;
}

const IAM = /^arn:aws:iam::([0-9]{12}):(root|(user|role)\/[\w+=,.@/-]{1,600})$/;
const STS =
  /^arn:aws:sts::([0-9]{12}):(assumed-role|federated-user)\/([\w+=,.@-]{1,64})(?:\/([\w+=,.@-]{2,64}))?$/;
const OWN_IAM = /^(?:root|(?:user|role)\/.+)$/s;
const OWN_STS = /^(?:assumed-role|federated-user)\/.+$/s;

/**
 * The ARN of a principal that people name in short: `root`, `user/alice`, `role/app`, `assumed-role/app/session`
 * and `federated-user/bob` belong to the keystore's account. Any other text is returned as it is.
 */
export function principalArn(text: string, { accountId }: Pick<Realm, "accountId">): string {
  if (OWN_IAM.test(text)) return `arn:aws:iam::${accountId}:${text}`;
  if (OWN_STS.test(text)) return `arn:aws:sts::${accountId}:${text}`;
  return text;
}

const SERVICE = /^[a-z0-9-]{1,64}(?:\.[a-z0-9-]{1,64})*\.amazonaws\.com$/;

/** Reads the ARN of a caller, or a service's name. `undefined`: it is neither, as the ARN of a group. */
export function parsePrincipal(text: string): ParsedPrincipal | undefined {
  const [, owner, , kind] = IAM.exec(text) ?? [];
  if (owner !== undefined) {
    const type = kind === "user" || kind === "role" ? kind : "root";
    return { type, accountId: owner, name: "", roleArn: undefined };
  }
  const [, accountId, how, name = "", sessionName] = STS.exec(text) ?? [];
  if (how === "assumed-role" && accountId !== undefined && sessionName !== undefined) {
    const roleArn = `arn:aws:iam::${accountId}:role/${name}`;
    return { type: "session", accountId, name: sessionName, roleArn };
  }
  if (how === "federated-user" && sessionName === undefined) {
    return { type: "federated", accountId, name, roleArn: undefined };
  }
  if (!SERVICE.test(text)) return undefined;
  return { type: "service", accountId: undefined, name: text, roleArn: undefined };
}
