/**
 * base64url without padding, with lookup tables, for runtimes that have nothing faster.
 *
 * Source: RFC 4648 section 5
 *
 * @module
 */
import { decodeUtf8, type Bytes } from "./bytes.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID = 0xff;
const CODES: Uint8Array = /* @__PURE__ */ Uint8Array.from(ALPHABET, (character) =>
  character.charCodeAt(0),
);
/** The value of each character, indexed by its code. */
const VALUES: Uint8Array = /* @__PURE__ */ CODES.reduce(
  (values, code, value) => values.fill(value, code, code + 1),
  new Uint8Array(128).fill(INVALID),
);

export function encodeByTable(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    // A typed array ignores writes past its end.
    for (let shift = 18; shift >= 0; shift -= 6) out[at++] = CODES[(group >> shift) & 63] ?? 0;
  }
  return decodeUtf8(out) ?? "";
}

/** `undefined` for text that {@link encodeByTable} would not write. */
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
