/**
 * A copy of the keystore's tables in this process, in SQLite's memory: what was read of PostgreSQL is found there by the same
 * code as in a file. Records in it are sealed, as they are everywhere else.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { recordSchema } from "../database.ts";
import { recordTables, toRow, type Row, type Table } from "../tables.ts";
import { changedRows, type RowKey } from "./changeset.ts";

/** What has become of rows of one table. */
export interface TableChanges {
  readonly table: Table;
  readonly written: readonly Row[];
  readonly deleted: readonly RowKey[];
}

export class Replica {
  readonly tables: readonly Table[];
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();
  #session: ReturnType<DatabaseSync["createSession"]> | undefined;
  /** How often others' changes were applied. */
  #version = 0;

  constructor() {
    for (const statement of recordSchema) this.#db.exec(statement);
    this.tables = recordTables(this.#db);
  }

  get version(): number {
    return this.#version;
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /** Begins a transaction of this process. */
  begin(): void {
    this.#db.exec("BEGIN");
    this.#session = this.#db.createSession();
  }

  /** What the transaction has changed so far. */
  changes(): readonly TableChanges[] {
    const changed = changedRows(this.#session?.changeset() ?? new Uint8Array());
    return this.tables.flatMap((table) => {
      const keys = changed.get(table.name) ?? [];
      const rows = keys.map((key) => ({ key, row: this.#row(table, key) }));
      const written = rows.flatMap(({ row }) => (row === undefined ? [] : [row]));
      const deleted = rows.flatMap(({ key, row }) => (row === undefined ? [key] : []));
      return keys.length === 0 ? [] : [{ table, written, deleted }];
    });
  }

  commit(): void {
    this.#end("COMMIT");
  }

  rollback(): void {
    this.#end("ROLLBACK");
  }

  savepoint<T>(fn: () => T): T {
    this.#db.exec("SAVEPOINT attempt");
    try {
      const result = fn();
      this.#db.exec("RELEASE attempt");
      return result;
    } catch (error) {
      this.#db.exec("ROLLBACK TO attempt; RELEASE attempt");
      throw error;
    }
  }

  /** Takes over what others have changed, or everything that there is. */
  apply(changes: readonly TableChanges[], isEverything: boolean): void {
    this.#version++;
    this.#db.exec("BEGIN");
    try {
      for (const { name } of isEverything ? this.tables : []) this.#db.exec(`DELETE FROM ${name}`);
      for (const { table, written, deleted } of changes) {
        const { name, columns } = table;
        const drop = this.#statement(`DELETE FROM ${name} WHERE ${condition(table)}`);
        for (const key of deleted) drop.run(...key);
        const marks = columns.map(() => "?").join(", ");
        const put = this.#statement(`INSERT OR REPLACE INTO ${name} VALUES (${marks})`);
        for (const row of written) put.run(...row);
      }
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  #row(table: Table, key: RowKey): Row | undefined {
    const { name, columns } = table;
    const row = this.#statement(`SELECT * FROM ${name} WHERE ${condition(table)}`).get(...key);
    return row && toRow(columns, row);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #end(sql: "COMMIT" | "ROLLBACK"): void {
    this.#session?.close();
    this.#session = undefined;
    this.#db.exec(sql);
  }
}

function condition({ key }: Table): string {
  return key.map((name) => `${name} = ?`).join(" AND ");
}
