/**
 * Checks everything in a keystore's file but the audit log, and names what is wrong with it.
 *
 * The check goes bucket by bucket and page by page, each on one state of the file and in one turn of the event loop, so
 * that others continue to read and write.
 *
 * @module
 */
import type { SQLOutputValue } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import type { Engine } from "./engine.ts";
import { Fault } from "./file-errors.ts";
import { BUCKETS } from "./freshness.ts";
import { MAX_ALIAS_BYTES, MAX_REGION_BYTES } from "./key-table.ts";
import { iamTables, MAX_NAME_BYTES } from "./iam-table.ts";
import { RecordName } from "./record-name.ts";
import { canLoseWrites, lossWarning, sqliteVersion } from "./sqlite-version.ts";
import type { RecordStore } from "./record-store.ts";

/** One problem. */
export interface Finding {
  /**
   * `key 0123… in eu-west-1`, `alias alias/app in eu-west-1`, `principal arn:…`, `bucket 17`, `the audit log`, `the database`, or
   * `the SQLite library` where it may have lost what nobody can find any more.
   */
  readonly record: string;
  readonly problem: string;
}

const PAGE = 500;
/** The record of a finding after which no row can be checked. */
export const DATABASE = "the database";

/** A keystore with such a library opens where somebody vouches for it, or read-only. */
export function verifyLibrary(): Finding[] {
  const version = sqliteVersion();
  if (!canLoseWrites(version)) return [];
  const problem = `version ${lossWarning(version)}, unless this library has the fix under an older version number`;
  return [{ record: "the SQLite library", problem }];
}

/** @param more - Further checks, inside a `read`, which may throw {@link Fault}. */
export async function verifyStore(
  database: Engine,
  store: RecordStore,
  more: () => unknown,
): Promise<readonly Finding[]> {
  // Before anything that compares or reads a whole value, the check of the indexes included.
  const oversized = await store.read(() => outOfBounds(database));
  if (oversized.length > 0) return oversized;
  const damage = await store.read(() => integrity(database));
  // SQLite cannot read some pages: their rows cannot be checked.
  if (damage.length > 0) return damage;

  const findings = new Map<string, Finding>();
  const check = (fn: () => unknown): void => {
    try {
      fn();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { message, record, problem } = error;
      findings.set(message, { record, problem });
    }
  };
  await store.read(() => check(more));
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    await setImmediate();
    await store.read(() =>
      check(() => {
        for (const name of store.freshness.namesIn(bucket)) check(() => checkRecord(store, name));
      }),
    );
  }
  for (const { table, columns, first, nameOf } of tables) {
    const names = columns.join(", ");
    const page = database.prepare(
      `SELECT ${names} FROM ${table} WHERE (${names}) >= (${columns.map(() => "?").join(", ")}) ORDER BY ${names} LIMIT ${PAGE}`,
    );
    for (let from: Row | undefined = first; from !== undefined;) {
      const start: Row = from;
      await setImmediate();
      from = await store.read((): Row | undefined => {
        const rows = page.all(...start).map((row) => columns.map((column) => row[column] ?? null));
        for (const row of rows) check(() => requireListed(store, nameOf(row)));
        return rows.length < PAGE ? undefined : rows.at(-1);
      });
    }
  }
  return [...findings.values()];
}

type Row = readonly SQLOutputValue[];

/** What identifies the rows of each table, in an order; a page begins with the last row of the one before. */
const tables: readonly {
  readonly table: string;
  readonly columns: readonly string[];
  readonly first: Row;
  readonly nameOf: (row: Row) => RecordName;
}[] = [
  {
    table: "cmk",
    columns: ["uuid", "region"],
    first: [new Uint8Array(0), ""],
    nameOf: ([uuid, region]) =>
      RecordName.key(String(region), uuid instanceof Uint8Array ? uuid : new Uint8Array(0)),
  },
  {
    table: "alias",
    columns: ["region", "name"],
    first: ["", ""],
    nameOf: ([region, name]) => RecordName.alias(String(region), String(name)),
  },
  ...iamTables.map(({ kind, table, columns: [id] }) => ({
    table,
    columns: [id],
    first: [""],
    nameOf: ([name]: Row) => RecordName.iam(kind, String(name)),
  })),
];

/** What finds rows, and how long it may be. SQLite knows how long a value is without reading it. */
const bounds: readonly (readonly [table: string, column: string, condition: string])[] = [
  ["cmk", "uuid", "octet_length(uuid) <> 16"],
  ["cmk", "region", `octet_length(region) > ${MAX_REGION_BYTES}`],
  ["alias", "region", `octet_length(region) > ${MAX_REGION_BYTES}`],
  ["alias", "uuid", "octet_length(uuid) <> 16"],
  ["alias", "name", `octet_length(name) > ${MAX_ALIAS_BYTES}`],
  ...iamTables.flatMap(({ table, columns }) =>
    columns.map(
      (column) => [table, column, `octet_length(${column}) > ${MAX_NAME_BYTES}`] as const,
    ),
  ),
];

/** `NOT INDEXED`: an index would have to compare what must not be read. */
function outOfBounds(database: Engine): Finding[] {
  return bounds.flatMap(([table, column, condition]) => {
    const found = database.prepare(
      `SELECT count(*) AS n FROM ${table} NOT INDEXED WHERE ${condition}`,
    );
    const rows = Number(found.get()?.["n"]);
    if (rows === 0) return [];
    return [
      {
        record: DATABASE,
        problem: `the column ${column} of ${table} has a value out of bounds in ${rows === 1 ? "one row" : `${rows} rows`}`,
      },
    ];
  });
}

/** Throws a {@link Fault} unless a listed record exists, is the latest and unaltered, and an unlisted one does not exist. */
function checkRecord({ keys, iam }: RecordStore, name: RecordName): void {
  if (name.kind === "key") keys.load(name);
  // Which key it points at is compared with that key.
  else if (name.kind === "alias") keys.requireAliasRow(name);
  else iam[name.kind].get(name.id);
}

/** The listed records have been checked. This finds rows that are not listed. */
function requireListed(store: RecordStore, name: RecordName): void {
  if (store.freshness.mark(name) !== undefined) return;
  checkRecord(store, name);
  throw name.fault("its row was added");
}

function integrity(database: Engine): Finding[] {
  const rows = database.prepare("PRAGMA integrity_check(10)").all();
  const problems = rows.map((row) => String(row["integrity_check"]));
  if (problems[0] === "ok") return [];
  return problems.map((problem) => ({ record: DATABASE, problem }));
}
