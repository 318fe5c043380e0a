/**
 * The one construction that encrypts here: a fresh AES-256-GCM key per sealing.
 *
 *     wk = HKDF-Expand-SHA-512(key, label || header, 32);  AES-256-GCM(wk, nonce 0^12, aad)
 *
 * The header ends in 24 fresh random bytes, so no two sealings share a key and the nonce may be
 * constant: 2^80 sealings per key before a 2^-32 chance of a collision, where GCM with random nonces
 * allows 2^32. Expand without extract: every key here is uniform.
 *
 * Source: spec/envelope-v1.md#local-wrap, spec/kms-store-v1.md#sealing
 *
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  randomFillSync,
  type KeyObject,
} from "node:crypto";
import type { Bytes } from "@env/core";
import { cryptoBackend } from "@env/core/crypto";

export const KEY_BYTES = 32;
export const SALT_BYTES = 24;
export const TAG_BYTES = 16;

const VERSION = 1;
const HEADER_BYTES = 1 + SALT_BYTES;
/** How much longer {@link sealRow} makes a plaintext. */
export const OVERHEAD_BYTES: number = HEADER_BYTES + TAG_BYTES;

const NONCE = new Uint8Array(12);
/** The block counter of HKDF-Expand's first and only block. */
const BLOCK_1 = Uint8Array.of(1);

/** What a sealing is bound to. `header` is stored with the ciphertext and ends in a fresh salt. */
export interface Binding {
  readonly label: Uint8Array;
  readonly header: Uint8Array;
  readonly aad: Uint8Array;
}

/** A label of the key derivation: ASCII with a trailing NUL. */
export function label(text: string): Bytes {
  return new TextEncoder().encode(`${text}\0`);
}

/** The ciphertext, followed by its tag. Wiping `plaintext` is up to the caller. */
export function seal(key: KeyObject, binding: Binding, plaintext: Uint8Array): Bytes {
  const out = new Uint8Array(plaintext.length + TAG_BYTES);
  sealInto(out, key, binding, plaintext);
  return out;
}

/** The plaintext, which the caller wipes; `undefined` if the tag does not verify. */
export function open(key: KeyObject, binding: Binding, sealed: Uint8Array): Bytes | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", deriveKey(key, binding), NONCE, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(binding.aad);
  decipher.setAuthTag(sealed.subarray(end));
  const unverified = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
    return new Uint8Array(unverified.buffer, unverified.byteOffset, unverified.length);
  } catch {
    unverified.fill(0);
    return undefined;
  }
}

/**
 * Seals for the file: version, salt, ciphertext, tag. Like {@link seal}, with the header in front.
 *
 * @param name - The label.
 */
export function sealRow(
  key: KeyObject,
  name: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Bytes {
  const out = new Uint8Array(OVERHEAD_BYTES + plaintext.length);
  const header = out.subarray(0, HEADER_BYTES);
  header[0] = VERSION;
  header.set(cryptoBackend().randomPublic(SALT_BYTES), 1);
  sealInto(out.subarray(HEADER_BYTES), key, { label: name, header, aad }, plaintext);
  return out;
}

/** The plaintext of what {@link sealRow} returned, which the caller wipes; `undefined` for anything else. */
export function openRow(
  key: KeyObject,
  name: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Bytes | undefined {
  if (sealed[0] !== VERSION) return undefined;
  const header = sealed.subarray(0, HEADER_BYTES);
  return open(key, { label: name, header, aad }, sealed.subarray(HEADER_BYTES));
}

/** Fresh random bytes over a buffer of their own: wiping it wipes them. */
export function random(length: number): Bytes {
  return randomFillSync(new Uint8Array(new ArrayBuffer(length)));
}

/** Moves `raw`, 32 bytes, out of the JavaScript heap: it is wiped. */
export function secretKey(raw: Uint8Array): KeyObject {
  try {
    return createSecretKey(raw);
  } finally {
    raw.fill(0);
  }
}

/** @param out - As long as the plaintext and its tag. */
function sealInto(out: Uint8Array, key: KeyObject, binding: Binding, plaintext: Uint8Array): void {
  const cipher = createCipheriv("aes-256-gcm", deriveKey(key, binding), NONCE);
  cipher.setAAD(binding.aad);
  out.set(cipher.update(plaintext));
  cipher.final(); // GCM has no bytes left at this point.
  out.set(cipher.getAuthTag(), plaintext.length);
}

/** The key as a KeyObject, since node:crypto takes much longer to make a cipher from a key in bytes. */
function deriveKey(key: KeyObject, { label: name, header }: Binding): KeyObject {
  const block = createHmac("sha512", key).update(name).update(header).update(BLOCK_1).digest();
  try {
    return createSecretKey(block.subarray(0, KEY_BYTES));
  } finally {
    block.fill(0);
  }
}
