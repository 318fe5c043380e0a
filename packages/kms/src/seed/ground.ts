/**
 * What a seed says of one keystore: its keys and replicas one by one, each in its region.
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import type { CheckedPrincipal } from "../access/principal-input.ts";
import { aliasArn, isMultiRegionKeyId, type Realm } from "../arn.ts";
import { arnOf } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { Store } from "../store/store.ts";
import type { Seed, SeedKey } from "./parse.ts";
import type { PlacedKey } from "./seed-document.ts";

/** What a plan is made from, inside the store's `read` or `write`. */
export interface Ground {
  readonly store: Store;
  readonly realm: Realm;
  readonly seed: Seed;
  readonly prune: boolean;
  /** Keys and their replicas, by what plans call them. */
  readonly keys: ReadonlyMap<string, WantedKey>;
  readonly principals: ReadonlyMap<string, CheckedPrincipal>;
  /** What the seed's aliases are to point at, by their ARNs. */
  readonly owners: ReadonlyMap<string, WantedKey>;
}

/** A key or replica that is to be. */
export interface WantedKey extends PlacedKey {
  readonly material: SeedKey["material"];
}

export function groundOf(store: Store, realm: Realm, seed: Seed, prune: boolean): Ground {
  const keys = seed.keys.flatMap((key) => placed(key, realm));
  const owners = keys.flatMap((key) =>
    key.aliases.map((alias): [string, WantedKey] => [aliasArn(realmAt(key, realm), alias), key]),
  );
  return {
    store,
    realm,
    seed,
    prune,
    keys: mapOnce(
      keys.map((key) => [nameOf(key, realm), key]),
      realm,
    ),
    principals: new Map(seed.principals.map((one) => [one.arn, one])),
    owners: mapOnce(owners, realm),
  };
}

/** What plans call a key: its id in the keystore's own region, and its ARN elsewhere. */
export function nameOf(key: Pick<KeyRecord, "keyId" | "region">, home: Realm): string {
  return key.region === home.region ? key.keyId : arnOf(key, home);
}

export function realmAt({ region }: Pick<KeyRecord, "region">, home: Realm): Realm {
  return { ...home, region };
}

/** What occurs once in the seed's text may occur twice now that the default region has a name. */
function mapOnce(
  entries: readonly (readonly [string, WantedKey])[],
  { region }: Realm,
): ReadonlyMap<string, WantedKey> {
  const map = new Map(entries);
  const [twice] = entries.find(([name, key]) => map.get(name) !== key) ?? [];
  if (twice === undefined) return map;
  throw new KmsError(
    "ValidationException",
    `${twice} occurs twice in the seed: keys without a region are in ${region}`,
  );
}

function placed(key: SeedKey, home: Realm): WantedKey[] {
  const { region = home.region, replicas } = key;
  const all = [region, ...replicas.map((replica) => replica.region)];
  const regions = isMultiRegionKeyId(key.keyId) ? all : undefined;
  const primary = { ...key, region, regions };
  const shared = { ...primary, rotation: undefined, material: undefined };
  return [primary, ...replicas.map((replica) => Object.assign({}, shared, replica))];
}
