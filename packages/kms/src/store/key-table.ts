/**
 * The tables of keys and aliases: one sealed record per key, and rows of aliases that only find it.
 *
 * An alias is part of its key's record. The rows that point at a key must be the ones that the record contains. So a row
 * that was added, moved or removed is an error and is never followed.
 *
 * Source: spec/kms-store-v1.md#tables
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Bytes } from "@env/core";
import { keyIdFromBytes, keyIdToBytes } from "../arn.ts";
import type { Engine } from "./engine.ts";
import { Fault } from "./file-errors.ts";
import type { Freshness } from "./freshness.ts";
import {
  decodeRecord,
  encodeRecord,
  isGone,
  type AliasRecord,
  type KeyRecord,
} from "./key-record.ts";
import { MAX_RECORD_BYTES, ROW_REMOVED, SealedRows } from "./sealed-rows.ts";
import { letters, RecordName } from "./record-name.ts";
import type { RowSealer } from "./row-sealer.ts";
import type { Keys, Listed } from "./store.ts";

/** Bytes of an alias, of which 256 are allowed; a longer one is not read into memory. */
export const MAX_ALIAS_BYTES = 1024;
/** Bytes of a region's name. */
export const MAX_REGION_BYTES = 32;

/** What is read of a key, with the names of its alias rows, in one consistent snapshot. */
const columns = `
  CASE WHEN seq BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER} AND length(sealed) <= ${MAX_RECORD_BYTES}
    THEN sealed END AS sealed,
  ifnull(deletion, 'null') || ' ' || (
    SELECT json_group_array(substr(name, 1, 257)) FROM (
      SELECT name FROM alias WHERE alias.uuid = cmk.uuid AND alias.region = cmk.region
      ORDER BY name LIMIT 51
    )
  ) AS clear`;
/** The same for lists, where it is not known which keys are read. */
const listColumns = `seq, CASE WHEN length(uuid) = 16 THEN uuid END AS uuid,
  CASE WHEN octet_length(region) <= ${MAX_REGION_BYTES} THEN region END AS region, ${columns}`;

interface ListedRow {
  readonly seq: number;
  readonly name: RecordName;
  /** The columns of a single key. */
  readonly columns: Record<string, unknown>;
}

export class KeyTable implements Keys {
  readonly #freshness: Freshness;
  readonly #rows: SealedRows<KeyRecord>;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;
  readonly #now: () => number;

  /** @param now - The time of the transaction. */
  constructor(database: Engine, freshness: Freshness, sealer: RowSealer, now: () => number) {
    this.#freshness = freshness;
    this.#rows = new SealedRows(sealer, freshness, { decode, compare });
    this.#statements = prepareAll(database);
    this.#now = now;
  }

  get(region: string, keyId: string): KeyRecord | undefined {
    const record = this.#present(this.load(RecordName.key(region, keyIdToBytes(keyId))));
    // A UUID and a multi-Region id can have the same bytes. Only one of them is the id of the key.
    return record?.keyId === keyId ? record : undefined;
  }

  isTaken(region: string, keyId: string): boolean {
    return this.#freshness.mark(RecordName.key(region, keyIdToBytes(keyId))) !== undefined;
  }

  byAlias(region: string, name: string): KeyRecord | undefined {
    return this.#present(this.#loadByAlias(RecordName.alias(region, name)));
  }

  regions(): readonly string[] {
    return this.#freshness
      .lists(letters.key)
      .map((list) => list.slice(letters.key.length))
      .toSorted();
  }

  list(region: string, after: number, limit: number): Listed<KeyRecord, number> {
    this.#requireAllKeys(region);
    const rows = this.#statements.keys.all(region, after, limit + 1).map(toListedRow);
    const page = rows.slice(0, limit);
    const items = page.flatMap((row) => this.#present(this.#open(row.name, row.columns)) ?? []);
    return { items, next: rows.length > limit ? page.at(-1)?.seq : undefined };
  }

  listAliases(
    region: string,
    after: string,
    limit: number,
  ): Listed<readonly [AliasRecord, KeyRecord], string> {
    this.#requireAllAliases(region);
    const names = this.#statements.aliases.all(region, after, limit + 1).map(({ name }) => {
      if (typeof name === "string") return name;
      throw new Fault("a row of the aliases", "it is out of bounds");
    });
    const page = names.slice(0, limit);
    const items = page.flatMap((name): (readonly [AliasRecord, KeyRecord])[] => {
      const record = this.byAlias(region, name);
      const alias = record?.aliases.find((one) => one.name === name);
      return record === undefined || alias === undefined ? [] : [[alias, record]];
    });
    return { items, next: names.length > limit ? page.at(-1) : undefined };
  }

  insert(record: KeyRecord): void {
    const name = nameOf(record);
    this.#rows.requireAbsent(name);
    const sealed = this.#rows.seal(name, encodeRecord(record));
    this.#statements.insert.run(name.uuid, name.region, record.deletion?.date ?? null, sealed);
    this.#setAliases(record);
  }

  update(record: KeyRecord): void {
    const name = nameOf(record);
    if (this.load(name) === undefined) throw new RangeError("there is no such key to update");
    const sealed = this.#rows.seal(name, encodeRecord(record));
    this.#statements.update.run(record.deletion?.date ?? null, sealed, name.uuid, name.region);
    this.#setAliases(record);
  }

  /** Whether there are keys to delete at `time`. */
  hasExpired(time: number): boolean {
    return this.#statements.expired.get(time) !== undefined;
  }

  /** Deletes the keys whose date has passed at `time`, including their material. Returns them. */
  purge(time: number): readonly KeyRecord[] {
    return this.#statements.expired.all(time).map((columnsOfRow) => {
      // An unencrypted date proves nothing: #open compares it with the sealed one.
      const { name, columns: found } = toListedRow(columnsOfRow);
      const record = this.#open(name, found);
      this.#setAliases({ ...record, aliases: [] });
      this.#statements.drop.run(name.uuid, name.region);
      this.#rows.drop(name);
      return record;
    });
  }

  /** A key, expired or not. */
  load(name: RecordName): KeyRecord | undefined {
    const known = this.#rows.known(name);
    if (known !== undefined) return known;
    const row = this.#statements.key.get(name.uuid, name.region);
    if (row !== undefined) return this.#open(name, row);
    this.#rows.requireAbsent(name);
    return undefined;
  }

  /** The key that an alias row points at; `undefined` if the row does not exist and must not. */
  requireAliasRow(name: RecordName): unknown {
    const row = this.#statements.target.get(name.region, name.id);
    if (row === undefined && this.#freshness.mark(name) !== undefined) {
      throw name.fault(ROW_REMOVED);
    }
    return row?.["uuid"];
  }

  /** Adds and removes the rows that differ from the record. */
  #setAliases({ keyId, region, aliases }: KeyRecord): void {
    const uuid = keyIdToBytes(keyId);
    const rows = this.#statements.aliasesOf.all(uuid, region).map((row) => String(row["name"]));
    const names = new Set(aliases.map(({ name }) => name));
    for (const name of rows) {
      if (names.delete(name)) continue;
      this.#statements.dropAlias.run(region, name);
      this.#freshness.set(RecordName.alias(region, name), undefined);
    }
    for (const name of names) {
      this.#free(RecordName.alias(region, name));
      this.#statements.addAlias.run(region, name, uuid);
      this.#freshness.setPresent(RecordName.alias(region, name));
    }
  }

  /** Removes an alias from a key that has expired but is not deleted yet. */
  #free(name: RecordName): void {
    const holder = this.#loadByAlias(name);
    if (holder === undefined || this.#present(holder) !== undefined) return;
    this.update({ ...holder, aliases: holder.aliases.filter((alias) => alias.name !== name.id) });
  }

  #present(record: KeyRecord | undefined): KeyRecord | undefined {
    return record === undefined || isGone(record, this.#now()) ? undefined : record;
  }

  /** The key that an alias row points at, expired or not. */
  #loadByAlias(name: RecordName): KeyRecord | undefined {
    const uuid = this.requireAliasRow(name);
    if (uuid === undefined) return undefined;
    const record =
      uuid instanceof Uint8Array ? this.load(RecordName.key(name.region, uuid)) : undefined;
    if (record === undefined) throw name.fault("it does not point at a key");
    return record;
  }

  /**
   * `clear` is the deletion date, and a JSON list of the alias rows, sorted by bytes: of ASCII, as they are.
   */
  #open(name: RecordName, { sealed, clear }: Record<string, unknown>): KeyRecord {
    if (sealed instanceof Uint8Array && typeof clear === "string") {
      return this.#rows.open(name, sealed, clear);
    }
    throw name.fault("its row is out of bounds");
  }

  #requireAllKeys(region: string): void {
    this.#freshness.requireComplete(
      letters.key + region,
      () => Number(this.#statements.countKeys.get(region)?.["n"]),
      (name) => {
        const row = this.#statements.seq.get(name.uuid, name.region);
        if (row === undefined) return ROW_REMOVED;
        return row["positive"] === 1 ? undefined : "its row is hidden from lists";
      },
    );
  }

  #requireAllAliases(region: string): void {
    this.#freshness.requireComplete(
      letters.alias + region,
      () => Number(this.#statements.countAliases.get(region)?.["n"]),
      ({ region: where, id }) =>
        this.#statements.target.get(where, id) === undefined ? ROW_REMOVED : undefined,
    );
  }
}

function toListedRow(columnsOfRow: Record<string, unknown>): ListedRow {
  const { seq, uuid, region } = columnsOfRow;
  if (typeof seq === "number" && uuid instanceof Uint8Array && typeof region === "string") {
    return { seq, name: RecordName.key(region, uuid), columns: columnsOfRow };
  }
  throw new Fault("a row of the keys", "its row is out of bounds");
}

function decode(name: RecordName, plaintext: Bytes): KeyRecord | undefined {
  return decodeRecord(keyIdFromBytes(name.uuid), name.region, plaintext);
}

function nameOf({ region, keyId }: KeyRecord): RecordName {
  return RecordName.key(region, keyIdToBytes(keyId));
}

function compare(record: KeyRecord, clear: string): void {
  const date = record.deletion?.date ?? null;
  const names = JSON.stringify(record.aliases.map(({ name }) => name));
  if (clear === `${date} ${names}`) return;
  const problem = clear.startsWith(`${date} `)
    ? "the alias rows that point at it are not those it contains"
    : "its row has another deletion date than it contains";
  throw nameOf(record).fault(problem);
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Engine) {
  return {
    key: database.prepare(`SELECT ${columns} FROM cmk WHERE uuid = ? AND region = ?`),
    keys: database.prepare(
      `SELECT ${listColumns} FROM cmk WHERE region = ? AND seq > ? ORDER BY seq LIMIT ?`,
    ),
    countKeys: database.prepare("SELECT count(*) AS n FROM cmk WHERE region = ? AND seq > 0"),
    seq: database.prepare("SELECT seq > 0 AS positive FROM cmk WHERE uuid = ? AND region = ?"),
    expired: database.prepare(`SELECT ${listColumns} FROM cmk WHERE deletion <= ?`),
    insert: database.prepare(
      "INSERT INTO cmk (uuid, region, deletion, sealed) VALUES (?, ?, ?, ?)",
    ),
    update: database.prepare(
      "UPDATE cmk SET deletion = ?, sealed = ? WHERE uuid = ? AND region = ?",
    ),
    drop: database.prepare("DELETE FROM cmk WHERE uuid = ? AND region = ?"),
    target: database.prepare("SELECT uuid FROM alias WHERE region = ? AND name = ?"),
    aliases: database.prepare(
      `SELECT CASE WHEN octet_length(name) <= ${MAX_ALIAS_BYTES} THEN name END AS name
       FROM alias WHERE region = ? AND alias.name > ? ORDER BY alias.name LIMIT ?`,
    ),
    countAliases: database.prepare(
      "SELECT count(*) AS n FROM alias WHERE region = ? AND name > ''",
    ),
    aliasesOf: database.prepare("SELECT name FROM alias WHERE uuid = ? AND region = ?"),
    addAlias: database.prepare("INSERT INTO alias VALUES (?, ?, ?)"),
    dropAlias: database.prepare("DELETE FROM alias WHERE region = ? AND name = ?"),
  };
}
