/**
 * Blind indexes: keyed hashes that find rows by equality, without anybody being able to compute them who has
 * only the database.
 *
 * Source: spec/columns-v1.md#blind-index
 *
 * @module
 */
import { encodeAad, type Awaitable, type Bytes, type Context } from "@env/core";
import { deriveHmacKey, hmacWith, type HeldDataKey } from "@env/core/data-keys";
import { normalise } from "./normalise.ts";
import { columnPlace } from "./place.ts";
import { columnName, type IndexDefinition, type TableDefinition } from "./tables.ts";
import { indexBytes } from "./value-type.ts";

const KEY = Buffer.from("env/columns/1/index-key\0");

/** Returns what the key of one index is derived for: no two columns, tables or rules have equal hashes for equal values. */
export function indexPlace(
  name: string,
  table: TableDefinition,
  column: string,
  index: IndexDefinition,
): Context {
  return {
    ...columnPlace(name, table, column),
    index: columnName(table, index.column),
    rule: index.rule ?? "exact",
  };
}

/** Derives the key of one index. */
export function indexKey(dataKey: HeldDataKey, place: Context): Awaitable<HeldDataKey> {
  return deriveHmacKey(dataKey, Buffer.concat([KEY, encodeAad(place)]));
}

/**
 * Hashes a value for an index.
 *
 * @param key - From {@link indexKey}.
 * @param partition - 0 to `partitions` - 1.
 */
export function indexHash(
  key: HeldDataKey,
  { rule = "exact", bits = 128 }: IndexDefinition,
  type: Parameters<typeof indexBytes>[0],
  value: unknown,
  partition: number,
): Awaitable<Bytes> {
  const equal = typeof value === "string" ? normalise(rule, value) : value;
  const hash = hmacWith(key, Buffer.concat([Buffer.of(partition), indexBytes(type, equal)]));
  return hash instanceof Promise ? hash.then((all) => cut(all, bits)) : cut(hash, bits);
}

/** The first bits of a hash, in as few bytes as there can be. */
function cut(hash: Bytes, bits: number): Bytes {
  const kept = hash.slice(0, Math.ceil(bits / 8));
  const spare = kept.length * 8 - bits;
  kept[kept.length - 1] = (kept.at(-1) ?? 0) & (0xff << spare);
  return kept;
}

/** Selects the partition of a row's value: the same each time the row is written. */
export function partitionOf(place: Uint8Array, partitions: number): number {
  return new DataView(place.buffer, place.byteOffset).getUint32(0) % partitions;
}
