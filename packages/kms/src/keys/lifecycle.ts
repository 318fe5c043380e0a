/**
 * What comes due on a key by itself: automatic rotation, and the end of imported material.
 *
 * There is no clock that runs in the background: many processes may have the file open, or none. What is
 * due is carried out by the next call on the key that is allowed, before the call itself and in its
 * transaction. So a key rotates at the first use on or after its date, and never without need.
 *
 * Deletion of whole keys is the store's.
 *
 * @module
 */
import { keyState, materialIdOf } from "./key.ts";
import { primaryOf, relatedKeys } from "./multi-region.ts";
import type { KeyRecord, KeyVersion } from "../store/key-record.ts";
import { KEY_BYTES, random, secretKey } from "../material/seal.ts";
import { DAY_MS, type Store } from "../store/store.ts";

/** Something that the KMS did by itself, for the audit log. */
export interface DueEvent {
  readonly operation: "RotateKey" | "DeleteExpiredKeyMaterial" | "SynchronizeMultiRegionKey";
  readonly key: KeyRecord;
  readonly keyMaterialId: string;
}

/** Material that was made here, for symmetric keys: no other kind rotates. */
export function newVersion(created: number, rotation: KeyVersion["rotation"]): KeyVersion {
  const material = secretKey(random(KEY_BYTES));
  return { created, rotation, material, imported: undefined };
}

/** Whether {@link carryOutDue} has something to do. */
export function isDue(record: KeyRecord, store: Pick<Store, "keys" | "now" | "settled">): boolean {
  const { now, settled } = { now: store.now(), settled: store.settled() };
  return isRotationDue(primaryOf(record, store), now) || hasExpiredMaterial(record, settled);
}

/** Does what is due, inside a write. The record may come from before another change in it. */
export function carryOutDue(
  { region, keyId }: KeyRecord,
  store: Store,
): { readonly record: KeyRecord; readonly done: readonly DueEvent[] } {
  const found = store.keys.get(region, keyId);
  if (found === undefined) throw new RangeError("the key was just there");
  const done: DueEvent[] = [];
  const settled = store.settled();
  const withoutExpired = (version: KeyVersion, i: number): KeyVersion => {
    if (!isExpired(version, settled)) return version;
    const keyMaterialId = materialIdOf(found, i + 1);
    done.push({ operation: "DeleteExpiredKeyMaterial", key: found, keyMaterialId });
    return { ...version, material: undefined };
  };
  const { versions, pending } = found;
  const kept = versions.map(withoutExpired);
  const waiting = pending && withoutExpired(pending, versions.length);
  if (done.length > 0) {
    store.keys.update({ ...found, versions: kept, pending: waiting });
    store.destroysMaterial();
  }
  const now = store.now();
  const primary = primaryOf(found, store);
  if (isRotationDue(primary, now)) {
    store.keys.update({ ...primary, rotation: nextRotation(primary, now) });
    const version = newVersion(now, "AUTOMATIC");
    done.push(...rotate(primary, store, () => version));
  }
  return { record: store.keys.get(region, keyId) ?? found, done };
}

/** Rotates a key, and with a primary key its replicas. Returns what was done, the key that is named first. */
export function rotate(
  { keyId, region: own }: KeyRecord,
  store: Store,
  versionFor: (record: KeyRecord) => KeyVersion,
): readonly DueEvent[] {
  const found = store.keys.get(own, keyId);
  if (found === undefined) throw new RangeError("the key was just there");
  return relatedKeys(found, store).map((one): DueEvent => {
    const key = { ...rotated(one, versionFor(one)), pending: undefined };
    store.keys.update(key);
    const operation = key.region === own ? "RotateKey" : "SynchronizeMultiRegionKey";
    return { operation, key, keyMaterialId: materialIdOf(key, key.versions.length) };
  });
}

/** The record with one more version, which encrypts from now on. */
function rotated(record: KeyRecord, version: KeyVersion): KeyRecord {
  return { ...record, versions: [...record.versions, version] };
}

/** A period from now: a key that was overdue does not rotate twice. */
function nextRotation({ rotation }: KeyRecord, now: number): KeyRecord["rotation"] {
  return rotation && { ...rotation, next: now + rotation.periodInDays * DAY_MS };
}

/** Keys that are disabled or pending deletion are not rotated; once enabled, at once. */
function isRotationDue(record: KeyRecord, now: number): boolean {
  return (record.rotation?.next ?? Infinity) <= now && keyState(record, now) === "Enabled";
}

function hasExpiredMaterial({ origin, versions, pending }: KeyRecord, settled: number): boolean {
  if (origin !== "EXTERNAL") return false;
  const expired = (version: KeyVersion): boolean => isExpired(version, settled);
  return versions.some(expired) || (pending !== undefined && expired(pending));
}

function isExpired({ material, imported }: KeyVersion, settled: number): boolean {
  return material !== undefined && (imported?.expires ?? Infinity) <= settled;
}
