/** The context of a message: stored, passed, required, and every rule of its encoding. */

import { cat, encodePairs, u16, type Context, type Pairs } from "../format.ts";
import { type EnvelopeCases, type EnvelopeVector, type Kit, type Sealed } from "../testkit.ts";

const DECRYPT = "ERR_ENVELOPE_DECRYPT";
const FORMAT = "ERR_ENVELOPE_FORMAT";
const INVALID = "ERR_ENVELOPE_INVALID_CONTEXT";

const acme: Context = { purpose: "orders", tenant: "acme" };

/** A message bound to a context by the local KMS and by its payload. */
function bound(kit: Kit, context: Context, store: boolean): Sealed {
  return kit.seal({ context, store, keys: [kit.local(context)] });
}

/** A stored context that a lenient reader would take over, hash, and open the message with. */
function stored(kit: Kit, bytes: Buffer, comment: string): EnvelopeVector {
  const sealed = kit.seal({ storedBytes: bytes, keys: [kit.table()] }).trustHeader();
  return sealed.refused(FORMAT, { spec: "context", comment });
}

function storedPairs(kit: Kit, pairs: Pairs, comment: string): EnvelopeVector {
  return stored(kit, encodePairs(pairs), comment);
}

/** A caller's map that breaks a rule, beside a message that is in order. */
function passed(kit: Kit, context: unknown, comment: string): EnvelopeVector {
  const sealed = kit.seal({ keys: [kit.table()] });
  sealed.context = context;
  return sealed.refused(INVALID, { spec: "context", comment });
}

function numbered(count: number): Context {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, `${i}`]));
}

/** `length` bytes once encoded: three values of 1024 bytes and one of what is left. */
export function contextOf(length: number): Context {
  const value = "v".repeat(1024);
  return { a: value, b: value, c: value, d: "v".repeat(length - 2 - 3 * 1029 - 5) };
}

export const context: EnvelopeCases = {
  "context-empty": (kit) =>
    bound(kit, {}, false).opens({ spec: "context", comment: "the empty map, not stored" }),
  "context-empty-stored": (kit) =>
    bound(kit, {}, true).opens({ spec: "context", comment: "the empty map, stored as 00 00" }),
  "context-passed": (kit) =>
    bound(kit, acme, false).opens({ spec: "context", comment: "two pairs, not stored" }),
  "context-passed-and-stored": (kit) =>
    bound(kit, acme, true).opens({
      spec: "decrypting",
      comment: "stored, and the same map passed",
    }),
  "context-passed-in-another-order": (kit) => {
    const sealed = bound(kit, acme, true);
    sealed.context = { tenant: "acme", purpose: "orders" };
    return sealed.opens({ spec: "context", comment: "a map has no order" });
  },
  "context-31-pairs": (kit) =>
    bound(kit, numbered(31), true).opens({ spec: "limits", comment: "31 pairs; the KMS sees 32" }),
  "context-4096-bytes": (kit) =>
    bound(kit, contextOf(4096), true).opens({
      spec: "limits",
      comment: "4096 bytes encoded; kmsContextBytes are 4111",
    }),
  "context-unicode-order": (kit) =>
    bound(kit, { "\uff5e": "tilde", "\u{1f600}": "face" }, true).opens({
      spec: "context",
      comment:
        "by bytes U+FF5E comes before U+1F600; by UTF-16 code units it is the other way round",
    }),
  "context-prefix-order": (kit) =>
    bound(kit, { aa: "2", a: "1", "a-": "3" }, true).opens({
      spec: "context",
      comment: "a key sorts before the keys it is a prefix of",
    }),
  "context-proto-key": (kit) =>
    bound(kit, { ["__proto__"]: "polluted", constructor: "x" }, true).opens({
      spec: "context",
      comment: "__proto__ is a key as any other",
    }),
  "context-bom": (kit) =>
    bound(kit, { "\ufeffa": "\ufeff", a: "" }, true).opens({
      spec: "context",
      comment: "U+FEFF is kept in keys and values",
    }),
  "context-bom-missing": (kit) => {
    const sealed = bound(kit, { a: "\ufeffacme" }, true);
    sealed.context = { a: "acme" };
    const comment = "a value that starts with U+FEFF is not the value without it";
    return sealed.refused(DECRYPT, { spec: "context", comment });
  },
  "context-control-characters": (kit) =>
    bound(kit, { "a\0b": "line\nline\u007f" }, true).opens({
      spec: "context",
      comment: "control characters are legal in a context, other than in a key id",
    }),
  "context-not-normalized": (kit) => {
    const sealed = bound(kit, { name: "\u00e9" }, true);
    sealed.context = { name: "e\u0301" };
    const comment = "composed and decomposed are two values";
    return sealed.refused(DECRYPT, { spec: "context", comment });
  },

  // Requirements: E18
  "context-differs-from-stored": (kit) => {
    const sealed = bound(kit, acme, true);
    sealed.context = { purpose: "orders", tenant: "umbrella" };
    const comment = "another value than the stored one: refused without a KMS call";
    return sealed.refused(DECRYPT, { spec: "decrypting", comment });
  },
  "context-subset-of-stored": (kit) => {
    const sealed = bound(kit, acme, true);
    sealed.context = { tenant: "acme" };
    const comment = "a part of the stored map is not the map";
    return sealed.refused(DECRYPT, { spec: "decrypting", comment });
  },
  "context-wrong": (kit) => {
    const sealed = bound(kit, acme, false);
    sealed.context = { purpose: "orders", tenant: "umbrella" };
    const comment = "not stored, so only the KMS can tell";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },
  "context-wrong-lax-kms": (kit) => {
    const sealed = kit.seal({ context: acme, keys: [kit.table()] });
    sealed.context = { purpose: "orders", tenant: "umbrella" };
    const comment = "the KMS ignores the context, the commitment does not";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },
  // Requirements: E18
  "context-neither-form": (kit) => {
    const sealed = bound(kit, acme, true);
    sealed.context = null;
    const comment = "no map and no opt-in: what is stored is not used by itself";
    return sealed.refused(INVALID, { spec: "decrypting", comment });
  },

  "from-header": (kit) =>
    bound(kit, acme, true)
      .trustHeader({ tenant: "acme" })
      .opens({ spec: "decrypting", comment: "stored context used, one pair required" }),
  "from-header-all": (kit) =>
    bound(kit, acme, true)
      .trustHeader(acme)
      .opens({ spec: "decrypting", comment: "stored context used, every pair required" }),
  "from-header-require-nothing": (kit) =>
    bound(kit, acme, true)
      .trustHeader()
      .opens({ spec: "decrypting", comment: "stored context used, nothing required" }),
  "from-header-missing-pair": (kit) =>
    bound(kit, acme, true)
      .trustHeader({ region: "eu" })
      .refused(DECRYPT, { spec: "decrypting", comment: "a required pair is not stored" }),
  "from-header-different-pair": (kit) =>
    bound(kit, acme, true)
      .trustHeader({ tenant: "umbrella" })
      .refused(DECRYPT, { spec: "decrypting", comment: "a required pair has another value" }),
  "from-header-inherited-pair": (kit) =>
    bound(kit, acme, true)
      .trustHeader({ ["__proto__"]: "x" })
      .refused(DECRYPT, { spec: "decrypting", comment: "what a map inherits is not stored in it" }),
  "from-header-nothing-stored": (kit) =>
    bound(kit, {}, false).trustHeader().refused(INVALID, {
      spec: "decrypting",
      comment: "nothing is stored, not even the empty map",
    }),
  "from-header-invalid-require": (kit) =>
    bound(kit, acme, true)
      .trustHeader({ "env:format": "1" })
      .refused(INVALID, { spec: "decrypting", comment: "a required key is reserved" }),
  "from-header-forged": (kit) => {
    const sealed = bound(kit, acme, true);
    const forged = { purpose: "orders", tenant: "umbrella" };
    sealed.stored = bound(kit, forged, true).stored;
    sealed.trustHeader({ tenant: "umbrella" });
    const comment = "the stored context was replaced; the KMS refuses it";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },

  "stored-length-1": (kit) => stored(kit, Buffer.alloc(1), "stored context of one byte"),
  "stored-length-0": (kit) => stored(kit, Buffer.alloc(0), "stored context of length 0"),
  "stored-length-4097": (kit) =>
    storedPairs(kit, Object.entries(contextOf(4097)), "stored context of 4097 bytes"),
  "stored-unsorted": (kit) =>
    storedPairs(
      kit,
      [
        ["tenant", "acme"],
        ["purpose", "orders"],
      ],
      "pairs not sorted",
    ),
  "stored-sorted-by-utf16": (kit) =>
    storedPairs(
      kit,
      [
        ["\u{1f600}", ""],
        ["\uff5e", ""],
      ],
      "pairs sorted by UTF-16 code units",
    ),
  "stored-duplicate-key": (kit) =>
    storedPairs(
      kit,
      [
        ["tenant", "acme"],
        ["tenant", "acme"],
      ],
      "one key twice, with equal values",
    ),
  "stored-trailing-byte": (kit) =>
    stored(kit, cat(encodePairs([["tenant", "acme"]]), [0]), "a byte after the last pair"),
  "stored-count-too-large": (kit) =>
    stored(kit, cat(u16(2), encodePairs([["tenant", "acme"]]).subarray(2)), "count 2, one pair"),
  "stored-count-too-small": (kit) =>
    stored(kit, cat(u16(0), encodePairs([["tenant", "acme"]]).subarray(2)), "count 0, one pair"),
  "stored-value-beyond-end": (kit) => {
    const bytes = encodePairs([["tenant", "acme"]]);
    bytes.writeUInt16BE(5, bytes.length - 6);
    return stored(kit, bytes, "a value that ends beyond the stored context");
  },
  "stored-32-pairs": (kit) => {
    const pairs = Array.from(
      { length: 32 },
      (_, i) => [`key-${String(i).padStart(2, "0")}`, ""] as const,
    );
    return storedPairs(kit, pairs, "32 pairs");
  },
  "stored-empty-key": (kit) => storedPairs(kit, [["", "acme"]], "a key of length 0"),
  "stored-key-256": (kit) => storedPairs(kit, [["k".repeat(256), ""]], "a key of 256 bytes"),
  "stored-value-1025": (kit) =>
    storedPairs(kit, [["k", "v".repeat(1025)]], "a value of 1025 bytes"),
  // Requirements: E12
  "stored-reserved-env": (kit) =>
    storedPairs(kit, [["env:format", "1"]], "a key that starts with env:"),
  // Requirements: E12
  "stored-reserved-aws": (kit) =>
    storedPairs(kit, [["aws:s3:arn", "x"]], "a key that starts with aws:"),
  "stored-utf8-invalid": (kit) =>
    storedPairs(kit, [["k", Buffer.from([0xff])]], "a value that is not UTF-8"),
  // Requirements: E11
  "stored-utf8-surrogate": (kit) =>
    storedPairs(kit, [[Buffer.from([0xed, 0xa0, 0x80]), ""]], "a key that encodes a surrogate"),
  "stored-removed": (kit) => {
    const sealed = bound(kit, acme, true);
    sealed.stored = Buffer.alloc(0);
    sealed.preamble = kit.seal().preamble;
    const comment = "stored context taken out and its flag cleared: the preamble is bound";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },
  "stored-added": (kit) => {
    const sealed = bound(kit, acme, false);
    const other = bound(kit, acme, true);
    sealed.stored = other.stored;
    sealed.preamble = other.preamble;
    const comment = "the right context stored afterwards and its flag set: the preamble is bound";
    return sealed.refused(DECRYPT, { spec: "binding", calls: 1, comment });
  },

  "passed-reserved-env": (kit) => passed(kit, { "env:format": "1" }, "a key that starts with env:"),
  "passed-reserved-aws": (kit) => passed(kit, { "aws:x": "1" }, "a key that starts with aws:"),
  "passed-32-pairs": (kit) => passed(kit, numbered(32), "32 pairs"),
  "passed-4097-bytes": (kit) => passed(kit, contextOf(4097), "4097 bytes encoded"),
  "passed-lone-surrogate": (kit) =>
    passed(kit, { tenant: "\ud800" }, "a value that is not Unicode text"),
  "passed-number": (kit) => passed(kit, { tenant: 42 }, "a number as value: nothing is coerced"),
};
