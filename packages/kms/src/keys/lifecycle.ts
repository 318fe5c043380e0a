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
import type { KeyRecord, KeyVersion } from "../store/key-record.ts";
import { KEY_BYTES, random, secretKey } from "../material/seal.ts";
import type { Store } from "../store/store.ts";

export const DAY_MS = 86_400_000;

/** Something that the KMS did by itself, for the audit log. */
export interface DueEvent {
  readonly operation: "RotateKey" | "DeleteExpiredKeyMaterial";
  readonly keyMaterialId: string;
}

/** Material that was made here, for symmetric keys: no other kind rotates. */
export function newVersion(created: number, rotation: KeyVersion["rotation"]): KeyVersion {
  const material = secretKey(random(KEY_BYTES));
  return { created, rotation, material, imported: undefined };
}

/** Whether {@link carryOutDue} has something to do. */
export function isDue(record: KeyRecord, store: Pick<Store, "now" | "settled">): boolean {
  return isRotationDue(record, store.now()) || hasExpiredMaterial(record, store.settled());
}

/** Does what is due, inside a write. The record may come from before another change in it. */
export function carryOutDue(
  { keyId }: KeyRecord,
  store: Store,
): { readonly record: KeyRecord; readonly done: readonly DueEvent[] } {
  const found = store.keys.get(keyId);
  if (found === undefined) throw new RangeError("the key was just there");
  const done: DueEvent[] = [];
  let record = found;
  const settled = store.settled();
  const withoutExpired = (version: KeyVersion, i: number): KeyVersion => {
    if (!isExpired(version, settled)) return version;
    const keyMaterialId = materialIdOf(found, i + 1);
    done.push({ operation: "DeleteExpiredKeyMaterial", keyMaterialId });
    return { ...version, material: undefined };
  };
  const { versions, pending } = found;
  const kept = versions.map(withoutExpired);
  const waiting = pending && withoutExpired(pending, versions.length);
  if (done.length > 0) {
    record = { ...record, versions: kept, pending: waiting };
    store.destroysMaterial();
  }
  const now = store.now();
  if (isRotationDue(record, now)) {
    record = rotated(record, newVersion(now, "AUTOMATIC"));
    record = { ...record, rotation: nextRotation(record, now) };
    done.push({
      operation: "RotateKey",
      keyMaterialId: materialIdOf(record, record.versions.length),
    });
  }
  if (record !== found) store.keys.update(record);
  return { record, done };
}

/** The record with one more version, which encrypts from now on. */
export function rotated(record: KeyRecord, version: KeyVersion): KeyRecord {
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
