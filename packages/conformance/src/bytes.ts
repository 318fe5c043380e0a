/**
 * Bytes as the cases compare and show them. Test material only: nothing here is constant time.
 *
 * @module
 */
import type { Bytes } from "@env/core";

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of lower or upper case hex, which the caller has checked. */
export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function base64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}

/** One UTF-16 unit per byte. */
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

/** Fresh random bytes, at most 65536. */
export function random(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

/** A copy, which `slice` of a Node Buffer is not. */
export function copyOf(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** A copy of the same length with the bits of `mask` flipped in one byte. */
export function flipped(bytes: Uint8Array, at: number, mask: number): Bytes {
  const copy = copyOf(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}
