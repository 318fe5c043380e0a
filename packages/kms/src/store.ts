/**
 * Keys and aliases in the file: rows in clear that only find things, records sealed whole that say
 * what is true.
 *
 * Whoever can write the file can move, edit or copy rows, but not seal. So every row is checked
 * against the record in it: its uuid and revision are what the record is bound to, its deletion date
 * and the alias rows that point at it must be those the record holds. A row that does not agree is an
 * error, never followed. An older row of the same key, put back whole with its aliases, is not noticed.
 *
 * Source: spec/kms-store-v1.md#tables
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { StatementSync } from "node:sqlite";
import type { EnvelopeError } from "@env/core";
import { keyIdFromBytes, keyIdToBytes } from "./arn.ts";
import type { Database } from "./database.ts";
import { decodeRecord, encodeRecord, isGone, type AliasRecord, type KeyRecord } from "./key.ts";
import { label, open, random, SALT_BYTES, seal } from "./seal.ts";

const VERSION = 1;
const HEADER_BYTES = 1 + SALT_BYTES;
const LABEL = label("env/1/keystore");
/** Bytes of a sealed record; a longer one is not read into memory. */
const MAX_SEALED_BYTES = 1 << 20;
/** Opened records kept in memory. */
const CACHED_RECORDS = 1024;

/** What is read of a key. The names of the alias rows come along, in one consistent snapshot. */
const columns = `
  seq, CASE WHEN length(uuid) = 16 THEN uuid END AS uuid, revision, deletion,
  CASE WHEN length(sealed) <= ${MAX_SEALED_BYTES} THEN sealed END AS sealed,
  (SELECT json_group_array(substr(name, 1, 257)) FROM (
    SELECT name FROM alias WHERE alias.uuid = cmk.uuid ORDER BY name LIMIT 51
  )) AS aliases`;

interface Row {
  readonly seq: number;
  readonly uuid: Uint8Array;
  readonly revision: number;
  readonly deletion: number | null;
  readonly sealed: Uint8Array;
  /** JSON list of names, sorted by bytes: of ASCII, as the names themselves are. */
  readonly aliases: string;
}

interface CacheEntry {
  readonly row: Row;
  readonly record: KeyRecord;
}

/** A part of a list, in the file's order. `next` is where it goes on, `undefined` at the end. */
export interface Listed<T, Position> {
  readonly items: readonly T[];
  readonly next: Position | undefined;
}

/** To be called inside {@link Store.read} and {@link Store.write}, all but those two. */
export class Store {
  readonly #database: Database;
  readonly #root: KeyObject;
  readonly #keystoreId: Uint8Array;
  readonly #cache = new Map<string, CacheEntry>();
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;

  /** @param root - The 32-byte root key of the keystore. */
  constructor(database: Database, root: KeyObject, keystoreId: string) {
    this.#database = database;
    this.#root = root;
    this.#keystoreId = keyIdToBytes(keystoreId);
    this.#statements = prepareAll(database);
  }

  read<T>(fn: () => T): Promise<T> {
    return this.#database.read(fn);
  }

  /** One transaction. Keys past their deletion date are deleted in it, material and all. */
  async write<T>(fn: () => T): Promise<T> {
    let purged = 0;
    const result = await this.#database.write(() => {
      purged = this.#purge();
      return fn();
    });
    if (purged > 0) this.#database.checkpoint();
    return result;
  }

  /** Whether a {@link write} has keys to delete. */
  hasExpired(): boolean {
    return this.#statements.expired.get(Date.now()) !== undefined;
  }

  key(keyId: string): KeyRecord | undefined {
    const row = this.#statements.key.get(keyIdToBytes(keyId));
    return row === undefined ? undefined : this.#present(this.#open(row));
  }

  /** The key that an alias points at. */
  aliasTarget(name: string): KeyRecord | undefined {
    const row = this.#statements.target.get(name);
    // Found by this name, so it is among the names that #open compares with the record's.
    return row === undefined ? undefined : this.#present(this.#open(row));
  }

  /** Keys in the order of their creation. */
  keys(after: number, limit: number): Listed<KeyRecord, number> {
    const rows = this.#statements.keys.all(after, limit + 1);
    const page = rows.slice(0, limit).map((row) => ({ seq: row["seq"], record: this.#open(row) }));
    const items = page.flatMap(({ record }) => this.#present(record) ?? []);
    const last = page.at(-1)?.seq;
    return { items, next: rows.length > limit && typeof last === "number" ? last : undefined };
  }

  /** Aliases by name, each with its key. */
  aliases(after: string, limit: number): Listed<readonly [AliasRecord, KeyRecord], string> {
    const rows = this.#statements.aliases.all(after, limit + 1);
    const page = rows.slice(0, limit);
    const items = page.flatMap((row): (readonly [AliasRecord, KeyRecord])[] => {
      const record = this.#open(row);
      const alias = record.aliases.find(({ name }) => name === row["name"]);
      if (alias === undefined) throw this.#malformed(record.keyId, "an alias is not its own");
      return this.#present(record) === undefined ? [] : [[alias, record]];
    });
    const last = page.at(-1)?.["name"];
    return { items, next: rows.length > limit && typeof last === "string" ? last : undefined };
  }

  insert(record: KeyRecord): void {
    const row = this.#seal(record, 1);
    this.#statements.insert.run(row.uuid, row.revision, row.deletion, row.sealed);
    this.#setAliases(record);
  }

  /** Replaces a key's record, and the alias rows that point at it. */
  update(record: KeyRecord): void {
    const old = this.#statements.key.get(keyIdToBytes(record.keyId));
    if (old === undefined) throw this.#malformed(record.keyId, "its row is gone");
    const row = this.#seal(record, this.#row(old).revision + 1);
    this.#statements.update.run(row.revision, row.deletion, row.sealed, row.uuid);
    this.#setAliases(record);
  }

  #setAliases({ keyId, aliases }: KeyRecord): void {
    const uuid = keyIdToBytes(keyId);
    this.#statements.dropAliases.run(uuid);
    for (const { name } of aliases) this.#statements.addAlias.run(name, uuid);
  }

  #present(record: KeyRecord): KeyRecord | undefined {
    return isGone(record, Date.now()) ? undefined : record;
  }

  #purge(): number {
    const rows = this.#statements.expired.all(Date.now());
    for (const row of rows) {
      // A date in clear proves nothing: #open has compared it with the sealed one.
      const { keyId } = this.#open(row);
      this.#statements.dropAliases.run(keyIdToBytes(keyId));
      this.#statements.drop.run(keyIdToBytes(keyId));
      this.#cache.delete(keyId);
    }
    return rows.length;
  }

  #seal(record: KeyRecord, revision: number): Omit<Row, "seq" | "aliases"> {
    const uuid = keyIdToBytes(record.keyId);
    const plaintext = encodeRecord(record);
    try {
      const header = Uint8Array.of(VERSION, ...random(SALT_BYTES));
      const aad = this.#aad(uuid, revision);
      const sealed = seal(this.#root, { label: LABEL, header, aad }, plaintext);
      const bytes = Buffer.concat([header, sealed]);
      if (bytes.length > MAX_SEALED_BYTES) throw new RangeError("a record has at most 1 MiB");
      return { uuid, revision, deletion: record.deletion?.date ?? null, sealed: bytes };
    } finally {
      plaintext.fill(0);
    }
  }

  /** The record in a row: read anew each time, opened only where the row has changed since. */
  #open(columnsOfRow: Record<string, unknown>): KeyRecord {
    const row = this.#row(columnsOfRow);
    const keyId = keyIdFromBytes(row.uuid);
    const cached = this.#cache.get(keyId);
    if (cached !== undefined && isSameRow(cached.row, row)) return cached.record;

    const record = this.#unseal(keyId, row);
    if (JSON.stringify(record.aliases.map(({ name }) => name)) !== row.aliases) {
      throw this.#malformed(keyId, "the alias rows that point at it are not those it holds");
    }
    if ((record.deletion?.date ?? null) !== row.deletion) {
      throw this.#malformed(keyId, "its row gives another deletion date than it holds");
    }
    this.#remember(keyId, { row, record });
    return record;
  }

  #unseal(keyId: string, { uuid, revision, sealed }: Row): KeyRecord {
    const header = sealed.subarray(0, HEADER_BYTES);
    const binding = { label: LABEL, header, aad: this.#aad(uuid, revision) };
    const plaintext =
      header.length === HEADER_BYTES && header[0] === VERSION
        ? open(this.#root, binding, sealed.subarray(HEADER_BYTES))
        : undefined;
    const record = plaintext === undefined ? undefined : decodeRecord(keyId, plaintext);
    if (record === undefined) {
      throw this.#malformed(keyId, "it was altered, or belongs to another row or keystore");
    }
    return record;
  }

  #remember(keyId: string, entry: CacheEntry): void {
    this.#cache.delete(keyId);
    this.#cache.set(keyId, entry);
    if (this.#cache.size <= CACHED_RECORDS) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  #row({ seq, uuid, revision, deletion, sealed, aliases }: Record<string, unknown>): Row {
    if (
      typeof seq === "number" &&
      uuid instanceof Uint8Array &&
      typeof revision === "number" &&
      revision >= 1 &&
      revision < Number.MAX_SAFE_INTEGER &&
      (deletion === null || typeof deletion === "number") &&
      sealed instanceof Uint8Array &&
      typeof aliases === "string"
    ) {
      return { seq, uuid, revision, deletion, sealed, aliases };
    }
    throw this.#database.malformed("a row of the key table is out of bounds");
  }

  /** Keystore id || key uuid || revision u64: a record opens in its own row only. */
  #aad(uuid: Uint8Array, revision: number): Uint8Array {
    const aad = new Uint8Array(40);
    aad.set(this.#keystoreId);
    aad.set(uuid, 16);
    new DataView(aad.buffer).setBigUint64(32, BigInt(revision));
    return aad;
  }

  #malformed(keyId: string, problem: string): EnvelopeError {
    return this.#database.malformed(`the record of key ${keyId} does not verify: ${problem}`);
  }
}

function isSameRow(a: Row, b: Row): boolean {
  return (
    a.revision === b.revision &&
    a.deletion === b.deletion &&
    a.aliases === b.aliases &&
    Buffer.compare(a.sealed, b.sealed) === 0
  );
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    key: database.prepare(`SELECT ${columns} FROM cmk WHERE uuid = ?`),
    target: database.prepare(
      `SELECT ${columns} FROM alias AS named LEFT JOIN cmk USING (uuid) WHERE named.name = ?`,
    ),
    keys: database.prepare(`SELECT ${columns} FROM cmk WHERE seq > ? ORDER BY seq LIMIT ?`),
    aliases: database.prepare(
      `SELECT named.name AS name, ${columns} FROM alias AS named LEFT JOIN cmk USING (uuid)
       WHERE named.name > ? ORDER BY named.name LIMIT ?`,
    ),
    expired: database.prepare(`SELECT ${columns} FROM cmk WHERE deletion <= ?`),
    insert: database.prepare(
      "INSERT INTO cmk (uuid, revision, deletion, sealed) VALUES (?, ?, ?, ?)",
    ),
    update: database.prepare(
      "UPDATE cmk SET revision = ?, deletion = ?, sealed = ? WHERE uuid = ?",
    ),
    drop: database.prepare("DELETE FROM cmk WHERE uuid = ?"),
    addAlias: database.prepare("INSERT INTO alias (name, uuid) VALUES (?, ?)"),
    dropAliases: database.prepare("DELETE FROM alias WHERE uuid = ?"),
  };
}
