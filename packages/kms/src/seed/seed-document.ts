/**
 * A seed as it is written in a file, and the seed of a live keystore.
 *
 * What a member leaves out has its default. A keystore's seed has no key material in it, no grants,
 * no AWS managed keys, no keys that are pending deletion and no replicas of such.
 *
 * Source: README.md#seeds
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { isMultiRegionKeyId, type Realm } from "../arn.ts";
import { isReplica, primaryOf, relatedKeys } from "../keys/multi-region.ts";
import type { CheckedPrincipal } from "../access/principal-input.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { KeySpec, KeyUsage } from "../catalogue/key-specs.ts";
import { defaultKeyPolicy } from "../policy/default-policy.ts";
import { parseJson, type JsonNode } from "../policy/json.ts";
import type { NamedPolicy } from "../policy/request.ts";
import type { Store } from "../store/store.ts";

/** The version of the format. */
export const SEED_VERSION = 1;

export interface SeedDocument {
  readonly version: typeof SEED_VERSION;
  /** Must be there, and true, for {@link SeedDocumentKey.material}. */
  readonly insecureFixedMaterial?: boolean;
  readonly keys?: readonly SeedDocumentKey[];
  readonly principals?: readonly SeedDocumentPrincipal[];
}

export interface SeedDocumentKey extends SeedDocumentRegional {
  /** A lower-case UUID, or `mrk-` and 32 hex digits for a multi-Region key. */
  readonly keyId: string;
  /** Where the key is, or the primary key. Default: the keystore's own region. */
  readonly region?: string;
  /** Default: `SYMMETRIC_DEFAULT`. */
  readonly keySpec?: KeySpec;
  /** Default: `ENCRYPT_DECRYPT`, for symmetric encryption keys only. */
  readonly keyUsage?: KeyUsage;
  /** `EXTERNAL`: its material is imported later. Default: `AWS_KMS`. */
  readonly origin?: "AWS_KMS" | "EXTERNAL";
  /** Must agree with the key id. */
  readonly multiRegion?: boolean;
  /** Automatic rotation. Default: off. */
  readonly rotation?: { readonly periodInDays: number };
  /** Insecure, for tests: 32 bytes in base64 for each version, the oldest first. */
  readonly material?: readonly string[];
  /** The replicas of a multi-Region key, each in a region of its own. */
  readonly replicas?: readonly SeedDocumentReplica[];
}

export interface SeedDocumentReplica extends SeedDocumentRegional {
  readonly region: string;
}

/** The settings that related keys do not share. */
interface SeedDocumentRegional {
  readonly description?: string;
  /** Default: true. */
  readonly enabled?: boolean;
  /** A policy, or `default`, which it also is by default. */
  readonly policy?: PolicyValue;
  readonly tags?: Readonly<Record<string, string>>;
  readonly aliases?: readonly string[];
}

export interface SeedDocumentPrincipal {
  /** The ARN of a user, role or group. */
  readonly arn: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Policies by name. */
  readonly policies?: Readonly<Record<string, PolicyValue>>;
  /** A document, or the ARN of a managed policy that the keystore must have. */
  readonly boundary?: { readonly name: string; readonly policy: PolicyValue } | string;
  /** ARNs. */
  readonly groups?: readonly string[];
}

/** A policy document as a JSON object or as its text. */
export type PolicyValue = unknown;

/**
 * The seed of what is in the store; inside its `read`. Keys are listed by region, the keystore's own first, as they were
 * created, with their replicas; principals by ARN.
 */
export function exportDocument(store: Store, realm: Realm): SeedDocument {
  const keys = allKeys(store, realm).filter((key) => isSeedable(key, store) && !isReplica(key));
  return {
    version: SEED_VERSION,
    keys: keys.map((record) => {
      const [, ...replicas] = relatedKeys(record, store).filter((key) => isSeedable(key, store));
      return keyDocument(settingsOf(record), realm, replicas.map(settingsOf));
    }),
    principals: allPrincipals(store).map((record) =>
      principalDocument({ ...record, groups: presentGroups(record.groups, store) }),
    ),
  };
}

/** Whether a seed may describe a key. */
export function isSeedable(record: KeyRecord, store: Store): boolean {
  return (
    record.manager === "CUSTOMER" &&
    record.deletion === undefined &&
    primaryOf(record, store).deletion === undefined
  );
}

/** All keys, those of the keystore's own region first. */
export function allKeys(store: Store, home: Realm): KeyRecord[] {
  const found: KeyRecord[] = [];
  for (const region of new Set([home.region, ...store.keys.regions()])) {
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: ReturnType<Store["keys"]["list"]> = store.keys.list(region, after, PAGE);
      found.push(...page.items);
      after = page.next;
    }
  }
  return found;
}

function settingsOf(record: KeyRecord): PlacedKey {
  return {
    ...record,
    rotation: record.rotation?.periodInDays,
    aliases: record.aliases.map(({ name }) => name),
    tags: Object.fromEntries(record.tags),
  };
}

export function allPrincipals(store: Store): CheckedPrincipal[] {
  const found: CheckedPrincipal[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const { items, next }: ReturnType<Store["principals"]["list"]> = store.principals.list(
      after,
      PAGE,
    );
    found.push(...items);
    after = next;
  }
  return found;
}

/** The groups that still exist: a deleted group gives its former members nothing. */
export function presentGroups(groups: readonly string[], store: Store): readonly string[] {
  return groups.filter((arn) => store.principals.get(arn) !== undefined);
}

/** The part of a key that a seed describes. */
export interface KeySettings extends RegionalSettings {
  readonly keyId: string;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsage;
  readonly origin: "AWS_KMS" | "EXTERNAL";
  /** The rotation period in days; `undefined`: off, or that of the primary key. */
  readonly rotation: number | undefined;
}

/** The part of a key that its related keys do not share. */
export interface RegionalSettings {
  readonly description: string;
  readonly enabled: boolean;
  /** JSON; `undefined`: the default one. */
  readonly policy: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly aliases: readonly string[];
}

/** A key or a replica, and where it is. */
export type PlacedKey = KeySettings & Pick<KeyRecord, "region" | "regions">;

export function keyDocument(
  key: PlacedKey,
  realm: Realm,
  replicas: readonly PlacedKey[] = [],
): SeedDocumentKey {
  const { keyId, region, keySpec, keyUsage, origin, rotation } = key;
  const { description, ...regional } = regionalDocument(key, realm);
  return {
    keyId,
    ...(region === realm.region ? {} : { region }),
    ...(description === undefined ? {} : { description }),
    ...(keySpec === "SYMMETRIC_DEFAULT" ? {} : { keySpec, keyUsage }),
    ...(origin === "AWS_KMS" ? {} : { origin }),
    ...(isMultiRegionKeyId(keyId) ? { multiRegion: true } : {}),
    ...(rotation === undefined ? {} : { rotation: { periodInDays: rotation } }),
    ...regional,
    ...(replicas.length === 0
      ? {}
      : { replicas: replicas.map((replica) => replicaDocument(replica, realm)) }),
  };
}

export function replicaDocument(replica: PlacedKey, realm: Realm): SeedDocumentReplica {
  return { region: replica.region, ...regionalDocument(replica, realm) };
}

function regionalDocument(key: RegionalSettings, realm: Realm): SeedDocumentRegional {
  const { description, enabled, tags, aliases } = key;
  const ordinary = keyPolicyValue(undefined, realm);
  const policy = keyPolicyValue(key.policy, realm);
  return {
    ...(description === "" ? {} : { description }),
    ...(enabled ? {} : { enabled }),
    ...(isDeepStrictEqual(policy, ordinary) ? {} : { policy }),
    ...(isEmpty(tags) ? {} : { tags: { ...tags } }),
    ...(aliases.length === 0 ? {} : { aliases: [...aliases] }),
  };
}

export function principalDocument(principal: CheckedPrincipal): SeedDocumentPrincipal {
  const { arn, tags, policies, boundary, groups } = principal;
  return {
    arn,
    ...(isEmpty(tags) ? {} : { tags: { ...tags } }),
    ...(policies.length === 0 ? {} : { policies: policyValues(policies) }),
    ...(boundary === undefined ? {} : { boundary: boundaryValue(boundary) }),
    ...(groups.length === 0 ? {} : { groups: [...groups] }),
  };
}

/** A boundary as a seed has it. */
export function boundaryValue(
  boundary: NonNullable<CheckedPrincipal["boundary"]>,
): NonNullable<SeedDocumentPrincipal["boundary"]> {
  if (typeof boundary === "string") return boundary;
  return { name: boundary.name, policy: policyValue(boundary.text) };
}

/** What a key's policy says, to be compared. */
export function keyPolicyValue(policy: string | undefined, realm: Realm): PolicyValue {
  return policyValue(policy ?? defaultKeyPolicy(realm.accountId));
}

export function policyValues(policies: readonly NamedPolicy[]): Record<string, PolicyValue> {
  return Object.fromEntries(policies.map(({ name, text }) => [name, policyValue(text)]));
}

/** What a policy says, as a value; its text where a number in it would not survive that. */
function policyValue(text: string): PolicyValue {
  const value: unknown = JSON.parse(text);
  return keepsNumbers(parseJson(text)) ? value : text;
}

const PAGE = 1000;

function keepsNumbers(node: JsonNode): boolean {
  if (node.kind === "number") return String(Number(node.text)) === node.text;
  if (node.kind === "array") return node.items.every(keepsNumbers);
  return node.kind !== "object" || node.members.every(({ value }) => keepsNumbers(value));
}

function isEmpty(map: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(map).length === 0;
}
