/** The key block: entries, labels, padding, and every length in it from both sides. */

import { cat, entry, keyBlockBody, prefixed } from "../format.ts";
import { flip, type EnvelopeCases, type EnvelopeVector, type Kit } from "../testkit.ts";

const FORMAT = "ERR_ENVELOPE_FORMAT";

/** A key block that a reader without the check would read on from, and then open. */
function body(kit: Kit, bytes: Buffer, comment: string): EnvelopeVector {
  return kit
    .seal({ keys: [kit.table()], body: bytes })
    .refused(FORMAT, { spec: "key-block", comment });
}

/** A good entry beside one with this provider. */
function provider(kit: Kit, name: string | Buffer, comment: string): EnvelopeVector {
  const bad = entry(name, "other", kit.bytes("other", 24));
  return body(kit, keyBlockBody([kit.table().entry, bad]), comment);
}

/** A good entry beside one with this key id. */
function keyId(kit: Kit, id: string | Buffer, comment: string): EnvelopeVector {
  const bad = entry("x.test", id, kit.bytes("other", 24));
  return body(kit, keyBlockBody([kit.table().entry, bad]), comment);
}

function labelled(kit: Kit, id: string, comment: string, name?: string): EnvelopeVector {
  const key = kit.table(id, kit.dataKey, name);
  return kit.seal({ keys: [key] }).opens({ spec: "key-block", comment });
}

/** A CMK table whose wrapped key has the given length. */
function wrappedOf(kit: Kit, length: number): { bytes: Buffer; key: ReturnType<Kit["table"]> } {
  const bytes = kit.bytes("wrapped", length);
  const unwraps = [{ wrapped: bytes.toString("hex"), dataKey: kit.dataKey.toString("hex") }];
  const cmk = { provider: "x.test", keyId: "k", unwraps };
  return { bytes, key: { cmk, entry: entry("x.test", "k", bytes) } };
}

function many(kit: Kit, count: number): ReturnType<Kit["table"]>[] {
  return Array.from({ length: count }, (_, i) => kit.table(`k${i}`));
}

export const keyBlock: EnvelopeCases = {
  "entries-0": (kit) => body(kit, cat([0]), "count 0"),
  "entries-0-with-padding": (kit) => body(kit, Buffer.alloc(64), "count 0, the rest is padding"),
  "entries-2": (kit) => {
    const keys = [kit.local({}, "first"), kit.local({}, "second")];
    const sealed = kit.seal({ keys });
    sealed.cmks = sealed.cmks.slice(1);
    return sealed.opens({ spec: "key-block", comment: "two entries, the reader holds the second" });
  },
  "entries-16": (kit) => {
    const sealed = kit.seal({ keys: many(kit, 16) });
    sealed.cmks = sealed.cmks.slice(15);
    return sealed.opens({ spec: "limits", comment: "16 entries, the reader holds the last" });
  },
  "entries-17": (kit) => {
    const keys = many(kit, 17);
    const bytes = keyBlockBody(keys.map((key) => key.entry));
    const sealed = kit.seal({ keys: keys.slice(0, 1), body: bytes });
    return sealed.refused(FORMAT, { spec: "limits", comment: "17 entries" });
  },
  "entries-fewer-than-count": (kit) =>
    body(kit, cat([2], kit.table().entry), "count says 2, the bytes hold 1"),
  "entries-fewer-than-count-then-padding": (kit) => {
    const bytes = cat([2], kit.table().entry, Buffer.alloc(32));
    return body(kit, bytes, "count says 2, the second is padding: its provider has length 0");
  },
  "entries-more-than-count": (kit) => {
    const bytes = keyBlockBody(many(kit, 2).map((key) => key.entry));
    bytes.writeUInt8(1);
    const sealed = kit.seal({ keys: many(kit, 1), body: bytes });
    const comment = "count says 1, a second entry is where padding belongs";
    return sealed.refused(FORMAT, { spec: "key-block", comment });
  },
  "entry-duplicate": (kit) => {
    const good = kit.table().entry;
    const again = entry("x.test", "k", kit.bytes("other", 24));
    return body(kit, keyBlockBody([good, again]), "two entries with one provider and key id");
  },
  "entry-same-key-id-other-provider": (kit) => {
    const keys = [kit.table("k"), kit.table("k", kit.dataKey, "y.test")];
    const sealed = kit.seal({ keys });
    sealed.cmks = sealed.cmks.slice(1);
    return sealed.opens({ spec: "key-block", comment: "one key id under two providers: distinct" });
  },
  "entry-cut-in-key-id": (kit) => {
    const bytes = keyBlockBody([kit.table().entry]);
    return body(kit, bytes.subarray(0, 9), "the block ends inside the key id's length");
  },
  // Requirements: E1
  "entry-wrapped-beyond-block": (kit) => {
    const bytes = keyBlockBody([kit.table().entry]);
    bytes.writeUInt16BE(25, bytes.length - 26);
    return body(kit, bytes, "the wrapped key claims one byte of the salt");
  },

  "padding-none": (kit) =>
    kit.seal().opens({ spec: "key-block", comment: "no padding, one entry of the local KMS" }),
  "padding-1": (kit) => {
    const key = kit.local();
    const sealed = kit.seal({ keys: [key], body: keyBlockBody([key.entry], 1) });
    return sealed.opens({ spec: "key-block", comment: "one byte of padding" });
  },
  "padding-header-4096": (kit) => {
    const key = kit.local();
    const length = 4096 - 8 - 2 - 1 - key.entry.length;
    const sealed = kit.seal({ keys: [key], body: keyBlockBody([key.entry], length) });
    return sealed.opens({ spec: "key-block", comment: "padding that makes the header 4096 bytes" });
  },
  // Requirements: E9
  "padding-nonzero-first": (kit) => {
    const bytes = keyBlockBody([kit.table().entry], 32);
    flip(bytes, -32);
    return body(kit, bytes, "the first byte of padding is 01");
  },
  // Requirements: E9
  "padding-nonzero-last": (kit) => {
    const bytes = keyBlockBody([kit.table().entry], 32);
    flip(bytes, -1, 7);
    return body(kit, bytes, "the last byte of padding is 80");
  },
  "key-block-16384": (kit) => {
    const key = kit.local();
    const bytes = keyBlockBody([key.entry], 16384 - 1 - key.entry.length);
    const sealed = kit.seal({ keys: [key], body: bytes });
    return sealed.opens({ spec: "limits", comment: "a key block of 16384 bytes" });
  },
  // Requirements: E1
  "key-block-16385": (kit) => {
    const key = kit.local();
    const bytes = keyBlockBody([key.entry], 16385 - 1 - key.entry.length);
    const sealed = kit.seal({ keys: [key], body: bytes });
    return sealed.refused(FORMAT, { spec: "limits", comment: "a key block of 16385 bytes" });
  },

  "provider-1": (kit) => labelled(kit, "k", "a provider of one character", "x"),
  "provider-32": (kit) => labelled(kit, "k", "a provider of 32 characters", `0${"a".repeat(29)}-.`),
  "provider-empty": (kit) => provider(kit, "", "provider of length 0"),
  "provider-33": (kit) => provider(kit, "p".repeat(33), "provider of length 33"),
  "provider-upper-case": (kit) => provider(kit, "X.test", "provider with an upper-case letter"),
  "provider-underscore": (kit) => provider(kit, "x_test", "provider with an underscore"),
  "provider-leading-hyphen": (kit) => provider(kit, "-test", "provider that starts with a hyphen"),
  "provider-leading-dot": (kit) => provider(kit, ".test", "provider that starts with a dot"),
  "provider-newline": (kit) =>
    provider(kit, "x.test\n", "provider that ends in a newline: an anchored $ may let it pass"),
  "provider-not-ascii": (kit) => provider(kit, "x.t\u00e9st", "provider beyond ASCII"),

  "key-id-512": (kit) =>
    labelled(kit, "\u00e9".repeat(256), "a key id of 512 bytes, not characters"),
  "key-id-empty": (kit) => keyId(kit, "", "key id of length 0"),
  "key-id-513": (kit) => keyId(kit, "k".repeat(513), "key id of length 513"),
  "key-id-nul": (kit) => keyId(kit, "a\0b", "key id with NUL"),
  "key-id-newline": (kit) => keyId(kit, "a\nb", "key id with a newline"),
  "key-id-us": (kit) => keyId(kit, "a\u001fb", "key id with U+001F, the last C0 control"),
  "key-id-delete": (kit) => keyId(kit, "a\u007fb", "key id with DEL"),
  "key-id-c1": (kit) => labelled(kit, " a\u0085b", "key id with a blank and a C1 control: legal"),
  "key-id-utf8-cut": (kit) =>
    keyId(kit, Buffer.from([0x61, 0xe2, 0x82]), "key id ends inside a UTF-8 sequence"),
  "key-id-utf8-surrogate": (kit) =>
    keyId(kit, Buffer.from([0x61, 0xed, 0xa0, 0x80]), "key id with an encoded surrogate"),
  "key-id-utf8-overlong": (kit) =>
    keyId(kit, Buffer.from([0x61, 0xc1, 0xa1]), "key id with an overlong sequence"),
  "key-id-bom-distinct": (kit) => {
    const sealed = kit.seal({
      keys: [kit.failing("\ufeffk", "ERR_ENVELOPE_KMS_ERROR"), kit.table("k")],
    });
    sealed.cmks = sealed.cmks.slice(1);
    const comment = "k and U+FEFF k are two labels; a decoder that strips a BOM sees a duplicate";
    return sealed.opens({ spec: "key-block", comment });
  },
  "key-id-bom-no-match": (kit) => {
    const sealed = kit.seal({ keys: [kit.table("\ufeffk")] });
    sealed.cmks = [{ ...kit.table("k").cmk, keyId: "k" }];
    const comment = "the reader's CMK is k, the entry names U+FEFF k";
    return sealed.refused("ERR_ENVELOPE_NO_KEY", { spec: "key-block", comment });
  },
  "key-id-not-normalized": (kit) => {
    const sealed = kit.seal({ keys: [kit.table("e\u0301")] });
    sealed.cmks = [kit.table("\u00e9").cmk];
    const comment = "labels are compared as bytes: composed and decomposed differ";
    return sealed.refused("ERR_ENVELOPE_NO_KEY", { spec: "key-block", comment });
  },
  "key-id-uuid-upper-case": (kit) => {
    const key = kit.local();
    const upper = key.entry.toString("latin1").replace(key.cmk.keyId, (id) => id.toUpperCase());
    const sealed = kit.seal({ keys: [{ cmk: key.cmk, entry: Buffer.from(upper, "latin1") }] });
    const comment = "labels of local-file are lower-case; an upper-case one is another label";
    return sealed.refused("ERR_ENVELOPE_NO_KEY", { spec: "local-wrap", comment });
  },

  "wrapped-1": (kit) =>
    kit
      .seal({ keys: [wrappedOf(kit, 1).key] })
      .opens({ spec: "limits", comment: "a wrapped key of one byte" }),
  "wrapped-4096": (kit) =>
    kit
      .seal({ keys: [wrappedOf(kit, 4096).key] })
      .opens({ spec: "limits", comment: "a wrapped key of 4096 bytes" }),
  "wrapped-empty": (kit) =>
    kit
      .seal({ keys: [wrappedOf(kit, 0).key] })
      .refused(FORMAT, { spec: "limits", comment: "a wrapped key of length 0" }),
  // Requirements: E1
  "wrapped-4097": (kit) =>
    kit
      .seal({ keys: [wrappedOf(kit, 4097).key] })
      .refused(FORMAT, { spec: "limits", comment: "a wrapped key of 4097 bytes" }),
  "wrapped-little-endian": (kit) => {
    const { bytes } = wrappedOf(kit, 24);
    const swapped = cat(
      [1],
      [6],
      Buffer.from("x.test"),
      prefixed(Buffer.from("k")),
      [24, 0],
      bytes,
    );
    const padded = cat(swapped, Buffer.alloc(4096));
    const comment = "the wrapped key's length in little-endian order is 6144";
    return body(kit, padded, comment);
  },
  "key-block-length-little-endian": (kit) => {
    const key = kit.table();
    const sealed = kit.seal({ keys: [key] });
    const length = sealed.keyBlock.length - 2;
    sealed.keyBlock = cat([length & 0xff, length >> 8], sealed.keyBlock.subarray(2));
    const comment = "the key block's length in little-endian order: more than is there";
    return sealed.refused("ERR_ENVELOPE_TRUNCATED", { spec: "key-block", comment });
  },
  "key-block-without-count": (kit) =>
    body(kit, kit.table().entry, "no count: the provider's length 6 is read as one"),
};
