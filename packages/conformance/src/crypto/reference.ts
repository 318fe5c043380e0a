/**
 * What the specification prescribes, on WebCrypto and one chunk at a time: slow, and independent of the
 * backends under test.
 *
 * Source: spec/envelope-v1.md#payload, #key-derivation
 *
 * @module
 */
import type { Bytes } from "@env/core";
import { concat } from "../bytes.ts";

export const CHUNK_BYTES = 16_384;
export const TAG_BYTES = 16;
export const COMMITMENT_BYTES = 32;

const HMAC = { name: "HMAC", hash: "SHA-512" } as const;

export function sealedLength(plaintextBytes: number, last: boolean): number {
  return plaintextBytes + (Math.floor(plaintextBytes / CHUNK_BYTES) + (last ? 1 : 0)) * TAG_BYTES;
}

export async function hmacSha512(raw: Bytes, data: Bytes): Promise<Bytes> {
  const key = await globalThis.crypto.subtle.importKey("raw", raw, HMAC, false, ["sign"]);
  return new Uint8Array(await globalThis.crypto.subtle.sign("HMAC", key, data));
}

/** Returns 76 bytes: AES key, base nonce, commitment. */
export async function derive(raw: Bytes, info: Bytes): Promise<Bytes> {
  const first = await hmacSha512(raw, concat(info, Uint8Array.of(1)));
  const second = await hmacSha512(raw, concat(first, info, Uint8Array.of(2)));
  return concat(first, second.subarray(0, 12));
}

/** Seals a run as a message of `raw` and `info` has it. */
export async function sealRun(
  raw: Bytes,
  info: Bytes,
  index: number,
  plaintext: Bytes,
  last: boolean,
): Promise<Bytes> {
  const derived = await derive(raw, info);
  const key = await globalThis.crypto.subtle.importKey(
    "raw",
    derived.slice(0, 32),
    "AES-GCM",
    false,
    ["encrypt"],
  );
  const count = Math.floor(plaintext.length / CHUNK_BYTES) + (last ? 1 : 0);
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const iv = derived.slice(32, 44);
    let number = BigInt(index + i);
    for (let at = 11; at >= 0; at--) {
      iv[at] = (iv[at] ?? 0) ^ Number(number & 0xffn);
      number >>= 8n;
    }
    const chunk = plaintext.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    const sealed = await globalThis.crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, chunk);
    chunks.push(new Uint8Array(sealed));
  }
  return concat(...chunks);
}

/** Seals a payload, without its salt. */
export async function sealPayload(raw: Bytes, info: Bytes, plaintext: Bytes): Promise<Bytes> {
  const derived = await derive(raw, info);
  return concat(derived.subarray(44), await sealRun(raw, info, 0, plaintext, true));
}
