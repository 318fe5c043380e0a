/**
 * Rows on their way into PostgreSQL: any number of them in a fixed number of parameters, so that a statement's text depends
 * on its tables alone and PostgreSQL plans it once. All bytes are in one parameter, which is sent as it is. In an array, they
 * would be written and read as hexadecimal digits.
 *
 * @module
 */
import type { TableChanges } from "./replica.ts";
import type { Column, Row, Table } from "../tables.ts";

type Type = Column["type"];

const typeNames: Readonly<Record<Type, string>> = {
  INTEGER: "bigint",
  TEXT: "text",
  BLOB: "bytea",
};

/** The statement that makes a table as PostgreSQL writes it. Texts are ordered as in SQLite, by their bytes. */
export function definition(schema: string, { name, columns, key }: Table): string {
  const lines = columns.map((column) => {
    const type = typeNames[column.type].toUpperCase();
    const order = column.type === "TEXT" ? ' COLLATE "C"' : "";
    return `${column.name} ${type}${order}${column.isOptional ? "" : " NOT NULL"}`;
  });
  return `CREATE TABLE ${schema}.${name} (${lines.join(", ")}, PRIMARY KEY (${key.join(", ")}))`;
}

/** Collects the parameters of a statement. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Returns how the statement refers to the value. */
  add(value: unknown, type: string): string {
    return `$${this.values.push(value)}::${type}`;
  }
}

/** A `SELECT` of rows that the parameters contain. */
export function selectRows(
  columns: readonly Pick<Column, "name" | "type">[],
  rows: readonly Row[],
  parameters: Parameters,
): string {
  const packed: Uint8Array[] = [];
  let end = 1;
  const arrays: string[] = [];
  const names: string[] = [];
  const array = (name: string, type: string, values: readonly unknown[]): void => {
    arrays.push(parameters.add(values, `${type}[]`));
    names.push(name);
  };
  const isBytes = columns.some(({ type }) => type === "BLOB");
  for (const [i, { name, type }] of columns.entries()) {
    const values = rows.map((row) => row[i] ?? null);
    if (type !== "BLOB") {
      array(name, typeNames[type], values);
      continue;
    }
    const places = values.map((value) => {
      if (!(value instanceof Uint8Array)) return { at: null, length: null };
      packed.push(value);
      end += value.length;
      return { at: end - value.length, length: value.length };
    });
    array(
      `${name}_at`,
      "int",
      places.map(({ at }) => at),
    );
    array(
      `${name}_length`,
      "int",
      places.map(({ length }) => length),
    );
  }
  const bytes = isBytes ? parameters.add(Buffer.concat(packed), "bytea") : "";
  const outputs = columns.map(({ name, type }) =>
    type === "BLOB" ? `substring(${bytes} FROM ${name}_at FOR ${name}_length)` : name,
  );
  return `SELECT ${outputs.join(", ")} FROM unnest(${arrays.join(", ")}) AS given(${names.join(", ")})`;
}

/**
 * The statements that change a table.
 *
 * @param condition - What must hold; otherwise they change nothing.
 */
export function changeTable(
  schema: string,
  { table, written, deleted }: TableChanges,
  parameters: Parameters,
  condition: string,
): readonly string[] {
  const { name, columns, key } = table;
  const all = columns.map((column) => column.name);
  const others = all.filter((column) => !key.includes(column));
  const update = others.map((column) => `${column} = excluded.${column}`).join(", ");
  const statements: string[] = [];
  if (written.length > 0) {
    const rows = selectRows(columns, written, parameters);
    statements.push(
      `INSERT INTO ${schema}.${name} (${all.join(", ")}) ${rows} WHERE ${condition} ON CONFLICT (${key.join(", ")}) DO UPDATE SET ${update}`,
    );
  }
  if (deleted.length > 0) {
    const keys = selectRows(keyColumns(table), deleted, parameters);
    statements.push(
      `DELETE FROM ${schema}.${name} WHERE (${key.join(", ")}) IN (${keys}) AND ${condition}`,
    );
  }
  return statements;
}

/** The columns of a table's primary key. */
export function keyColumns({ columns, key }: Table): readonly Column[] {
  return columns.filter(({ name }) => key.includes(name));
}
