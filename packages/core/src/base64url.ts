/**
 * Strict base64url without padding: a decoder for short texts, and a check of what a lenient decoder read.
 *
 * Source: RFC 4648 section 5
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** What a runtime may do faster than the table here. */
export interface Base64Url {
  encode(bytes: Uint8Array): string;
  /**
   * Returns `undefined` for text that {@link encode} would not produce.
   *
   * @param pooled - Allows a result in a pool of the runtime, next to unrelated bytes, which is faster.
   */
  decode(text: string, pooled: boolean): Bytes | undefined;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID = 0xff;
/** The value of each character, indexed by its code. */
const VALUES: Uint8Array = /* @__PURE__ */ Array.from(ALPHABET).reduce(
  (values, character, value) =>
    values.fill(value, character.charCodeAt(0), character.charCodeAt(0) + 1),
  new Uint8Array(128).fill(INVALID),
);

/** Returns `undefined` for text that no bytes encode to. */
export function decodeByTable(text: string): Bytes | undefined {
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [at, bits, held] = [0, 0, 0];
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? INVALID;
    if (value === INVALID) return undefined;
    held = ((held & 0xff) << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = held >> bits;
  }
  // Fewer than six bits may follow the last byte, and all must be zero; otherwise two texts would
  // decode to one message.
  return bits < 6 && (held & ((1 << bits) - 1)) === 0 ? out : undefined;
}

/**
 * Whether a lenient decoder that read `decoded` from `text` skipped nothing: each skipped character costs
 * bytes, so the length tells. The last group is read again, since its unused bits must be zero.
 */
export function isExact(text: string, decoded: Uint8Array): boolean {
  return (
    decoded.length === Math.floor((text.length * 3) / 4) &&
    decodeByTable(text.slice(text.length - (text.length % 4))) !== undefined
  );
}
