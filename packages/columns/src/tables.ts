/**
 * What an application says of its tables, once, as plain data: the library, the command line and the types of
 * rows all derive from it.
 *
 * @module
 */
import { checkOptions } from "@env/core/driver";
import type { IndexRule } from "./normalise.ts";
import { INDEX_RULES } from "./normalise.ts";
import { columnTypes, type ColumnType, type ValueTypes } from "./value-type.ts";

/** A blind index: a keyed hash in a column of its own, which finds rows by equality. */
export interface IndexDefinition {
  /** The property of the row that the index is stored in. A `bytea` or `BLOB` column. */
  readonly column: string;
  /** What counts as equal. Default: `exact`. Only text has other rules. */
  readonly rule?: IndexRule | undefined;
  /** Bits that are kept, 8 to 256. A search also finds other values: one in 2^bits. Default: 128. */
  readonly bits?: number | undefined;
  /** Spreads equal values over this many different hashes, 1 to 64. Not with a unique constraint. Default: 1. */
  readonly partitions?: number | undefined;
}

/** Where values come from while a column is being migrated. Everything read this way is counted. */
export interface PlaintextSource {
  /** The property that still has the old value. Default: the encrypted column itself. */
  readonly from?: string | undefined;
  /** Reads the old format. Default: what the database driver gives, converted to the column's type. */
  readonly read?: ((stored: unknown, type: ColumnType) => unknown) | undefined;
}

/** An encrypted column. */
export interface ColumnDefinition {
  readonly type: ColumnType;
  /** `bytes` for a `bytea` or `BLOB` column, `text` for a `text` column. Default: `bytes`. */
  readonly form?: "bytes" | "text" | undefined;
  /** Lengths are hidden up to the next multiple of this many bytes, 1 to 65536. Default: not hidden. */
  readonly pad?: number | undefined;
  readonly index?: IndexDefinition | readonly IndexDefinition[] | undefined;
  /** Also reads values that are not encrypted. Only while migrating. Default: those are an error. */
  readonly plaintext?: true | PlaintextSource | undefined;
  /** The column's name that values are bound to. Default: its name. For a column that was renamed. */
  readonly boundAs?: string | undefined;
}

/** A table with encrypted columns. Names are those of the properties of its rows. */
export interface TableDefinition {
  /**
   * The properties that identify a row and never change, in the order of the primary key. Values are bound to
   * them. An empty list binds values to their column only, for libraries that convert values without their row.
   */
  readonly key: readonly string[];
  /** The context of a row's data key: names, and the properties that have their values. Default: none. */
  readonly scope?: Readonly<Record<string, string>> | undefined;
  /** The same for index keys. Equal values are found within one scope only. Default: none. */
  readonly indexScope?: Readonly<Record<string, string>> | undefined;
  /** More properties that values are bound to, and that never change. Default: none. */
  readonly also?: readonly string[] | undefined;
  readonly columns: Readonly<Record<string, ColumnDefinition>>;
  /** The names of columns in the database, where they differ from those of the properties. */
  readonly names?: Readonly<Record<string, string>> | undefined;
  /** The table's name that values are bound to. Default: its name. For a table that was renamed. */
  readonly boundAs?: string | undefined;
}

/** Tables by their name in the database, with a schema where the search path does not find them. */
export type TableDefinitions = Readonly<Record<string, TableDefinition>>;

declare const valueType: unique symbol;

/** A column of JSON whose value has a type of the application's own, created by {@link json}. */
export interface JsonColumn<T> extends ColumnDefinition {
  readonly type: "json";
  readonly [valueType]?: T;
}

/** Gives the values of a JSON column a type. It is not checked when values are read. */
export function json<T>(options: Omit<ColumnDefinition, "type"> = {}): JsonColumn<T> {
  return { ...options, type: "json" };
}

/** Keeps the literal types of tables, so that rows have types. Returns its argument. */
export function defineTables<const T extends TableDefinitions>(tables: T): T {
  checkTables(tables);
  return tables;
}

/** The type of a column's value in TypeScript. */
export type ValueOf<C> = C extends JsonColumn<infer J> & { readonly [valueType]?: unknown }
  ? J
  : C extends { readonly type: infer N extends ColumnType }
    ? ValueTypes[N]
    : never;

/** The type of a column's value in the database. */
export type StoredOf<C> = C extends { readonly form: "text" } ? string : Uint8Array<ArrayBuffer>;

/** Keeps `null` and `undefined` of a row's member. */
type Empty<V> = Extract<V, null | undefined>;

/** A row with plaintext: what {@link TableColumns.open} returns for a row of type `R`. */
export type Opened<T extends TableDefinition, R> = {
  [P in keyof R]: P extends keyof T["columns"] ? ValueOf<T["columns"][P]> | Empty<R[P]> : R[P];
};

/** The properties with a table's blind indexes. */
export type IndexColumns<T extends TableDefinition> = {
  [P in keyof T["columns"]]: T["columns"][P] extends { readonly index: infer I }
    ? I extends { readonly column: infer N extends string }
      ? N
      : I extends readonly { readonly column: infer N extends string }[]
        ? N
        : never
    : never;
}[keyof T["columns"]];

/** A row for the database: what {@link TableColumns.seal} returns for a row of type `R`. */
export type Sealed<T extends TableDefinition, R> = {
  [P in keyof R]: P extends keyof T["columns"] ? StoredOf<T["columns"][P]> | Empty<R[P]> : R[P];
} & { [N in IndexColumns<T>]?: Uint8Array<ArrayBuffer> | null };

/** A row to be sealed: encrypted columns have their types, the others are the caller's. */
export type Plain<T extends TableDefinition> = {
  readonly [P in keyof T["columns"]]?: ValueOf<T["columns"][P]> | null | undefined;
};

const NAME = /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/;
const TABLE = new Set(["key", "scope", "indexScope", "also", "columns", "names", "boundAs"]);
const COLUMN = new Set(["type", "form", "pad", "index", "plaintext", "boundAs"]);
const INDEX = new Set(["column", "rule", "bits", "partitions"]);
const PLAINTEXT = new Set(["from", "read"]);
/** The pair of a key's context that is ours: what the key is for. */
export const PURPOSE = "columns";

/** @throws TypeError, RangeError for definitions that cannot work. */
export function checkTables(tables: TableDefinitions): void {
  if (typeof tables !== "object" || tables === null) throw new TypeError("tables are required");
  for (const [name, table] of Object.entries(tables)) checkTable(name, table);
}

function checkTable(name: string, table: TableDefinition): void {
  const parts = name.split(".");
  if (parts.length > 2 || !parts.every((part) => NAME.test(part))) {
    throw new TypeError(`${JSON.stringify(name)} is not the name of a table`);
  }
  checkOptions(table, TABLE, name);
  const { key, scope = {}, indexScope = {}, also = [], columns, names = {} } = table;
  if (!Array.isArray(key) || !Array.isArray(also)) {
    throw new TypeError(`${name}: key and also are lists of properties`);
  }
  if (key.length + also.length > 16)
    throw new RangeError(`${name}: at most 16 properties are bound`);
  for (const scoped of [scope, indexScope]) {
    if (PURPOSE in scoped) throw new TypeError(`${name}: "${PURPOSE}" in a scope is reserved`);
  }
  if (typeof columns !== "object" || columns === null || Object.keys(columns).length === 0) {
    throw new TypeError(`${name}: columns are required`);
  }
  for (const [column, definition] of Object.entries(columns)) {
    checkColumn(`${name}.${column}`, definition);
  }
  const indexes = Object.values(columns).flatMap((definition) => indexesOf(definition));
  const stored = [...Object.keys(columns), ...indexes.map((index) => index.column)];
  const bound = [...key, ...also, ...Object.values(scope), ...Object.values(indexScope)];
  for (const property of [...stored, ...bound]) {
    if (!NAME.test(names[property] ?? property)) {
      throw new TypeError(`${name}: ${JSON.stringify(property)} is not the name of a column`);
    }
  }
  if (new Set(stored).size < stored.length)
    throw new TypeError(`${name}: two values share a column`);
  const twice = bound.find((property) => stored.includes(property));
  if (twice !== undefined) {
    throw new TypeError(`${name}: ${twice} is encrypted, so nothing can be bound to it`);
  }
}

function checkColumn(name: string, column: ColumnDefinition): void {
  checkOptions(column, COLUMN, name);
  const { type, form = "bytes", pad = 1, plaintext } = column;
  if (!Object.hasOwn(columnTypes, type)) {
    throw new TypeError(`${name}: type is one of ${Object.keys(columnTypes).join(", ")}`);
  }
  if (form !== "bytes" && form !== "text") throw new TypeError(`${name}: form is bytes or text`);
  requireInteger(`${name}: pad`, pad, 1, 65_536);
  if (plaintext !== undefined && plaintext !== true) checkOptions(plaintext, PLAINTEXT, name);
  for (const index of indexesOf(column)) {
    checkOptions(index, INDEX, name);
    const { rule = "exact", bits = 128, partitions = 1 } = index;
    if (!INDEX_RULES.has(rule)) {
      throw new TypeError(`${name}: rule is one of ${[...INDEX_RULES].join(", ")}`);
    }
    if (type !== "text" && rule !== "exact")
      throw new TypeError(`${name}: only text has rule ${rule}`);
    if (type === "json") throw new TypeError(`${name}: JSON cannot be indexed`);
    requireInteger(`${name}: bits`, bits, 8, 256);
    requireInteger(`${name}: partitions`, partitions, 1, 64);
  }
}

/** The indexes of a column, as a list. */
export function indexesOf({ index = [] }: ColumnDefinition): readonly IndexDefinition[] {
  return "column" in index ? [index] : index;
}

/** The name of a property's column in the database. */
export function columnName(table: TableDefinition, property: string): string {
  return table.names?.[property] ?? property;
}

/** @throws TypeError unless `value` is a number; RangeError unless it is an integer in the range. */
export function requireInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, got ${value}`);
  }
}
