/** The vectors of the specification: each value is opened, and each blind index computed. */
import { readdirSync, readFileSync } from "node:fs";
import { isEnvelopeError, type Context } from "@env/core";
import { DataKeys, openPayload, type HeldDataKey } from "@env/core/data-keys";
import { describe, expect, it } from "vitest";
import { indexHash, indexKey } from "../src/blind-index.ts";
import { hashPlace, toScope, valueInfo } from "../src/place.ts";
import type { IndexRule } from "../src/normalise.ts";
import { decodeValue, encodeValue, type ColumnType } from "../src/value-type.ts";
import { parseStored } from "../src/value.ts";
import { FixedCmk } from "./support/fixed-cmk.ts";

interface ValueVector {
  readonly comment: string;
  readonly dataKey: string;
  readonly keyId: string;
  readonly scope: Context;
  readonly place: Context;
  readonly type: ColumnType;
  readonly stored: { readonly bytes?: string; readonly text?: string };
  readonly expect: string;
  readonly value?: unknown;
}

interface IndexVector {
  readonly comment: string;
  readonly dataKey: string;
  readonly place: Context;
  readonly bits: number;
  readonly partition: number;
  readonly type: ColumnType;
  readonly value: unknown;
  readonly hash: string;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the schema
function load<T>(kind: string): { name: string; vector: T }[] {
  const folder = new URL(`../../../spec/vectors/${kind}/`, import.meta.url);
  return readdirSync(folder).map((file) => ({
    name: file.replace(".json", ""),
    vector: JSON.parse(readFileSync(new URL(file, folder), "utf8")),
  }));
}

async function held(dataKey: string): Promise<HeldDataKey> {
  const cmk = new FixedCmk("one", new Uint8Array(Buffer.from(dataKey, "hex")));
  const keys = new DataKeys(cmk.envelope());
  return keys.open("k", await keys.create("k", { context: {} }), { context: {} });
}

/** A value as the vectors write it. */
function toJson(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return value.getTime();
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}

function fromJson(type: ColumnType, value: unknown): unknown {
  if (type === "bigint") return BigInt(String(value));
  if (type === "date") return new Date(Number(value));
  return type === "bytes" ? new Uint8Array(Buffer.from(String(value), "hex")) : value;
}

async function open(vector: ValueVector): Promise<unknown> {
  const { bytes, text } = vector.stored;
  const stored = parseStored(bytes === undefined ? text : Buffer.from(bytes, "hex"));
  if (stored === undefined) return "ERR_ENVELOPE_FORMAT";
  try {
    const info = valueInfo(stored.header, toScope(vector.scope), hashPlace(vector.place));
    const plaintext = await openPayload(await held(vector.dataKey), info, stored.payload);
    return { value: toJson(decodeValue(vector.type, plaintext)), plaintext };
  } catch (error) {
    if (isEnvelopeError(error)) return error.code;
    throw error;
  }
}

describe("the vectors of values", () => {
  it.for(load<ValueVector>("columns"))("$name", async ({ vector }) => {
    const opened = await open(vector);
    if (vector.expect !== "ok") return expect(opened, vector.comment).toBe(vector.expect);
    expect(opened).toMatchObject({ value: vector.value });
    const { plaintext } = opened as { plaintext: Uint8Array };
    const pad = (plaintext[0] ?? 0) & 0x80 ? plaintext.length : 1;
    // A plaintext has one encoding.
    expect(encodeValue(vector.type, fromJson(vector.type, vector.value), pad)).toEqual(plaintext);
  });
});

describe("the vectors of blind indexes", () => {
  it.for(load<IndexVector>("columns-index"))("$name", async ({ vector }) => {
    const { bits, partition, place, type } = vector;
    const key = await indexKey(await held(vector.dataKey), place);
    const rule = place["rule"] as IndexRule;
    const value = fromJson(type, vector.value);
    const hash = await indexHash(key, { column: "", rule, bits }, type, value, partition);
    expect(Buffer.from(hash).toString("hex"), vector.comment).toBe(vector.hash);
  });
});
