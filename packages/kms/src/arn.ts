/**
 * Names of things: key ids, ARNs, aliases.
 *
 * @module
 */
import { KmsError } from "./errors.ts";

/** Whose keys they are: part of every ARN. */
export interface Realm {
  /** Twelve digits. */
  readonly accountId: string;
  readonly region: string;
}

/** What a request's `KeyId` names. An ARN of another account says so in `accountId`. */
export type KeyReference =
  | { readonly kind: "key"; readonly keyId: string; readonly accountId: string }
  | { readonly kind: "alias"; readonly name: string; readonly accountId: string };

const KEY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const KMS_ARN = /^arn:aws:kms:([^:]*):([^:]*):(key|alias)\/(.*)$/s;

/** Lower-case UUIDs only: one key, one name. */
export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
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
 * @throws {@link KmsError} `NotFoundException` for another region and for what is none of the four.
 */
export function parseKeyReference(text: string, realm: Realm): KeyReference {
  if (isKeyId(text)) return { kind: "key", keyId: text, accountId: realm.accountId };
  if (text.startsWith("alias/")) return { kind: "alias", name: text, accountId: realm.accountId };
  const [, region, accountId, kind, rest] = KMS_ARN.exec(text) ?? [];
  if (region === undefined || accountId === undefined || rest === undefined) {
    throw new KmsError("NotFoundException", `Invalid keyId '${text}'`);
  }
  if (region !== realm.region) throw new KmsError("NotFoundException", `Invalid arn ${region}`);
  if (kind === "alias") return { kind, name: `alias/${rest}`, accountId };
  if (!isKeyId(rest)) throw new KmsError("NotFoundException", `Invalid keyId '${rest}'`);
  return { kind: "key", keyId: rest, accountId };
}

export function keyIdToBytes(keyId: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(keyId.replaceAll("-", ""), "hex"));
}

/** `bytes` has 16. */
export function keyIdFromBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
