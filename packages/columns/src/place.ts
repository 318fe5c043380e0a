/**
 * Where a value belongs: table, column, the row, and what else the application binds. And the scope of the row,
 * which is the context of its data key.
 *
 * Source: spec/columns-v1.md#place
 *
 * @module
 */
import { hash } from "node:crypto";
import { encodeAad, encodeContext, type Bytes, type Context } from "@env/core";
import { columnName, PURPOSE, type TableDefinition } from "./tables.ts";
import { bufferOf } from "./value.ts";

/** A row as a library gives it: its properties, of which only those that are needed are read. */
export type Row = Readonly<Record<string, unknown>>;

/** What a data key is for: values, or blind indexes. */
export type Purpose = "values" | "index";

/** The pairs that say whose data a key protects, such as `{ tenant: "acme" }`. */
export interface Scope {
  readonly pairs: Context;
  /** The canonical bytes in hex: one name for equal scopes. */
  readonly name: string;
  /** The hash that values are bound to, for keys of the purpose `values`. */
  readonly hash: Bytes;
}

const VALUE = Buffer.from("env/columns/1/value\0");
const PLACE = Buffer.from("env/columns/1/place\0");
const CONTEXT = Buffer.from("env/1/context\0");

/** How many scopes are remembered with their hashes. */
const SCOPES_REMEMBERED = 1024;
const remembered = new Map<string, Scope>();

/** Returns the context that the KMS authenticates for a key. */
export function contextOf(scope: Scope, purpose: Purpose): Context {
  return { ...scope.pairs, [PURPOSE]: purpose };
}

/** @throws EnvelopeError `ERR_ENVELOPE_INVALID_CONTEXT`; TypeError for the reserved name. */
export function toScope(pairs: Context): Scope {
  if (PURPOSE in pairs) throw new TypeError(`"${PURPOSE}" in a scope is reserved`);
  const bytes = encodeContext(pairs);
  const name = bufferOf(bytes).toString("hex");
  let scope = remembered.get(name);
  if (scope === undefined) {
    const full = encodeContext({ ...pairs, [PURPOSE]: "values" });
    scope = { pairs: Object.freeze({ ...pairs }), name, hash: sha256(CONTEXT, full) };
    if (remembered.size >= SCOPES_REMEMBERED) remembered.clear();
    remembered.set(name, scope);
  }
  return scope;
}

/** Reads the scope of a row from its properties. */
export function scopeOf(
  table: string,
  properties: Readonly<Record<string, string>> = {},
  row: Row,
): Scope {
  const pairs: Record<string, string> = {};
  for (const [name, property] of Object.entries(properties)) {
    pairs[name] = boundText(table, property, row[property]);
  }
  return toScope(pairs);
}

/** Returns the place of a column's value in a row. */
export function placeOf(name: string, table: TableDefinition, column: string, row: Row): Context {
  const place: Record<string, string> = columnPlace(name, table, column);
  for (const property of table.key) {
    place[`row.${columnName(table, property)}`] = boundText(name, property, row[property]);
  }
  for (const property of table.also ?? []) {
    place[`also.${columnName(table, property)}`] = boundText(name, property, row[property]);
  }
  return place;
}

/** The part of a place that all values of a column share. */
export function columnPlace(
  name: string,
  table: TableDefinition,
  column: string,
): Record<string, string> {
  return {
    table: table.boundAs ?? name,
    column: table.columns[column]?.boundAs ?? columnName(table, column),
  };
}

export function hashPlace(place: Context): Bytes {
  return sha256(PLACE, encodeAad(place));
}

/** Returns what the payload of a value is bound to: Cobblestone's `context`, in parts. */
export function valueInfo(
  header: Uint8Array,
  scope: Scope,
  placeHash: Uint8Array,
): readonly Uint8Array[] {
  return [VALUE, header, scope.hash, placeHash];
}

/**
 * The text of a property that values are bound to: the same whether a driver gives an integer as number, bigint
 * or text.
 *
 * @throws TypeError for what has no such text; null and undefined, above all.
 */
function boundText(table: string, property: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  if (value instanceof Uint8Array) return bufferOf(value).toString("hex");
  throw new TypeError(
    value === undefined || value === null
      ? `the row of ${table} has no ${property}, which its values are bound to: select it too, or create ids in the application`
      : `${property} of ${table} is not text, an integer or bytes, so no value can be bound to it`,
  );
}

export function sha256(...parts: readonly Uint8Array[]): Bytes {
  return new Uint8Array(hash("sha256", Buffer.concat(parts), "buffer"));
}
