/**
 * What follows from a key's record: its state, the version that encrypts, and the names of its material.
 *
 * @module
 */
import { hash, type KeyObject } from "node:crypto";
import { keyArn, keyIdToBytes, multiRegionForm, type Realm } from "../arn.ts";
import { requireAvailable } from "../material/material.ts";
import { label } from "../material/seal.ts";
import type { KeyRecord, KeyVersion } from "../store/key-record.ts";
import { DAY_MS, type Store } from "../store/store.ts";
import type { KeyState } from "../catalogue/key-states.ts";

/** A version with its material at hand, and the name it goes by in a blob. */
export interface UsableVersion {
  readonly keyId: string;
  /** Counted from 1. */
  readonly keyVersion: number;
  readonly key: KeyObject;
}

/** Quotas of AWS that a record itself is held to. */
export const kmsLimits = {
  aliasesPerKey: 50,
  /** Length of the canonical encoding, without the number of pairs. AWS has a bound that it does not document. */
  encryptionContextBytes: 8192,
  onDemandRotationsPerKey: 25,
  policyBytes: 32_768,
  tagsPerKey: 50,
} as const;

const MATERIAL_LABEL = label("env/1/keymaterial");

export function arnOf(
  { keyId, region }: Pick<KeyRecord, "keyId" | "region">,
  { accountId }: Pick<Realm, "accountId">,
): string {
  return keyArn({ accountId, region }, keyId);
}

export function keyState(record: KeyRecord, now: number): KeyState {
  const { deletion } = record;
  if (deletion !== undefined) {
    return deletion.date === undefined ? "PendingReplicaDeletion" : "PendingDeletion";
  }
  const { versions } = record;
  if (versions.length === 0 || versions.some((version) => !isPresent(version, now))) {
    return "PendingImport";
  }
  return record.enabled ? "Enabled" : "Disabled";
}

/**
 * Days in which a key was not used for cryptography, rounded down: since its last use, or else since it was created.
 *
 * @param lastUse - Milliseconds since 1970; `undefined`: never.
 */
export function daysWithoutUse(
  { created }: Pick<KeyRecord, "created">,
  lastUse: number | undefined,
  now: number,
): number {
  return Math.max(0, Math.floor((now - (lastUse ?? created)) / DAY_MS));
}

/** Whether a version can be used: imported material may be deleted, or expire. */
export function isPresent({ material, imported }: KeyVersion, now: number): boolean {
  return material !== undefined && (imported?.expires ?? Infinity) > now;
}

/**
 * The version that encrypts, signs and so on. The key's state says that it is there.
 *
 * @throws `UnsupportedOperationException` for keys that are not available on this Node.js.
 */
export function currentVersion(record: KeyRecord): UsableVersion {
  requireAvailable(record.keySpec);
  const current = versionOf(record, record.versions.length);
  if (current === undefined) throw new RangeError("the key has no material");
  return current;
}

/** The key of a region that a blob or token names by its bytes. */
export function keyOfUuid(
  { keys }: Pick<Store, "keys">,
  { region }: Pick<Realm, "region">,
  uuid: string,
): KeyRecord | undefined {
  return keys.get(region, uuid) ?? keys.get(region, multiRegionForm(uuid));
}

/** The version that a blob names, or `undefined`. */
export function versionOf(
  { keyId, versions }: KeyRecord,
  keyVersion: number,
): UsableVersion | undefined {
  const key = versions[keyVersion - 1]?.material;
  return key === undefined ? undefined : { keyId, keyVersion, key };
}

/** The public name of a version's material: 64 hex digits that follow from key and version. */
export function keyMaterialId(keyId: string, keyVersion: number): string {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, keyVersion);
  return hash("sha256", Buffer.concat([MATERIAL_LABEL, keyIdToBytes(keyId), version]), "hex");
}

/**
 * The public name of a version's material; the pending one has the number after the last. Imported
 * material has a name that follows from it: the same key id and material have the same.
 */
export function materialIdOf(record: KeyRecord, keyVersion: number): string {
  const { keyId, versions, pending } = record;
  const { imported } = versions[keyVersion - 1] ?? pending ?? {};
  return imported?.fingerprint ?? keyMaterialId(keyId, keyVersion);
}

/** Records are immutable, and the same one comes back until the key changes. */
const currentIds = new WeakMap<KeyRecord, string>();

/** The id of the material that encrypts. */
export function currentMaterialId(record: KeyRecord): string {
  const known = currentIds.get(record);
  if (known !== undefined) return known;
  const id = materialIdOf(record, record.versions.length);
  currentIds.set(record, id);
  return id;
}
