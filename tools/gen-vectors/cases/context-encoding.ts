/** A context as a caller gives it, and the bytes it becomes. */

import { encodeContext, encodeKmsContext, type Context } from "../format.ts";
import { contextOf } from "./context.ts";

interface ContextVector {
  readonly spec: string;
  readonly comment: string;
  readonly context: unknown;
  readonly contextBytes?: string;
  readonly kmsContextBytes?: string;
  readonly expect: "ok" | "ERR_ENVELOPE_INVALID_CONTEXT";
}

function encodes(context: Context, comment: string, spec = "context"): () => ContextVector {
  return () => ({
    spec: `envelope-v1.md#${spec}`,
    comment,
    context,
    contextBytes: encodeContext(context).toString("hex"),
    kmsContextBytes: encodeKmsContext(context).toString("hex"),
    expect: "ok",
  });
}

function refuses(context: unknown, comment: string, spec = "context"): () => ContextVector {
  const expect = "ERR_ENVELOPE_INVALID_CONTEXT";
  return () => ({ spec: `envelope-v1.md#${spec}`, comment, context, expect });
}

function numbered(count: number): Context {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, `${i}`]));
}

export const contextEncoding: Readonly<Record<string, () => ContextVector>> = {
  empty: encodes({}, "the empty map is 00 00"),
  "one-pair": encodes({ tenant: "acme" }, "one pair"),
  sorted: encodes(
    { tenant: "acme", purpose: "orders" },
    "pairs are sorted by key, as given or not",
  ),
  "sorted-around-format-pair": encodes(
    { zone: "z", env: "e", "env;": "f" },
    "env:format takes its sorted place in kmsContextBytes: after env, before env;",
  ),
  "sorted-by-bytes": encodes(
    { "\u{1f600}": "face", "\uff5e": "tilde" },
    "U+FF5E is EF BD 9E, U+1F600 is F0 9F 98 80",
  ),
  "sorted-prefix-first": encodes({ aa: "2", "a-": "3", a: "1" }, "a, a-, aa"),
  "sorted-upper-case-first": encodes(
    { a: "1", B: "2", A: "3" },
    "bytes, not a dictionary: A, B, a",
  ),
  "sorted-integer-like-keys": encodes({ "10": "x", "9": "y", b: "z" }, "10 sorts before 9"),
  "key-255": encodes({ ["k".repeat(255)]: "v" }, "a key of 255 bytes", "limits"),
  "key-255-of-two-byte-characters": encodes(
    { [`${"\u00e9".repeat(127)}k`]: "v" },
    "a key of 255 bytes and 128 characters",
    "limits",
  ),
  "key-256": refuses({ ["k".repeat(256)]: "v" }, "a key of 256 bytes", "limits"),
  "key-256-of-two-byte-characters": refuses(
    { ["\u00e9".repeat(128)]: "v" },
    "a key of 128 characters and 256 bytes",
    "limits",
  ),
  "key-empty": refuses({ "": "v" }, "a key of length 0", "limits"),
  "value-empty": encodes({ k: "" }, "a value of length 0", "limits"),
  "value-1024": encodes({ k: "v".repeat(1024) }, "a value of 1024 bytes", "limits"),
  "value-1025": refuses({ k: "v".repeat(1025) }, "a value of 1025 bytes", "limits"),
  "value-1025-of-three-byte-characters": refuses(
    { k: "\u20ac".repeat(342) },
    "a value of 342 characters and 1026 bytes",
    "limits",
  ),
  "pairs-31": encodes(numbered(31), "31 pairs; with env:format the KMS sees 32", "limits"),
  "pairs-32": refuses(numbered(32), "32 pairs", "limits"),
  "bytes-4096": encodes(contextOf(4096), "4096 bytes; kmsContextBytes are 4111", "limits"),
  "bytes-4097": refuses(contextOf(4097), "4097 bytes", "limits"),
  // Requirements: E12
  "reserved-env": refuses({ "env:format": "1" }, "the reserved pair itself"),
  "reserved-env-other": refuses({ "env:": "" }, "any key that starts with env:"),
  // Requirements: E12
  "reserved-aws": refuses({ "aws:s3:arn": "x" }, "any key that starts with aws:"),
  "reserved-other-case": encodes(
    { "ENV:format": "1", "Aws:x": "2" },
    "the prefixes are case-sensitive",
  ),
  "reserved-not-at-start": encodes({ "my-env:x": "1", env: "2", aws: "3" }, "only as a prefix"),
  "proto-key": encodes({ ["__proto__"]: "polluted" }, "__proto__ is a key as any other"),
  "constructor-key": encodes({ constructor: "x", toString: "y" }, "names that objects inherit"),
  bom: encodes({ "\ufeffa": "\ufeff", a: "b" }, "U+FEFF is kept; the two keys differ"),
  "not-normalized": encodes({ "\u00e9": "composed", "e\u0301": "decomposed" }, "two keys"),
  "control-characters": encodes({ "a\0b": "line\nline\u007f" }, "control characters are legal"),
  "surrogate-pair": encodes(
    { face: "\u{1f600}" },
    "a surrogate pair is one character of four bytes",
  ),
  noncharacter: encodes({ "\uffff": "\ufffd" }, "U+FFFF and U+FFFD are Unicode scalar values"),
  // Requirements: E11
  "lone-high-surrogate-in-value": refuses({ k: "\ud800" }, "an encoder would write EF BF BD"),
  // Requirements: E11
  "lone-low-surrogate-in-value": refuses({ k: "a\udc00b" }, "an encoder would write EF BF BD"),
  // Requirements: E11
  "lone-surrogate-in-key": refuses({ "k\udfff": "v" }, "an encoder would write EF BF BD"),
  // Requirements: E11
  "reversed-surrogates": refuses({ k: "\ude00\ud83d" }, "low before high: two lone surrogates"),
  "value-number": refuses({ id: 42 }, "a number is not the string 42"),
  "value-boolean": refuses({ id: true }, "a boolean is not a string"),
  "value-null": refuses({ id: null }, "null is not a string"),
  "value-array": refuses({ id: ["42"] }, "an array would be coerced to 42"),
  "value-object": refuses({ id: {} }, "a map has one level"),
};
