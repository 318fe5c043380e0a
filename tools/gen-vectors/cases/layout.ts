/** Mistakes in the first eight bytes, and inputs that end too early to be a message at all. */

import { cat, encodePairs } from "../format.ts";
import { flip, type EnvelopeCases, type EnvelopeVector, type Kit } from "../testkit.ts";

/** A message whose preamble is bound unchanged, so that only a check of the field refuses it. */
function withPreamble(kit: Kit, hex: string, code: string, comment: string): EnvelopeVector {
  return kit.seal({ preamble: Buffer.from(hex, "hex") }).refused(code, { spec: "layout", comment });
}

/** The first bytes of a good message with a stored context. */
function cutAt(kit: Kit, length: number, comment: string): EnvelopeVector {
  const context = { tenant: "acme" };
  const sealed = kit.seal({ context, store: true, keys: [kit.local(context)] });
  const message = sealed.message.subarray(0, length);
  return sealed.refused(TRUNCATED, { spec: "layout", comment }, message);
}

/** A reader is handed something that is not an envelope message. */
function instead(kit: Kit, bytes: Buffer, comment: string): EnvelopeVector {
  return kit.seal().refused("ERR_ENVELOPE_FORMAT", { spec: "layout", comment }, bytes);
}

const FORMAT = "ERR_ENVELOPE_FORMAT";
const TRUNCATED = "ERR_ENVELOPE_TRUNCATED";
const UNSUPPORTED = "ERR_ENVELOPE_UNSUPPORTED";

export const layout: EnvelopeCases = {
  "magic-first-byte": (kit) => {
    const sealed = kit.seal();
    flip(sealed.preamble, 0, 7);
    return sealed.refused(FORMAT, { spec: "layout", comment: "magic is 0E 45 4E 56" });
  },
  "magic-last-byte": (kit) => {
    const sealed = kit.seal();
    flip(sealed.preamble, 3);
    return sealed.refused(FORMAT, { spec: "layout", comment: "magic is 8E 45 4E 57" });
  },
  // Requirements: E3
  "magic-before-version": (kit) =>
    withPreamble(kit, "8e454e5702010000", FORMAT, "wrong magic and unknown version: magic decides"),
  "magic-text-form": (kit) => {
    const text = Buffer.from(`env1.${kit.seal().message.toString("base64url")}`);
    return instead(kit, text, "the text form passed as bytes");
  },
  "magic-base64": (kit) => {
    const text = Buffer.from(kit.seal().message.toString("base64"));
    return instead(kit, text, "a base64 string passed as bytes");
  },
  "magic-aws-encryption-sdk-v1": (kit) =>
    instead(
      kit,
      cat([0x01, 0x80, 0x03, 0x78], kit.bytes("rest", 120)),
      "starts as an AWS Encryption SDK message of format version 1",
    ),
  "magic-aws-encryption-sdk-v2": (kit) =>
    instead(
      kit,
      cat([0x02, 0x05, 0x78], kit.bytes("rest", 120)),
      "starts as an AWS Encryption SDK message of format version 2",
    ),

  "version-0": (kit) => withPreamble(kit, "8e454e5600010000", UNSUPPORTED, "version 0"),
  "version-2": (kit) => withPreamble(kit, "8e454e5602010000", UNSUPPORTED, "version 2"),
  "version-255": (kit) => withPreamble(kit, "8e454e56ff010000", UNSUPPORTED, "version 255"),
  // Requirements: E3
  "version-2-then-anything": (kit) => {
    const message = cat([0x8e, 0x45, 0x4e, 0x56, 0x02], kit.bytes("unknown", 40));
    const comment = "nothing after an unknown version is interpreted";
    return kit.seal().refused(UNSUPPORTED, { spec: "layout", comment }, message);
  },
  "version-2-then-end": (kit) => {
    const message = Buffer.from("8e454e5602", "hex");
    const comment = "the version is known to be unknown before the preamble is complete";
    return kit.seal().refused(UNSUPPORTED, { spec: "decrypting", comment }, message);
  },
  "suite-0": (kit) => withPreamble(kit, "8e454e5601000000", UNSUPPORTED, "suite 0"),
  "suite-2": (kit) => withPreamble(kit, "8e454e5601020000", UNSUPPORTED, "suite 2"),
  "flags-bit-1": (kit) => withPreamble(kit, "8e454e5601010200", UNSUPPORTED, "flag bit 1 set"),
  "flags-bit-7": (kit) => withPreamble(kit, "8e454e5601018000", UNSUPPORTED, "flag bit 7 set"),
  // Requirements: E3
  "flags-before-reserved": (kit) =>
    withPreamble(
      kit,
      "8e454e5601010201",
      UNSUPPORTED,
      "unknown flag and reserved byte: flag decides",
    ),
  "reserved-1": (kit) => withPreamble(kit, "8e454e5601010001", FORMAT, "reserved byte is 01"),
  "reserved-255": (kit) => withPreamble(kit, "8e454e56010100ff", FORMAT, "reserved byte is FF"),

  "cut-empty-input": (kit) => cutAt(kit, 0, "no bytes at all"),
  "cut-in-magic": (kit) => cutAt(kit, 3, "ends inside the magic"),
  "cut-after-magic": (kit) => cutAt(kit, 4, "ends after the magic"),
  "cut-in-preamble": (kit) => cutAt(kit, 7, "ends before the reserved byte"),
  "cut-after-preamble": (kit) => cutAt(kit, 8, "ends before the stored context's length"),
  "cut-in-stored-context-length": (kit) => cutAt(kit, 9, "ends inside the stored context's length"),
  "cut-in-stored-context": (kit) => cutAt(kit, 20, "ends inside the stored context"),
  "cut-after-stored-context": (kit) => cutAt(kit, 26, "ends before the key block's length"),
  "cut-in-key-block-length": (kit) => cutAt(kit, 27, "ends inside the key block's length"),
  // Requirements: E5
  "cut-in-key-block": (kit) => cutAt(kit, 60, "ends inside the key block"),
  // Requirements: E5
  "cut-after-malformed-context": (kit) => {
    const unsorted = encodePairs([
      ["tenant", "acme"],
      ["purpose", "orders"],
    ]);
    const sealed = kit.seal({ storedBytes: unsorted, keys: [kit.table()] }).trustHeader();
    const comment =
      "an unsorted stored context, and a header that lacks its last byte: cut decides";
    const message = sealed.header.subarray(0, -1);
    return sealed.refused(TRUNCATED, { spec: "layout", comment }, message);
  },
  // Requirements: E1
  "stored-context-length-beyond-input": (kit) => {
    const sealed = kit.seal({ store: true });
    sealed.stored.writeUInt16BE(4096);
    const comment = "stored context claims 4096 bytes, the input holds fewer";
    return sealed.refused(TRUNCATED, { spec: "layout", comment });
  },
  // Requirements: E1
  "key-block-length-beyond-input": (kit) => {
    const sealed = kit.seal();
    sealed.keyBlock.writeUInt16BE(16384);
    const comment = "key block claims 16384 bytes, the input holds fewer";
    return sealed.refused(TRUNCATED, { spec: "layout", comment });
  },
};
