/**
 * Typed values as bytes: one byte for the type, then the value in the one form that it has.
 *
 * Source: spec/columns-v1.md#plaintext
 *
 * @module
 */
import { EnvelopeError, type Bytes } from "@env/core";

/** The types of values, and what they are in TypeScript. */
export interface ValueTypes {
  text: string;
  bytes: Uint8Array;
  number: number;
  bigint: bigint;
  boolean: boolean;
  date: Date;
  json: unknown;
}

export type ColumnType = keyof ValueTypes;

interface Codec<T> {
  /** The byte in front. */
  readonly tag: number;
  /** Throws TypeError for a value of another type. */
  encode(value: unknown): Uint8Array;
  /** Returns `undefined` for bytes that {@link encode} would not produce. */
  decode(body: Uint8Array): T | undefined;
}

const PADDED = 0x80;
/** The most bytes of a value, with its type and padding. */
const MAX_PLAINTEXT = 2 ** 20;
const MAX_DATE = 8.64e15;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const columnTypes: { readonly [N in ColumnType]: Codec<ValueTypes[N]> } = {
  text: { tag: 1, encode: encodeText, decode: decodeText },
  bytes: {
    tag: 2,
    encode: (value) => (value instanceof Uint8Array ? value : wrong("a Uint8Array")),
    decode: (body) => new Uint8Array(body),
  },
  number: {
    tag: 3,
    encode(value) {
      if (typeof value !== "number" || !Number.isFinite(value)) return wrong("a finite number");
      return view(8, (data) => data.setFloat64(0, value));
    },
    decode(body) {
      const value = body.length === 8 ? dataOf(body).getFloat64(0) : Number.NaN;
      return Number.isFinite(value) ? value : undefined;
    },
  },
  bigint: { tag: 4, encode: encodeBigint, decode: decodeBigint },
  boolean: {
    tag: 5,
    encode: (value) =>
      typeof value === "boolean" ? Uint8Array.of(Number(value)) : wrong("a boolean"),
    decode: ([byte, ...more]) =>
      more.length > 0 || byte === undefined || byte > 1 ? undefined : byte === 1,
  },
  date: {
    tag: 6,
    encode(value) {
      const time = value instanceof Date ? value.getTime() : Number.NaN;
      return Number.isNaN(time)
        ? wrong("a valid Date")
        : view(8, (data) => data.setBigInt64(0, BigInt(time)));
    },
    decode(body) {
      const time = body.length === 8 ? Number(dataOf(body).getBigInt64(0)) : Number.NaN;
      return Math.abs(time) <= MAX_DATE ? new Date(time) : undefined;
    },
  },
  json: {
    tag: 7,
    encode: (value) => encodeText(JSON.stringify(value) ?? wrong("a JSON value")),
    decode(body) {
      const text = decodeText(body);
      try {
        return text === undefined ? undefined : JSON.parse(text);
      } catch {
        return undefined;
      }
    },
  },
};

/**
 * Encodes a value.
 *
 * @param pad - The result has a multiple of this many bytes; 1 for no padding.
 * @throws TypeError for a value of another type; {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` past 1 MiB.
 */
export function encodeValue(type: ColumnType, value: unknown, pad: number): Bytes {
  const codec = columnTypes[type];
  const body = codec.encode(value);
  const used = 1 + body.length + (pad > 1 ? 1 : 0);
  const length = Math.ceil(used / pad) * pad;
  if (length > MAX_PLAINTEXT) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_LIMIT",
      "a value of a column has at most 1 MiB; store it as a file",
    );
  }
  const bytes = new Uint8Array(length);
  bytes[0] = codec.tag | (pad > 1 ? PADDED : 0);
  bytes.set(body, 1);
  if (pad > 1) bytes[1 + body.length] = PADDED;
  return bytes;
}

/**
 * Decodes a value.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for another type, and for bytes that no writer produces.
 */
export function decodeValue(type: ColumnType, plaintext: Uint8Array): unknown {
  const codec = columnTypes[type];
  const [first = 0] = plaintext;
  if ((first & ~PADDED) !== codec.tag) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_FORMAT",
      `the value is not of type ${type}: check the table's definition`,
    );
  }
  const end = (first & PADDED) === 0 ? plaintext.length : paddingOf(plaintext);
  const value = end < 1 ? undefined : codec.decode(plaintext.subarray(1, end));
  if (value === undefined)
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", `the value is not ${type}`);
  return value;
}

/** The bytes that a blind index hashes: a value without padding, and negative zero as zero. */
export function indexBytes(type: ColumnType, value: unknown): Bytes {
  return encodeValue(type, value === 0 ? 0 : value, 1);
}

/** Returns where the padding begins; 0 if there is none. */
function paddingOf(plaintext: Uint8Array): number {
  let at = plaintext.length - 1;
  while (at > 0 && plaintext[at] === 0) at--;
  return plaintext[at] === PADDED ? at : 0;
}

function encodeText(value: unknown): Uint8Array {
  if (typeof value !== "string" || !value.isWellFormed()) return wrong("well-formed text");
  return encoder.encode(value);
}

function decodeText(body: Uint8Array): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

/** Two's complement, in as few bytes as there can be. */
function encodeBigint(value: unknown): Uint8Array {
  if (typeof value !== "bigint") return wrong("a bigint");
  const magnitude = (value < 0n ? ~value : value).toString(16);
  const bits =
    magnitude === "0"
      ? 0
      : magnitude.length * 4 - Math.clz32(Number.parseInt(magnitude.charAt(0), 16)) + 28;
  const bytes = Math.floor(bits / 8) + 1;
  return Buffer.from(
    BigInt.asUintN(bytes * 8, value)
      .toString(16)
      .padStart(bytes * 2, "0"),
    "hex",
  );
}

function decodeBigint(body: Uint8Array): bigint | undefined {
  if (body.length === 0) return undefined;
  const value = BigInt.asIntN(body.length * 8, BigInt(`0x${Buffer.from(body).toString("hex")}`));
  return encodeBigint(value).length === body.length ? value : undefined;
}

function view(length: number, fill: (data: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
}

function dataOf(body: Uint8Array): DataView {
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}

function wrong(what: string): never {
  throw new TypeError(`the value is not ${what}`);
}
