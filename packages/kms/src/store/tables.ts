/**
 * The tables of records, as SQLite describes them, and their rows as they are. Nothing here opens a record.
 *
 * @module
 */
import type { SQLOutputValue, StatementSync } from "node:sqlite";

/** A table, as SQLite describes it. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Names of the columns of its primary key, in the order of the columns. */
  readonly key: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly type: "INTEGER" | "TEXT" | "BLOB";
  readonly isOptional: boolean;
}

/** Values in the order of the columns. */
export type Row = readonly (number | string | Uint8Array | null)[];

/** A connection to SQLite, or an engine. */
interface Prepares {
  prepare(sql: string): StatementSync;
}

/** All tables but the audit log, in the order of their names. */
export function recordTables(db: Prepares): readonly Table[] {
  return db
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'audit' ORDER BY name",
    )
    .all()
    .map(({ name }) => describe(db, String(name)));
}

/**
 * Reads a table, for as long as nobody writes.
 *
 * @yields Its rows, in the order of the primary key.
 */
export function* rowsOf(db: Prepares, { name, columns, key }: Table): Generator<Row> {
  const rows = db.prepare(`SELECT * FROM ${name} ORDER BY ${key.join(", ")}`).iterate();
  for (const row of rows) yield toRow(columns, row);
}

export function toRow(
  columns: readonly Column[],
  row: Readonly<Record<string, SQLOutputValue>>,
): Row {
  return columns.map(({ name }): Row[number] => {
    const value = row[name];
    // Numbers are read as numbers.
    return value === undefined || typeof value === "bigint" ? null : value;
  });
}

function describe(db: Prepares, name: string): Table {
  const found = db.prepare(`PRAGMA table_info(${name})`).all();
  return {
    name,
    columns: found.map((column) => ({
      name: String(column["name"]),
      // The tables are strict, and have columns of these types only.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      type: column["type"] as Column["type"],
      isOptional: column["notnull"] === 0 && column["pk"] === 0,
    })),
    key: found.filter(({ pk }) => pk !== 0).map((column) => String(column["name"])),
  };
}
