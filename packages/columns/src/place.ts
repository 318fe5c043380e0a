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

/** The encoding of a place starts with the number of its pairs, and each text with its length. */
const COUNT_BYTES = 2;
const LENGTH_BYTES = 2;
/** Where places are encoded; those that may be too long for a place do not fit. */
const scratch = Buffer.alloc(1024);

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

/** Reads the scopes of a table's rows from their properties, and remembers the recent ones. */
export class ScopeReader {
  readonly #table: string;
  readonly #properties: readonly (readonly [pair: string, property: string])[];
  readonly #recent = new Map<string, Scope>();

  /** @param properties - The names of pairs, and the properties that have their values. */
  constructor(table: string, properties: Readonly<Record<string, string>> = {}) {
    this.#table = table;
    this.#properties = Object.entries(properties);
  }

  /** @throws TypeError for a row without one of the properties; like {@link toScope}. */
  read(row: Row): Scope {
    const texts = this.#properties.map(([, property]) =>
      boundText(this.#table, property, row[property]),
    );
    // Lengths come first, so that two lists of texts never have one name.
    const name = texts.map((text) => `${text.length} ${text}`).join("");
    let scope = this.#recent.get(name);
    if (scope === undefined) {
      const pairs = this.#properties.map(([pair], at) => [pair, texts[at] ?? ""] as const);
      scope = toScope(Object.fromEntries(pairs));
      if (this.#recent.size >= SCOPES_REMEMBERED) this.#recent.clear();
      this.#recent.set(name, scope);
    }
    return scope;
  }
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

/**
 * Computes {@link hashPlace} of {@link placeOf} for the values of one column. Only the texts of a row are encoded
 * each time: what surrounds them in the canonical encoding is the same for all rows.
 */
export class PlaceHasher {
  readonly #name: string;
  readonly #table: TableDefinition;
  readonly #column: string;
  /** The texts in the order of the encoding: what precedes the length of each, and the property that has it. */
  readonly #bound: readonly { readonly before: Uint8Array; readonly property: string }[];
  readonly #end: Uint8Array;

  constructor(name: string, table: TableDefinition, column: string) {
    this.#name = name;
    this.#table = table;
    this.#column = column;
    const { key, also = [] } = table;
    const properties = new Map<string, string>([
      ...key.map((property) => [`row.${columnName(table, property)}`, property] as const),
      ...also.map((property) => [`also.${columnName(table, property)}`, property] as const),
    ]);
    const place: Context = {
      ...columnPlace(name, table, column),
      ...Object.fromEntries([...properties.keys()].map((pair) => [pair, ""])),
    };
    const bound: { before: Uint8Array; property: string }[] = [];
    const pairs = Object.keys(place).toSorted(); // The names of columns are ASCII.
    let open: Uint8Array[] = [PLACE, Buffer.of(0, pairs.length)];
    for (const pair of pairs) {
      const encoded = encodeAad({ [pair]: place[pair] ?? "" }).subarray(COUNT_BYTES);
      const property = properties.get(pair);
      if (property === undefined) open.push(encoded);
      else {
        open.push(encoded.subarray(0, -LENGTH_BYTES));
        bound.push({ before: Buffer.concat(open), property });
        open = [];
      }
    }
    this.#bound = bound;
    this.#end = Buffer.concat(open);
  }

  /** @throws TypeError for a row without what its values are bound to; RangeError where a text is too long. */
  hash(row: Row): Bytes {
    let at = 0;
    for (const { before, property } of this.#bound) {
      const text = boundText(this.#name, property, row[property]);
      const most = before.length + LENGTH_BYTES + text.length * 3 + this.#end.length;
      if (at + most > scratch.length || !text.isWellFormed()) return this.#hashLong(row);
      scratch.set(before, at);
      at += before.length;
      const length = scratch.write(text, at + LENGTH_BYTES);
      scratch.writeUInt16BE(length, at);
      at += LENGTH_BYTES + length;
    }
    if (at + this.#end.length > scratch.length) return this.#hashLong(row);
    scratch.set(this.#end, at);
    return sha256(scratch.subarray(0, at + this.#end.length));
  }

  /** Checks the limits of a place. */
  #hashLong(row: Row): Bytes {
    return hashPlace(placeOf(this.#name, this.#table, this.#column, row));
  }
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
export function boundText(table: string, property: string, value: unknown): string {
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
  const [first = VALUE] = parts;
  const data = parts.length === 1 ? first : Buffer.concat(parts);
  return new Uint8Array(hash("sha256", data, "buffer"));
}
