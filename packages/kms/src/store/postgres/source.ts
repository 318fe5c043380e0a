/**
 * Reads the tables: what has changed since a revision, or everything.
 *
 * Each change lists the rows that it wrote or deleted. Nothing authenticates the list. It only says what to read again: a
 * record that was read too late does not have the mark that the state lists for it.
 *
 * @module
 */
import type { RowKey } from "./changeset.ts";
import type { Connection, ResultRow } from "./connection.ts";
import type { TableChanges } from "./replica.ts";
import type { Column, Row, Table } from "../tables.ts";
import { keyColumns, Parameters, selectRows } from "./sql.ts";

/** Changes whose lists are kept. A process that was away for longer reads everything. */
export const KEPT_CHANGES = 10_000;
/** Rows of one query, and bytes of a value: a longer one is not read into memory. */
const PAGE = 2000;
const MAX_VALUE_BYTES = 2 ** 24;

/** Keys of changed rows, by table. */
type ChangedKeys = Readonly<Record<string, readonly RowKey[]>>;

export interface Loaded {
  readonly changes: readonly TableChanges[];
  /** Whether rows that are not in it do not exist. */
  readonly isEverything: boolean;
}

export class Source {
  readonly #connection: Connection;
  readonly #schema: string;
  readonly #tables: readonly Table[];

  constructor(connection: Connection, tables: readonly Table[]) {
    this.#connection = connection;
    this.#schema = connection.address.schema;
    this.#tables = tables;
  }

  /**
   * Must be called in a transaction that is on one state of the database.
   *
   * @param since - The revision whose changes are known; `undefined`: none.
   */
  async load(since: number | undefined): Promise<Loaded> {
    const changed = since === undefined ? undefined : await this.#changedSince(since);
    const changes: TableChanges[] = [];
    for (const table of this.#tables) {
      const keys = changed?.get(table.name);
      if (changed === undefined) {
        changes.push({ table, written: await this.#all(table), deleted: [] });
      } else if (keys !== undefined) {
        changes.push(await this.#some(table, keys));
      }
    }
    return { changes, isEverything: changed === undefined };
  }

  async #changedSince(since: number): Promise<ReadonlyMap<string, readonly RowKey[]> | undefined> {
    const rows = await this.#connection.query(
      `SELECT state.revision, change.keys FROM ${this.#schema}.state LEFT JOIN ${this.#schema}.change ON change.revision > $1 AND change.revision <= state.revision`,
      [since],
    );
    const revision = Number(rows[0]?.["revision"]);
    // Lists are missing, or the database was put back.
    if (revision <= since || rows.length !== revision - since || rows[0]?.["keys"] === null) {
      return undefined;
    }
    const found = new Map<string, Map<string, RowKey>>();
    for (const { keys } of rows) {
      // Written by commit.ts, and not believed: see above.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      for (const [table, list] of Object.entries(JSON.parse(String(keys)) as ChangedKeys)) {
        const known = found.get(table) ?? new Map<string, RowKey>();
        found.set(table, known);
        for (const key of list) known.set(JSON.stringify(key), key);
      }
    }
    return new Map([...found].map(([table, keys]) => [table, [...keys.values()]]));
  }

  async #all(table: Table): Promise<readonly Row[]> {
    const { name, columns, key } = table;
    const order = `ORDER BY ${key.join(", ")} LIMIT ${PAGE}`;
    const from = `SELECT ${columns.map(bounded).join(", ")} FROM ${this.#schema}.${name} AS kept`;
    const rows: Row[] = [];
    for (let page: readonly Row[] | undefined; page === undefined || page.length === PAGE;) {
      const last = page?.at(-1);
      const parameters = new Parameters();
      const place = keyColumns(table).map((column) => {
        const type = column.type === "INTEGER" ? "bigint" : "text";
        return parameters.add(last?.[columns.indexOf(column)], type);
      });
      const where =
        last === undefined
          ? ""
          : `WHERE (${key.map((column) => `kept.${column}`).join(", ")}) > (${place.join(", ")})`;
      const values = last === undefined ? [] : parameters.values;
      const found = await this.#connection.query(`${from} ${where} ${order}`, values);
      page = found.map((row) => toRow(row, columns));
      for (const row of page) rows.push(row);
    }
    return rows;
  }

  async #some(table: Table, keys: readonly RowKey[]): Promise<TableChanges> {
    const { name, columns, key } = table;
    const parameters = new Parameters();
    const wanted = selectRows(keyColumns(table), keys, parameters);
    const found = await this.#connection.query(
      `SELECT ${columns.map(bounded).join(", ")} FROM ${this.#schema}.${name} AS kept WHERE (${key.join(", ")}) IN (${wanted})`,
      parameters.values,
    );
    const written = found.map((row) => toRow(row, columns));
    const there = new Set(written.map((row) => JSON.stringify(keyOf(table, row))));
    return { table, written, deleted: keys.filter((one) => !there.has(JSON.stringify(one))) };
  }
}

/** The values of a row's primary key. */
export function keyOf(table: Table, row: Row): RowKey {
  return keyColumns(table).map((column) => {
    const value = row[table.columns.indexOf(column)];
    return typeof value === "number" ? value : String(value);
  });
}

function bounded({ name, type }: Column): string {
  if (type === "INTEGER") return `kept.${name}`;
  return `CASE WHEN octet_length(kept.${name}) <= ${MAX_VALUE_BYTES} THEN kept.${name} END AS ${name}`;
}

function toRow(row: ResultRow, columns: readonly Column[]): Row {
  return columns.map(({ name }): Row[number] => {
    const value = row[name];
    if (typeof value === "number" || typeof value === "string") return value;
    return value instanceof Uint8Array ? new Uint8Array(value) : null;
  });
}
