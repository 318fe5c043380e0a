/**
 * A CMK as the keystore knows it: one immutable record, sealed as a whole.
 *
 * Key material is never text: the record is a JSON head without it and the raw version keys behind,
 * so the buffers it passes through can be wiped, which strings cannot.
 *
 *     record = u32 length of head || head (JSON) || 32 bytes per version, the first version first
 *
 * Source: spec/kms-store-v1.md#record
 *
 * @module
 */
import { createHash, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keyArn, keyIdToBytes, type Realm } from "./arn.ts";
import type { WrappingKey } from "./blob.ts";
import { KmsError } from "./errors.ts";
import { KEY_BYTES, label, secretKey } from "./seal.ts";
import type { KeyMetadata, KeyRotation } from "./shapes.ts";

export type KeyState = "Enabled" | "Disabled" | "PendingDeletion";

/** Times are milliseconds since 1970. */
export interface KeyRecord {
  /** Lower-case UUID. */
  readonly keyId: string;
  readonly created: number;
  readonly description: string;
  readonly enabled: boolean;
  readonly deletion: { readonly date: number; readonly windowDays: number } | undefined;
  /** JSON text. */
  readonly policy: string;
  /** Sorted by name. */
  readonly aliases: readonly AliasRecord[];
  /** At least one; version n at index n - 1; the last one encrypts. */
  readonly versions: readonly KeyVersion[];
}

export interface AliasRecord {
  /** `alias/app`. */
  readonly name: string;
  readonly created: number;
  readonly updated: number;
}

interface KeyVersion {
  readonly created: number;
  readonly key: KeyObject;
}

/** Quotas, as AWS has them. */
export const kmsLimits = { aliasesPerKey: 50, rotationsPerKey: 25 } as const;

const MATERIAL_LABEL = label("env/1/keymaterial");

export function keyState(record: KeyRecord): KeyState {
  if (record.deletion !== undefined) return "PendingDeletion";
  return record.enabled ? "Enabled" : "Disabled";
}

/** A key past its deletion date is gone, whether or not its row has been deleted yet. */
export function isGone(record: KeyRecord, now: number): boolean {
  return record.deletion !== undefined && record.deletion.date <= now;
}

/** The version that encrypts. */
export function currentVersion(record: KeyRecord): WrappingKey {
  const current = versionOf(record, record.versions.length);
  if (current === undefined) throw new RangeError("a key has at least one version");
  return current;
}

/** The version that a blob names, or `undefined`. */
export function versionOf(
  { keyId, versions }: KeyRecord,
  keyVersion: number,
): WrappingKey | undefined {
  const version = versions[keyVersion - 1];
  return version === undefined ? undefined : { keyId, keyVersion, key: version.key };
}

/** The public name of a version's material: 64 hex digits that follow from key and version. */
export function keyMaterialId(keyId: string, keyVersion: number): string {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, keyVersion);
  return createHash("sha256")
    .update(MATERIAL_LABEL)
    .update(keyIdToBytes(keyId))
    .update(version)
    .digest("hex");
}

export function keyMetadata(record: KeyRecord, realm: Realm): KeyMetadata {
  const { keyId, deletion } = record;
  return {
    AWSAccountId: realm.accountId,
    KeyId: keyId,
    Arn: keyArn(realm, keyId),
    CreationDate: new Date(record.created),
    Enabled: keyState(record) === "Enabled",
    Description: record.description,
    KeyUsage: "ENCRYPT_DECRYPT",
    KeyState: keyState(record),
    ...(deletion === undefined ? {} : { DeletionDate: new Date(deletion.date) }),
    Origin: "AWS_KMS",
    KeyManager: "CUSTOMER",
    CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
    KeySpec: "SYMMETRIC_DEFAULT",
    EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
    MultiRegion: false,
    CurrentKeyMaterialId: keyMaterialId(keyId, record.versions.length),
  };
}

/** @throws {@link KmsError} `LimitExceededException` */
export function withAlias(record: KeyRecord, alias: AliasRecord): KeyRecord {
  if (record.aliases.length >= kmsLimits.aliasesPerKey) {
    throw new KmsError(
      "LimitExceededException",
      `a key has at most ${kmsLimits.aliasesPerKey} aliases`,
    );
  }
  const aliases = [...record.aliases, alias].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { ...record, aliases };
}

export function withoutAlias(record: KeyRecord, name: string): KeyRecord {
  return { ...record, aliases: record.aliases.filter((alias) => alias.name !== name) };
}

/** How a version came about, for ListKeyRotations. */
export function keyRotation({ keyId, versions }: KeyRecord, keyVersion: number): KeyRotation {
  const created = versions[keyVersion - 1]?.created;
  return {
    KeyId: keyId,
    KeyMaterialId: keyMaterialId(keyId, keyVersion),
    KeyMaterialState: keyVersion === versions.length ? "CURRENT" : "NON_CURRENT",
    ...(keyVersion === 1 || created === undefined
      ? {}
      : { RotationDate: new Date(created), RotationType: "ON_DEMAND" as const }),
  };
}

/** The record's bytes, key material included: the caller's to wipe. */
export function encodeRecord(record: KeyRecord): Bytes {
  const { keyId: _, versions, ...rest } = record;
  const head = new TextEncoder().encode(
    JSON.stringify({ ...rest, versions: versions.map(({ created }) => ({ created })) }),
  );
  const out = new Uint8Array(4 + head.length + versions.length * KEY_BYTES);
  new DataView(out.buffer).setUint32(0, head.length);
  out.set(head, 4);
  let at = 4 + head.length;
  for (const { key } of versions) {
    const raw = key.export();
    out.set(raw, at);
    raw.fill(0);
    at += KEY_BYTES;
  }
  return out;
}

/**
 * Reads a record's bytes and wipes them.
 *
 * @returns `undefined` for what {@link encodeRecord} would not write.
 */
export function decodeRecord(keyId: string, bytes: Bytes): KeyRecord | undefined {
  try {
    const length = bytes.length < 4 ? Infinity : new DataView(bytes.buffer).getUint32(0);
    if (4 + length > bytes.length) return undefined;
    const head: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const material = bytes.subarray(4 + length);
    if (!isHead(head) || material.length !== head.versions.length * KEY_BYTES) return undefined;
    const versions = head.versions.map(({ created }, i) => {
      const key = secretKey(material.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES));
      return { created, key };
    });
    return { ...head, deletion: head.deletion, keyId, versions };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    bytes.fill(0);
  }
}

type Head = Omit<KeyRecord, "keyId" | "versions"> & {
  readonly versions: readonly Omit<KeyVersion, "key">[];
};

/** The record was sealed under the root key, so this is about another build's mistakes, not an attacker's. */
function isHead(value: unknown): value is Head {
  if (!isObject(value)) return false;
  const { created, description, enabled, deletion, policy, aliases, versions } = value;
  return (
    typeof created === "number" &&
    typeof description === "string" &&
    typeof enabled === "boolean" &&
    (deletion === undefined ||
      (hasNumber(deletion, "date") && hasNumber(deletion, "windowDays"))) &&
    typeof policy === "string" &&
    Array.isArray(aliases) &&
    aliases.every(
      (one) => hasNumber(one, "created") && hasNumber(one, "updated") && isNamed(one),
    ) &&
    Array.isArray(versions) &&
    versions.length > 0 &&
    versions.every((one) => hasNumber(one, "created"))
  );
}

function isNamed(value: unknown): boolean {
  return isObject(value) && typeof value["name"] === "string";
}

function hasNumber(value: unknown, member: string): boolean {
  return isObject(value) && typeof value[member] === "number";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
