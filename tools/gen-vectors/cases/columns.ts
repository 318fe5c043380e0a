/** Values of encrypted columns and blind indexes: what opens, and what a reader refuses. */

import { createHmac } from "node:crypto";
import {
  cat,
  cobblestoneInfo,
  encodeContext,
  sealChunks,
  sha256,
  split,
  type Context,
} from "../format.ts";
import { flip, seeded } from "../testkit.ts";

interface ValueVector {
  readonly spec: string;
  readonly comment: string;
  /** The data key in hex, as the key table's message of this id and scope has it. */
  readonly dataKey: string;
  readonly keyId: string;
  readonly scope: Context;
  readonly place: Context;
  readonly type: string;
  /** The value in hex, or in its text form. */
  readonly stored: { readonly bytes: string } | { readonly text: string };
  readonly expect: "ok" | "ERR_ENVELOPE_FORMAT" | "ERR_ENVELOPE_DECRYPT";
  /** The value, for `ok`, as JSON; integers and bytes in text, in decimal and hex; dates in milliseconds. */
  readonly value?: unknown;
}

interface IndexVector {
  readonly spec: string;
  readonly comment: string;
  readonly dataKey: string;
  readonly place: Context;
  readonly bits: number;
  readonly partition: number;
  readonly type: string;
  readonly value: unknown;
  readonly expect: "ok";
  readonly hash: string;
}

// spec/columns-v1.md#value

interface Parts {
  readonly name: string;
  readonly plaintext: Buffer;
  readonly type: string;
  readonly value?: unknown;
  readonly comment: string;
  readonly spec?: string;
  readonly scope?: Context;
  readonly place?: Context;
  readonly purpose?: string;
  /** Alters the value after it was sealed, with the same length or another. */
  readonly spoil?: (value: Buffer) => Buffer;
  readonly text?: (value: Buffer) => string;
  /** What the reader passes, where it is not what the value was sealed with. */
  readonly reader?: { readonly scope?: Context; readonly place?: Context };
  readonly expect?: ValueVector["expect"];
}

const PLACE: Context = { table: "users", column: "email", "row.id": "42" };
const SCOPE: Context = { tenant: "acme" };
const TYPES = { text: 1, bytes: 2, number: 3, bigint: 4, boolean: 5, date: 6, json: 7 };

function typed(type: keyof typeof TYPES, body: Buffer | string): Buffer {
  return cat([TYPES[type]], Buffer.from(body as string));
}

function seal(parts: Parts): { value: Buffer; dataKey: Buffer; keyId: string } {
  const { name, plaintext, scope = SCOPE, place = PLACE, purpose = "values" } = parts;
  const dataKey = seeded(`columns ${name} data key`, 32);
  const salt = seeded(`columns ${name} salt`, 24);
  const keyId = seeded(`columns ${name} id`, 6).toString("hex");
  const header = cat([0xc1], Buffer.from(keyId, "hex"));
  const context = cat(
    Buffer.from("env/columns/1/value\0"),
    header,
    sha256(Buffer.from("env/1/context\0"), encodeContext({ ...scope, columns: purpose })),
    sha256(Buffer.from("env/columns/1/place\0"), encodeContext(place)),
  );
  const derived = split(dataKey, cobblestoneInfo(salt, context));
  const chunks = sealChunks(derived as Parameters<typeof sealChunks>[0], plaintext);
  return { value: cat(header, salt, derived.commitment, ...chunks), dataKey, keyId };
}

function valueVector(parts: Parts): ValueVector {
  const { value: sealed, dataKey, keyId } = seal(parts);
  const { spoil = (same) => same, text, expect = "ok", reader = {} } = parts;
  const bytes = spoil(sealed);
  return {
    spec: parts.spec ?? "columns-v1.md#value",
    comment: parts.comment,
    dataKey: dataKey.toString("hex"),
    keyId,
    scope: reader.scope ?? parts.scope ?? SCOPE,
    place: reader.place ?? parts.place ?? PLACE,
    type: parts.type,
    stored: text === undefined ? { bytes: bytes.toString("hex") } : { text: text(bytes) },
    expect,
    ...(expect === "ok" ? { value: parts.value } : {}),
  };
}

function plain(
  type: keyof typeof TYPES,
  body: Buffer,
  shown: unknown,
  comment: string,
): (name: string) => ValueVector {
  return (name) =>
    valueVector({
      name,
      plaintext: typed(type, body),
      type,
      value: shown,
      comment,
      spec: "columns-v1.md#plaintext",
    });
}

function refused(type: string, plaintext: Buffer, comment: string): (name: string) => ValueVector {
  return (name) =>
    valueVector({
      name,
      plaintext,
      type,
      comment,
      spec: "columns-v1.md#plaintext",
      expect: "ERR_ENVELOPE_FORMAT",
    });
}

const TEXT = typed("text", "16 bytes of text");

function spoiled(
  expect: ValueVector["expect"],
  comment: string,
  parts: Partial<Parts>,
): (name: string) => ValueVector {
  return (name) =>
    valueVector({
      name,
      plaintext: TEXT,
      type: "text",
      comment,
      expect,
      value: "16 bytes of text",
      ...parts,
    });
}

function withByte(at: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    flip(bytes, at);
    return bytes;
  };
}

function asText(bytes: Buffer): string {
  return `~${bytes.toString("base64url")}`;
}

function number(bits: bigint): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64BE(bits);
  return body;
}

export const columnValues: Readonly<Record<string, (name: string) => ValueVector>> = {
  "value-text": plain("text", Buffer.from("16 bytes of text"), "16 bytes of text", "96 bytes"),
  "value-text-empty": plain("text", Buffer.alloc(0), "", "the shortest value: 80 bytes"),
  "value-text-unicode": plain(
    "text",
    Buffer.from("Ω 😀\ufeff"),
    "Ω 😀\ufeff",
    "a BOM is a character like any other",
  ),
  "value-bytes": plain("bytes", Buffer.from("00ff", "hex"), "00ff", "bytes as they are"),
  "value-number": plain("number", number(0x400921fb54442d18n), Math.PI, "binary64"),
  "value-integer-0": plain("bigint", Buffer.from("00", "hex"), "0", "one byte at least"),
  "value-integer-128": plain("bigint", Buffer.from("0080", "hex"), "128", "a byte for the sign"),
  "value-integer--128": plain("bigint", Buffer.from("80", "hex"), "-128", "no byte for the sign"),
  "value-integer-2e70": plain(
    "bigint",
    Buffer.from("400000000000000000", "hex"),
    (2n ** 70n).toString(),
    "past 64 bits",
  ),
  "value-boolean": plain("boolean", Buffer.from("01", "hex"), true, "true"),
  "value-date": plain(
    "date",
    number(BigInt.asUintN(64, -4_861_900_800_000n)),
    -4_861_900_800_000,
    "before 1970",
  ),
  "value-json": plain(
    "json",
    Buffer.from('{"a":[1,null]}'),
    { a: [1, null] },
    "a text of RFC 8259",
  ),
  "value-padded": (name) =>
    valueVector({
      name,
      plaintext: cat([0x81], Buffer.from("ab"), [0x80], Buffer.alloc(12)),
      type: "text",
      value: "ab",
      comment: "padded to 16 bytes",
      spec: "columns-v1.md#plaintext",
    }),
  "value-chunks": (name) =>
    valueVector({
      name,
      plaintext: typed("bytes", Buffer.alloc(16_383)),
      type: "bytes",
      value: "00".repeat(16_383),
      comment: "a full chunk and an empty one",
    }),
  "value-place-no-row": spoiled("ok", "bound to its column only", {
    place: { table: "t", column: "c" },
  }),
  "value-place-also": spoiled("ok", "a composite key, and another column", {
    place: { ...PLACE, "row.line": "1", "also.region": "eu" },
  }),
  "value-no-scope": spoiled("ok", "an empty scope", { scope: {} }),
  "value-as-text": spoiled("ok", "129 characters", { text: asText }),

  "value-other-row": spoiled("ERR_ENVELOPE_DECRYPT", "moved to another row", {
    spec: "columns-v1.md#place",
    reader: { place: { ...PLACE, "row.id": "43" } },
  }),
  "value-other-column": spoiled("ERR_ENVELOPE_DECRYPT", "moved to another column", {
    spec: "columns-v1.md#place",
    reader: { place: { ...PLACE, column: "name" } },
  }),
  "value-other-table": spoiled("ERR_ENVELOPE_DECRYPT", "moved to another table", {
    spec: "columns-v1.md#place",
    reader: { place: { ...PLACE, table: "staff" } },
  }),
  "value-row-as-also": spoiled(
    "ERR_ENVELOPE_DECRYPT",
    "a bound column is not one that identifies the row",
    {
      spec: "columns-v1.md#place",
      reader: { place: { table: "users", column: "email", "also.id": "42" } },
    },
  ),
  "value-other-scope": spoiled("ERR_ENVELOPE_DECRYPT", "another scope under the same data key", {
    reader: { scope: { tenant: "other" } },
  }),
  // Requirements: C1
  "value-other-purpose": spoiled("ERR_ENVELOPE_DECRYPT", "sealed for the purpose index", {
    spec: "columns-v1.md#data-keys",
    purpose: "index",
  }),
  "value-other-key-id": spoiled(
    "ERR_ENVELOPE_DECRYPT",
    "the id names another row of the key table with the same data key",
    {
      spoil: withByte(3),
    },
  ),
  "value-altered-salt": spoiled("ERR_ENVELOPE_DECRYPT", "one bit of the salt", {
    spoil: withByte(7),
  }),
  "value-altered-commitment": spoiled("ERR_ENVELOPE_DECRYPT", "one bit of the commitment", {
    spoil: withByte(62),
  }),
  "value-altered-text": spoiled("ERR_ENVELOPE_DECRYPT", "one bit of the ciphertext", {
    spoil: withByte(63),
  }),
  "value-altered-tag": spoiled("ERR_ENVELOPE_DECRYPT", "one bit of the tag", {
    spoil: withByte(-1),
  }),
  "value-cut": spoiled("ERR_ENVELOPE_DECRYPT", "the last byte is missing", {
    spoil: (bytes) => bytes.subarray(0, -1),
  }),
  // Requirements: C4
  "value-too-short": spoiled("ERR_ENVELOPE_FORMAT", "79 bytes: there is no such plaintext", {
    spoil: (bytes) => bytes.subarray(0, 79),
  }),
  // Requirements: C4
  "value-format": spoiled("ERR_ENVELOPE_FORMAT", "another format", { spoil: withByte(0) }),
  // Requirements: C4
  "value-plaintext": spoiled("ERR_ENVELOPE_FORMAT", "plaintext where a value has to be", {
    spoil: () => Buffer.from("16 bytes of text".repeat(8)),
  }),
  // Requirements: C3
  "value-text-plaintext": spoiled("ERR_ENVELOPE_FORMAT", "plaintext in a column of text", {
    text: () => "16 bytes of text".repeat(8),
  }),
  // Requirements: C3
  "value-text-no-prefix": spoiled("ERR_ENVELOPE_FORMAT", "no prefix", {
    text: (bytes) => bytes.toString("base64url"),
  }),
  // Requirements: C3
  "value-text-padding": spoiled("ERR_ENVELOPE_FORMAT", "padding of base64", {
    spoil: (bytes) => cat(bytes, [0]),
    text: (bytes) => `${asText(bytes)}==`,
  }),
  // Requirements: C3
  "value-text-alphabet": spoiled("ERR_ENVELOPE_FORMAT", "the other alphabet of base64", {
    text: (bytes) => `${asText(bytes).slice(0, 60)}+${asText(bytes).slice(61)}`,
  }),

  // Requirements: C5
  "plaintext-other-type": refused("bytes", TEXT, "text in a column of bytes"),
  // Requirements: C5
  "plaintext-type-0": refused("text", cat([0], Buffer.from("a")), "no such type"),
  // Requirements: C5
  "plaintext-not-utf-8": refused("text", typed("text", Buffer.from("c328", "hex")), "not UTF-8"),
  // Requirements: C5
  "plaintext-integer-long": refused(
    "bigint",
    typed("bigint", Buffer.from("007f", "hex")),
    "a byte too many",
  ),
  "plaintext-integer-empty": refused("bigint", typed("bigint", Buffer.alloc(0)), "no byte"),
  // Requirements: C5
  "plaintext-boolean-2": refused("boolean", typed("boolean", Buffer.from("02", "hex")), "neither"),
  "plaintext-number-nan": refused(
    "number",
    typed("number", number(0x7ff8000000000000n)),
    "not finite",
  ),
  "plaintext-number-short": refused("number", typed("number", Buffer.alloc(7)), "7 bytes"),
  // Requirements: C5
  "plaintext-date-range": refused(
    "date",
    typed("date", number(8_640_000_000_000_001n)),
    "no date of ECMAScript",
  ),
  "plaintext-json": refused("json", typed("json", "{a:1}"), "not JSON"),
  // Requirements: C5
  "plaintext-no-padding": refused(
    "text",
    cat([0x81], Buffer.from("ab"), [0, 0]),
    "padding without its first byte",
  ),
  "plaintext-only-padding": refused("text", Buffer.of(0x80), "a type of padding alone"),
};

// spec/columns-v1.md#blind-index

interface IndexParts {
  readonly type?: keyof typeof TYPES;
  /** What is hashed: type and normalised value. */
  readonly plaintext: Buffer;
  readonly value: unknown;
  readonly rule?: string;
  readonly bits?: number;
  readonly partition?: number;
  readonly comment: string;
  readonly spec?: string;
}

function index(parts: IndexParts): (name: string) => IndexVector {
  const { type = "text", rule = "exact", bits = 128, partition = 0 } = parts;
  return (name) => {
    const dataKey = seeded(`columns ${name} data key`, 32);
    const place = { table: "users", column: "email", index: "email_index", rule };
    const key = createHmac("sha512", dataKey)
      .update(cat(Buffer.from("env/columns/1/index-key\0"), encodeContext(place)))
      .digest()
      .subarray(0, 32);
    const full = createHmac("sha512", key)
      .update(cat([partition], parts.plaintext))
      .digest();
    const hash = full.subarray(0, Math.ceil(bits / 8));
    const spare = hash.length * 8 - bits;
    hash.writeUInt8((hash.readUInt8(hash.length - 1) >> spare) << spare, hash.length - 1);
    return {
      spec: parts.spec ?? "columns-v1.md#blind-index",
      comment: parts.comment,
      dataKey: dataKey.toString("hex"),
      place,
      bits,
      partition,
      type,
      value: parts.value,
      expect: "ok",
      hash: hash.toString("hex"),
    };
  };
}

function ruled(
  name: string,
  value: string,
  normal: string,
  comment: string,
): (name: string) => IndexVector {
  return index({
    rule: name,
    value,
    plaintext: typed("text", normal),
    comment,
    spec: "columns-v1.md#normalisation",
  });
}

export const columnIndexes: Readonly<Record<string, (name: string) => IndexVector>> = {
  "index-text": index({ value: "ada", plaintext: typed("text", "ada"), comment: "128 bits" }),
  "index-bits-13": index({
    value: "ada",
    plaintext: typed("text", "ada"),
    bits: 13,
    comment: "3 low bits are zero",
  }),
  "index-bits-256": index({
    value: "ada",
    plaintext: typed("text", "ada"),
    bits: 256,
    comment: "32 bytes",
  }),
  "index-partition": index({
    value: "ada",
    plaintext: typed("text", "ada"),
    partition: 63,
    comment: "the last of 64",
  }),
  "index-bigint": index({
    type: "bigint",
    value: "128",
    plaintext: typed("bigint", Buffer.of(0, 0x80)),
    comment: "an integer",
  }),
  "index-number--0": index({
    type: "number",
    value: -0,
    plaintext: typed("number", Buffer.alloc(8)),
    comment: "-0 is 0",
  }),
  "index-boolean": index({
    type: "boolean",
    value: true,
    plaintext: typed("boolean", Buffer.of(1)),
    comment: "true",
  }),
  "index-nfc": ruled("nfc", "Cafe\u0301", "Café", "NFC"),
  "index-caseless": ruled(
    "caseless",
    "ＭＡＳＳＥ \u0130",
    "masse i\u0307",
    "full width, and a dot that NFKC keeps",
  ),
  "index-email": ruled("email", "\t Ada@Example.COM \r\n", "ada@example.com", "spaces and case"),
  "index-email-nbsp": ruled(
    "email",
    "\u00a0ada@example.com",
    " ada@example.com",
    "only ASCII spaces are removed",
  ),
  "index-phone": ruled("phone", "+49 (0)30 / 12-34", "+490301234", "digits, with the plus"),
  "index-phone-00": ruled("phone", "0049 30 1234", "+49301234", "00 is the plus"),
  "index-phone-local": ruled(
    "phone",
    "030 12\uff13",
    "030123",
    "no country, and a digit in full width",
  ),
  "index-phone-none": ruled("phone", "unknown", "", "no digits at all"),
};
