/**
 * Multi-Region keys: a primary key and its replicas have one id and the same material, one in each region. Each
 * is a record of its own, with its own policy, aliases, tags, grants, description and state. The primary's record
 * says when all of them rotate.
 *
 * Source: "Multi-Region keys in AWS KMS" in the AWS KMS developer guide
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import type { KeyRecord, KeyVersion } from "../store/key-record.ts";
import { DAY_MS, type Store } from "../store/store.ts";

type Family = Pick<KeyRecord, "region" | "regions">;

/** Only for multi-Region keys. */
export function multiRegionKeyType({ region, regions }: Family): "PRIMARY" | "REPLICA" {
  return regions?.[0] === region ? "PRIMARY" : "REPLICA";
}

export function isReplica(record: Family): boolean {
  return record.regions !== undefined && multiRegionKeyType(record) === "REPLICA";
}

/** A deletion in so many days. A primary key waits for its replicas first, so its deletion has no date yet. */
export function deletionIn(
  windowDays: number,
  { region, regions }: Family,
  now: number,
): NonNullable<KeyRecord["deletion"]> {
  const waits = regions !== undefined && regions.length > 1 && regions[0] === region;
  return { date: waits ? undefined : now + windowDays * DAY_MS, windowDays };
}

/** Refuses what only a primary key can do. */
export function notPrimary(arn: string): KmsError {
  return new KmsError("UnsupportedOperationException", `${arn} is not a multi-region primary key.`);
}

/** The key that says when to rotate: of a replica, the primary key; else the key itself. */
export function primaryOf(record: KeyRecord, { keys }: Pick<Store, "keys">): KeyRecord {
  const { keyId, regions: [primary] = [] } = record;
  if (primary === undefined || primary === record.region) return record;
  return keys.get(primary, keyId) ?? record;
}

/** The key and, if it is a multi-Region key, all that share its id, the primary key first. */
export function relatedKeys(
  record: KeyRecord,
  { keys }: Pick<Store, "keys">,
): readonly KeyRecord[] {
  const { keyId, regions } = record;
  return regions?.flatMap((region) => keys.get(region, keyId) ?? []) ?? [record];
}

/** Makes a replica of a primary key, and returns it. Inside a write. */
export function replicate(
  primary: KeyRecord,
  own: Pick<KeyRecord, "region" | "description" | "policy" | "tags">,
  store: Store,
): KeyRecord {
  const regions = [...(primary.regions ?? []), own.region];
  const replica: KeyRecord = {
    ...primary,
    ...own,
    regions,
    created: store.now(),
    enabled: true,
    deletion: undefined,
    aliases: [],
    grants: [],
    rotation: undefined,
    versions: primary.versions.map(toReplicated),
    pending: undefined,
  };
  regroup(primary, regions, store);
  store.keys.insert(replica);
  return replica;
}

/** Makes the key in `region` the primary one of its related keys. Inside a write. */
export function setPrimary(record: KeyRecord, region: string, store: Store): void {
  const others = record.regions?.filter((one) => one !== region) ?? [];
  regroup(record, [region, ...others], store);
}

/** Makes `regions` those of all related keys, and gives the rotation to the primary one. Inside a write. */
function regroup(record: KeyRecord, regions: readonly string[], store: Store): void {
  const { rotation } = primaryOf(record, store);
  for (const one of relatedKeys(record, store)) {
    const isPrimary = one.region === regions[0];
    store.keys.update({ ...one, regions, rotation: isPrimary ? rotation : undefined });
  }
}

/**
 * Takes a deleted replica out of the records of its related keys. A primary key that waited for the last of
 * them to be deleted begins its own waiting period. Inside the write that deletes the replica.
 */
export function forgetReplica(deleted: KeyRecord, store: Store): void {
  const { region, regions } = deleted;
  if (regions === undefined || !isReplica(deleted)) return;
  const left = regions.filter((one) => one !== region);
  regroup(deleted, left, store);
  const primary = primaryOf(deleted, store);
  const { deletion } = primary;
  if (primary === deleted || left.length > 1 || deletion === undefined) return;
  const date = store.now() + deletion.windowDays * DAY_MS;
  store.keys.update({ ...primary, deletion: { ...deletion, date } });
}

/** Imported material is not copied: the same has to be imported into the replica. */
function toReplicated(version: KeyVersion): KeyVersion {
  const { imported } = version;
  return imported === undefined ? version : { ...version, material: undefined };
}
