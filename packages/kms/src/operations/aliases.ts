/**
 * Aliases: names for keys of this account, which can move. Permission is asked for the alias and for
 * every key that gains or loses it, since whoever moves an alias moves what policies say of it.
 *
 * @module
 */
import { notFoundAlias } from "../access/access.ts";
import { aliasArn, type Realm } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { kmsLimits } from "../keys/key.ts";
import type { AliasRecord, KeyRecord } from "../store/key-record.ts";
import { managedAliases } from "../keys/managed.ts";
import { keySpecs } from "../catalogue/key-specs.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { AliasListEntry, AliasTargetRequest } from "../requests/shapes.ts";
import type { Store } from "../store/store.ts";
import { operation, type Implementations } from "./operation.ts";

const createAlias = operation("CreateAlias", {
  parse: parseTarget,
  questions: ({ name, keyId }) => ({
    alias: { on: "alias", action: "CreateAlias", name } as const,
    key: { on: "key", action: "CreateAlias", keyId } as const,
  }),
  run: ({ store, realm, now }, { name }, { key }): void => {
    if (store.keys.byAlias(realm.region, name) !== undefined) {
      const arn = aliasArn(realm, name);
      throw new KmsError("AlreadyExistsException", `An alias with the name ${arn} already exists`);
    }
    store.keys.update(withAlias(key, { name, created: now, updated: now }));
  },
});

/** Points an alias at another key of the same kind. */
const updateAlias = operation("UpdateAlias", {
  parse: parseTarget,
  questions: ({ name, keyId }) => ({
    alias: { on: "alias", action: "UpdateAlias", name } as const,
    from: { on: "alias-target", action: "UpdateAlias", name } as const,
    to: { on: "key", action: "UpdateAlias", keyId } as const,
  }),
  run: ({ store, realm, now }, { name }, { from, to }): void => {
    requireSameKind(from, to);
    const alias = from.aliases.find((one) => one.name === name);
    if (alias === undefined) throw notFoundAlias(realm, name);
    const moved = { ...alias, updated: now };
    const left = withoutAlias(from, name);
    if (to.keyId === from.keyId) {
      store.keys.update(withAlias(left, moved));
    } else {
      const joined = withAlias(to, moved);
      store.keys.update(left);
      store.keys.update(joined);
    }
  },
});

const deleteAlias = operation("DeleteAlias", {
  parse: ({ AliasName }) => check.aliasName(AliasName),
  questions: (name) => ({
    alias: { on: "alias", action: "DeleteAlias", name } as const,
    key: { on: "alias-target", action: "DeleteAlias", name } as const,
  }),
  run: ({ store }, name, { key }): void => {
    store.keys.update(withoutAlias(key, name));
  },
});

/** Lists aliases, sorted by name. The aliases of AWS managed keys are listed before their keys are there. */
const listAliases = operation("ListAliases", {
  optional: true,
  parse: ({ KeyId, Limit, Marker }) =>
    check.all({
      limit: () => check.integer(Limit ?? 50, "limit", 1, 100),
      keyId: () => check.optionalKeyId(KeyId),
      after: () => fromMarker(Marker, /^alias\/[a-zA-Z0-9/_-]{1,250}$/) ?? "",
    }),
  questions: ({ keyId }) => ({
    account: { on: "account", action: "ListAliases" } as const,
    key:
      keyId === undefined ? undefined : ({ on: "filter", action: "ListAliases", keyId } as const),
  }),
  run: ({ store, realm }, { after, limit }, { key }) => {
    const { entries, next } =
      key === undefined
        ? allAliases(store, realm, after, limit)
        : aliasesOf(key, realm, after, limit);
    return { Aliases: entries, ...toPage(next) };
  },
});

export const implementations: Implementations<
  "CreateAlias" | "UpdateAlias" | "DeleteAlias" | "ListAliases"
> = { createAlias, updateAlias, deleteAlias, listAliases };

function parseTarget({ AliasName, TargetKeyId }: AliasTargetRequest): {
  readonly name: string;
  readonly keyId: string;
} {
  const { name, keyId } = check.all({
    name: () => check.aliasName(AliasName),
    keyId: () => check.requireKeyId(TargetKeyId, "targetKeyId"),
  });
  // Elsewhere an alias in place of a key is an InvalidArnException.
  if (/(?:^|:)alias\//.test(keyId)) {
    throw new KmsError("ValidationException", "Aliases must refer to keys. Not aliases");
  }
  return { name, keyId };
}

interface Entries {
  readonly entries: AliasListEntry[];
  /** The last name of the page, where there is another page. */
  readonly next: string | undefined;
}

function allAliases(store: Store, realm: Realm, after: string, limit: number): Entries {
  const { items, next } = store.keys.listAliases(realm.region, after, limit);
  const found = items.map(([alias, key]) => toEntry(alias, key, realm));
  const unborn = managedAliases
    .filter((name) => name > after && (next === undefined || name < next))
    .filter((name) => store.keys.byAlias(realm.region, name) === undefined)
    .map((name) => ({ AliasName: name, AliasArn: aliasArn(realm, name) }));
  const all = [...found, ...unborn].toSorted((a, b) => (a.AliasName < b.AliasName ? -1 : 1));
  const entries = all.slice(0, limit);
  return { entries, next: all.length > limit ? entries.at(-1)?.AliasName : next };
}

function aliasesOf(key: KeyRecord, realm: Realm, after: string, limit: number): Entries {
  const left = key.aliases.filter(({ name }) => name > after);
  const entries = left.slice(0, limit).map((alias) => toEntry(alias, key, realm));
  return { entries, next: left.length > limit ? entries.at(-1)?.AliasName : undefined };
}

function toEntry(alias: AliasRecord, { keyId }: KeyRecord, realm: Realm): AliasListEntry {
  return {
    AliasName: alias.name,
    AliasArn: aliasArn(realm, alias.name),
    TargetKeyId: keyId,
    CreationDate: new Date(alias.created),
    LastUpdatedDate: new Date(alias.updated),
  };
}

/** Symmetric, asymmetric or HMAC, and for the same use: or applications would find another kind of key. */
function requireSameKind(from: KeyRecord, to: KeyRecord): void {
  if (isSameKind(from, to)) return;
  throw new KmsError(
    "ValidationException",
    `An alias moves only between keys of the same type and usage: it names a key of spec ${from.keySpec} for ${from.keyUsage}, the target is one of spec ${to.keySpec} for ${to.keyUsage}.`,
  );
}

type Kind = Pick<KeyRecord, "keySpec" | "keyUsage">;

/** Whether an alias may move from one key to the other. */
export function isSameKind(from: Kind, to: Kind): boolean {
  return from.keyUsage === to.keyUsage && isSecret(from) === isSecret(to);
}

function isSecret({ keySpec }: Kind): boolean {
  return keySpecs[keySpec].material.type === "secret";
}

function withAlias(record: KeyRecord, alias: AliasRecord): KeyRecord {
  if (record.aliases.length >= kmsLimits.aliasesPerKey) {
    throw new KmsError(
      "LimitExceededException",
      `a key has at most ${kmsLimits.aliasesPerKey} aliases`,
    );
  }
  const aliases = [...record.aliases, alias].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { ...record, aliases };
}

/** The record without one of its aliases. */
export function withoutAlias(record: KeyRecord, name: string): KeyRecord {
  return { ...record, aliases: record.aliases.filter((alias) => alias.name !== name) };
}
