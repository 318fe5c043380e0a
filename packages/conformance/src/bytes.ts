/**
 * Conversions of bytes, for comparing and printing them in the cases. For tests only: nothing here is
 * constant time.
 *
 * @module
 */
import type { Bytes } from "@env/core";

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Decodes hex in lower or upper case, which the caller has checked. */
export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function base64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}

/** Decodes bytes to one UTF-16 unit each. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Returns fresh random bytes, at most 65536. */
export function random(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

/** Returns a copy; `slice` of a Node Buffer would return a view. */
export function copyOf(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** Returns a copy in which the bits of `mask` are flipped in one byte. */
export function flipped(bytes: Uint8Array, at: number, mask: number): Bytes {
  const copy = copyOf(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}
