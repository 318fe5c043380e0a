/**
 * Names of keys in AWS KMS: key id, key ARN, alias name, alias ARN.
 *
 * Only a multi-Region key, whose id starts with `mrk-`, is the same key in several regions. An alias
 * with such a name is not a multi-Region key.
 *
 * Source: AWS KMS Developer Guide, "Key identifiers"; AWS Encryption SDK specification, "AWS KMS MRK match"
 *
 * @module
 */

/** Where a key lives. */
interface Place {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
}

export interface KeyName {
  /** `undefined` means the place where the client is. */
  readonly place: Place | undefined;
  readonly kind: "key" | "alias";
  /** The key's id, or the alias without `alias/`. */
  readonly id: string;
}

/** The name of a key, not of an alias, that says where the key lives. */
export interface KeyArn extends KeyName {
  readonly place: Place;
  readonly kind: "key";
}

const arn = /^arn:(aws[a-z-]{0,32}):kms:([a-z0-9-]{1,63}):([0-9]{12}):(key|alias)\/([^]+)$/;

/** Returns `undefined` for text that cannot name a key. */
export function parseKeyName(text: string): KeyName | undefined {
  const [, partition = "", region = "", account = "", kind, id] = arn.exec(text) ?? [];
  if (id !== undefined) {
    return named({ partition, region, account }, kind === "key" ? "key" : "alias", id);
  }
  if (text.startsWith("alias/")) return named(undefined, "alias", text.slice("alias/".length));
  return named(undefined, "key", text);
}

export function parseKeyArn(text: string): KeyArn | undefined {
  const name = parseKeyName(text);
  return name !== undefined && isKeyArn(name) ? name : undefined;
}

function isKeyArn(name: KeyName): name is KeyArn {
  return name.kind === "key" && name.place !== undefined;
}

export function isMultiRegion({ kind, id }: KeyName): boolean {
  return kind === "key" && id.startsWith("mrk-");
}

/**
 * Whether `label` is the ARN of the key that `asked` names, as far as the names show. They do not show which
 * key an alias refers to, only that the key lives where the alias does.
 */
export function isKeyOf(asked: KeyName, label: string): boolean {
  const given = parseKeyArn(label);
  if (given === undefined) return false;
  if (asked.kind === "key" && asked.id !== given.id) return false;
  if (asked.place === undefined) return true;
  const { partition, region, account } = asked.place;
  if (partition !== given.place.partition || account !== given.place.account) return false;
  return region === given.place.region || isMultiRegion(asked);
}

/** Returns the ARN of the same multi-Region key in another region. */
export function inRegion({ place, id }: KeyArn, region: string): string {
  return `arn:${place.partition}:kms:${region}:${place.account}:key/${id}`;
}

function named(place: Place | undefined, kind: "key" | "alias", id: string): KeyName | undefined {
  const pattern = kind === "key" ? /^[A-Za-z0-9-]{1,128}$/ : /^[A-Za-z0-9:/_-]{1,250}$/;
  return pattern.test(id) ? { place, kind, id } : undefined;
}
