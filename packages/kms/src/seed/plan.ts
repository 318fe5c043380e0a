/**
 * What would have to change for a keystore to be as a seed says.
 *
 * A plan is made from one state of the keystore. It only grows things: what the keystore has and the
 * seed does not is left alone, unless the plan is asked to prune.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { aliasArn, type Realm } from "../arn.ts";
import type { CheckedPrincipal } from "../access/principal-input.ts";
import { kmsLimits } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { isReplica, primaryOf } from "../keys/multi-region.ts";
import { isSameKind } from "../operations/aliases.ts";
import type { NamedPolicy } from "../policy/request.ts";
import { defaultKeyPolicy } from "../policy/default-policy.ts";
import { DAY_MS, type Store } from "../store/store.ts";
import {
  allKeys,
  allPrincipals,
  boundaryValue,
  isSeedable,
  keyDocument,
  keyPolicyValue,
  policyValues,
  presentGroups,
  principalDocument,
  replicaDocument,
} from "./seed-document.ts";
import { nameOf, realmAt, type Ground, type WantedKey } from "./ground.ts";
import type { Seed } from "./parse.ts";
import { memberPath } from "./place.ts";

/** One difference. What was not there, or will not be, is `undefined`. Never key material. */
export interface SeedChange {
  /** `description`, `tags.team`, `aliases.alias/app`, `policy.Statement[0].Effect`. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface SeedStep {
  /** `delete` only where pruning was asked for; a key is then scheduled for deletion. */
  readonly action: "create" | "update" | "delete" | "conflict" | "none";
  /** Id of a key in the keystore's own region, ARN of a key elsewhere, or ARN of a principal. */
  readonly record: string;
  /** What cannot be changed, where the step is a conflict. */
  readonly changes: readonly SeedChange[];
}

export interface SeedPlan {
  /** What is to be had. Gives away its keys' material. */
  readonly seed: Seed;
  readonly prune: boolean;
  /** One step for each record, in the order in which they are to be taken. */
  readonly steps: readonly SeedStep[];
  /** What somebody should read before this is applied. */
  readonly warnings: readonly string[];
}

/** How long a key that is pruned waits for its deletion. */
export const PRUNE_WINDOW_DAYS = 30;

export function planSeed(ground: Ground): SeedPlan {
  const { seed, prune } = ground;
  const fixed = seed.keys.filter(({ material }) => material !== undefined).length;
  return {
    seed,
    prune,
    steps: [
      ...byDependence(seed.principals).map((principal) => planPrincipal(ground, principal)),
      ...[...ground.keys.values()].map((key) => planKey(ground, key)),
      ...(prune ? planPruning(ground) : []),
    ],
    warnings:
      fixed === 0
        ? []
        : [
            `INSECURE: the key material of ${fixed} of the seed's keys is in the seed itself. Whoever has read it can decrypt whatever these keys encrypt, now and later. Use it for tests only.`,
          ],
  };
}

export function planKey(ground: Ground, wanted: WantedKey): SeedStep {
  const { store, realm } = ground;
  const name = nameOf(wanted, realm);
  const known = store.keys.get(wanted.region, wanted.keyId);
  const conflicts = conflictsOf(ground, wanted, known);
  if (conflicts.length > 0) return { action: "conflict", record: name, changes: conflicts };
  if (known === undefined) {
    const { keyId: _, ...settings } = keyDocument(wanted, realm);
    const members = isReplica(wanted)
      ? { primaryRegion: wanted.regions?.[0], ...replicaDocument(wanted, realm) }
      : settings;
    const versions = wanted.material?.length;
    const material = versions && { material: `from the seed, versions: ${versions}` };
    return { action: "create", record: name, changes: created({ ...members, ...material }) };
  }
  const record = inRole(wanted, known, store);
  const target = keyTarget(ground, wanted, record);
  const changes = [
    ...(record === known || isReplica(wanted)
      ? []
      : [change("primaryRegion", known.regions?.[0], wanted.region)]),
    ...differences(view(record, realm), view({ ...record, ...target }, realm), ""),
    ...aliasChanges(ground, record, target.aliases),
  ];
  return step(name, changes);
}

/** A key as it will be once the right one of its related keys is the primary one, which has the rotation. */
function inRole(wanted: WantedKey, record: KeyRecord, store: Store): KeyRecord {
  if (isReplica(wanted) === isReplica(record)) return record;
  const rotation = isReplica(wanted) ? undefined : primaryOf(record, store).rotation;
  return { ...record, regions: wanted.regions, rotation };
}

/** The part of a key that a seed changes; aliases by name. */
export interface KeyTarget extends Pick<
  KeyRecord,
  "deletion" | "description" | "enabled" | "policy" | "rotation" | "tags"
> {
  readonly aliases: readonly string[];
}

/** What becomes of a key that is there. */
export function keyTarget(
  { store, realm, owners, prune }: Ground,
  wanted: WantedKey,
  record: KeyRecord,
): KeyTarget {
  const kept = record.aliases.map(({ name }) => name);
  const there = realmAt(record, realm);
  // One that another key is to have goes there in that key's turn.
  const spared = prune ? kept.filter((name) => owners.has(aliasArn(there, name))) : kept;
  const same = isDeepStrictEqual(
    keyPolicyValue(record.policy, realm),
    keyPolicyValue(wanted.policy, realm),
  );
  return {
    deletion: undefined,
    description: wanted.description,
    enabled: wanted.enabled,
    policy: same ? record.policy : (wanted.policy ?? defaultKeyPolicy(realm.accountId)),
    rotation: rotationOf(record, wanted.rotation, store.now()),
    tags: new Map([...(prune ? [] : record.tags), ...Object.entries(wanted.tags)]),
    aliases: [...new Set([...spared, ...wanted.aliases])].toSorted(),
  };
}

/** The next date stays where the period does. */
function rotationOf(
  { rotation }: KeyRecord,
  periodInDays: number | undefined,
  now: number,
): KeyRecord["rotation"] {
  if (periodInDays === undefined) return undefined;
  if (periodInDays === rotation?.periodInDays) return rotation;
  return { periodInDays, next: now + periodInDays * DAY_MS };
}

export function planPrincipal(ground: Ground, wanted: CheckedPrincipal): SeedStep {
  const { store, principals, prune } = ground;
  const missing = wanted.groups.filter(
    (arn) => !principals.has(arn) && (prune || store.principals.get(arn) === undefined),
  );
  if (missing.length > 0) {
    const changes = missing.map((arn) => change(memberPath("groups", arn), undefined, arn));
    return { action: "conflict", record: wanted.arn, changes };
  }
  const record = knownPrincipal(store, wanted.arn);
  if (record === undefined) {
    const { arn, ...members } = principalDocument(wanted);
    return { action: "create", record: arn, changes: created(members) };
  }
  const target = principalTarget(ground, wanted, record);
  return step(wanted.arn, differences(principalView(record), principalView(target), ""));
}

export function principalTarget(
  { prune }: Pick<Ground, "prune">,
  wanted: CheckedPrincipal,
  record: CheckedPrincipal,
): CheckedPrincipal {
  // A seed says nothing of managed policies, and nothing of who may assume a role.
  const { attached, role } = record;
  if (prune) return { ...wanted, attached, role };
  return {
    ...wanted,
    tags: { ...record.tags, ...wanted.tags },
    policies: [...new Map([...record.policies, ...wanted.policies].map(byName)).values()],
    boundary: wanted.boundary ?? record.boundary,
    groups: [...new Set([...record.groups, ...wanted.groups])],
    attached,
    role,
  };
}

/** What is known of a principal, without groups that are gone. */
export function knownPrincipal(store: Store, arn: string): CheckedPrincipal | undefined {
  const record = store.principals.get(arn);
  return record && { ...record, groups: presentGroups(record.groups, store) };
}

/** What the keystore has and the seed does not. Users go before their groups, and replicas before their primary keys. */
function planPruning({ store, realm, keys, principals }: Ground): SeedStep[] {
  const known = allKeys(store, realm).filter((key) => isSeedable(key, store));
  const ordered = [...known.filter(isReplica), ...known.filter((key) => !isReplica(key))];
  return [
    ...byDependence(allPrincipals(store))
      .toReversed()
      .map(({ arn }) => arn),
    ...ordered.map((key) => nameOf(key, realm)),
  ]
    .filter((record) => !keys.has(record) && !principals.has(record))
    .map((record) => ({ action: "delete", record, changes: [] }));
}

function conflictsOf(
  { store, prune }: Ground,
  wanted: WantedKey,
  record: KeyRecord | undefined,
): SeedChange[] {
  const found: SeedChange[] = [];
  if (record === undefined) {
    const { keyId, region } = wanted;
    // Only a replica may have the id of a key in another region.
    const others = isReplica(wanted) ? [] : store.keys.regions();
    const taken = [region, ...others].find((one) => store.keys.isTaken(one, keyId));
    if (taken === region) {
      // Another form of the id, or a key that was deleted and is not yet destroyed.
      found.push(change("keyId", "taken by another or a deleted key", keyId));
    } else if (taken !== undefined) found.push(change("region", taken, region));
  } else {
    if (record.manager === "AWS") found.push(change("manager", "AWS", "CUSTOMER"));
    for (const fact of ["keySpec", "keyUsage", "origin"] as const) {
      if (record[fact] !== wanted[fact]) found.push(change(fact, record[fact], wanted[fact]));
    }
    if (!startsWith(record, wanted.material)) {
      found.push(change("material", "other material", "that of the seed"));
    }
  }
  for (const name of wanted.aliases) {
    const holder = store.keys.byAlias(wanted.region, name);
    if (holder !== undefined && !isSameKind(holder, wanted)) {
      found.push(change(memberPath("aliases", name), holder.keyId, wanted.keyId));
    }
  }
  if (record === undefined || prune) return found;
  const tags = new Set([...record.tags.keys(), ...Object.keys(wanted.tags)]).size;
  const aliases = new Set([...record.aliases.map(({ name }) => name), ...wanted.aliases]).size;
  const { tagsPerKey, aliasesPerKey } = kmsLimits;
  if (tags > tagsPerKey) found.push(change("tags", `at most ${tagsPerKey}`, tags));
  if (aliases > aliasesPerKey) found.push(change("aliases", `at most ${aliasesPerKey}`, aliases));
  return found;
}

/** A key that has been rotated since has versions that the seed does not know. */
function startsWith({ versions }: KeyRecord, material: readonly KeyObject[] = []): boolean {
  return material.every((key, i) => versions[i]?.material?.equals(key) === true);
}

/** Groups first: who is in a group needs it. */
function byDependence<T extends Pick<CheckedPrincipal, "type">>(principals: readonly T[]): T[] {
  const isGroup = ({ type }: T): boolean => type === "group";
  return [...principals.filter(isGroup), ...principals.filter((one) => !isGroup(one))];
}

function view(
  { description, enabled, deletion, rotation, policy, tags }: Omit<KeyTarget, "aliases">,
  realm: Realm,
): object {
  return {
    deletion: deletion && deletionView(deletion),
    description,
    enabled,
    rotation: rotation && { periodInDays: rotation.periodInDays },
    policy: keyPolicyValue(policy, realm),
    tags: Object.fromEntries(tags),
  };
}

/** Moves an alias from the key that has it to the one that is to have it. */
function aliasChanges(
  { store }: Ground,
  { keyId, region, aliases }: KeyRecord,
  target: readonly string[],
): SeedChange[] {
  const had = aliases.map(({ name }) => name);
  const moved = (name: string, to: string | undefined): SeedChange =>
    change(memberPath("aliases", name), store.keys.byAlias(region, name)?.keyId, to);
  return [
    ...had.filter((name) => !target.includes(name)).map((name) => moved(name, undefined)),
    ...target.filter((name) => !had.includes(name)).map((name) => moved(name, keyId)),
  ];
}

function deletionView({ date }: NonNullable<KeyRecord["deletion"]>): string {
  return date === undefined ? "after its replicas" : new Date(date).toISOString();
}

function principalView({ tags, policies, boundary, groups }: CheckedPrincipal): object {
  return {
    tags,
    policies: policyValues(policies),
    boundary: boundary && boundaryValue(boundary),
    groups: Object.fromEntries(groups.map((arn) => [arn, arn])),
  };
}

function step(record: string, changes: readonly SeedChange[]): SeedStep {
  return { action: changes.length === 0 ? "none" : "update", record, changes };
}

/** One change for each member of what is new. */
function created(members: object): SeedChange[] {
  return Object.entries(members).map(([name, value]) => change(name, undefined, value));
}

/** The smallest differences: by member in maps, by item in lists of maps. */
function differences(from: unknown, to: unknown, path: string): SeedChange[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (isMap(from) && isMap(to)) {
    const names = new Set([...Object.keys(from), ...Object.keys(to)]);
    return [...names].flatMap((name) =>
      differences(own(from, name), own(to, name), memberPath(path, name)),
    );
  }
  if (Array.isArray(from) && Array.isArray(to) && [...from, ...to].every(isMap)) {
    const longer = from.length > to.length ? from : to;
    return longer.flatMap((_, i) => differences(from[i], to[i], `${path}[${i}]`));
  }
  return [change(path, from, to)];
}

function own(map: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function change(path: string, from: unknown, to: unknown): SeedChange {
  return { path, from, to };
}

function byName(policy: NamedPolicy): [string, NamedPolicy] {
  return [policy.name, policy];
}
