/**
 * What the keys of one message are derived from, besides the data key.
 *
 * The derivation is HKDF-Expand with SHA-512, without Extract because the data key is already uniformly
 * random. The salt is fresh for every message, so one data key can protect many messages.
 *
 * Source: spec/envelope-v1.md#key-derivation
 *
 * @module
 */
import type { Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { concat, concatAll, utf8, type Bytes } from "./bytes.ts";
import { encodeAad, type Aad, type BoundContext } from "./context.ts";

const COBBLESTONE = utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
const MESSAGE = utf8("env/1/message\0");
const CONTEXT = utf8("env/1/context\0");
const AAD = utf8("env/1/aad\0");

/** What {@link cut} cuts from, beginning at its end, and how much of it is left. */
let slab: Bytes = new Uint8Array(0);
let free = 0;

/** The cached hash of an absent aad, which most messages use. */
let noAad: Awaitable<Bytes> | undefined;

/** Computes SHA-256 of a context's canonical bytes, with a label that separates it from other hashes. */
export function hashContext(context: BoundContext): Awaitable<Bytes> {
  return (context.hash ??= cryptoBackend().sha256(concat(CONTEXT, context.bytes)));
}

/** Computes SHA-256 of the aad, with its own label. Throws like {@link encodeAad}. */
export function hashAad(aad: Aad | undefined): Awaitable<Bytes> {
  if (aad === undefined) return (noAad ??= cryptoBackend().sha256(AAD));
  return cryptoBackend().sha256(concat(AAD, encodeAad(aad)));
}

/**
 * Returns the `info` of the derivation.
 *
 * @param context - Cobblestone's `context` in parts, which is what the payload is bound to.
 */
export function payloadInfo(salt: Uint8Array, ...context: readonly Uint8Array[]): Bytes {
  return concatAll([COBBLESTONE, salt, ...context], cut);
}

/** Cuts an array off a larger one, because allocating a buffer for each message takes longer than filling it. */
function cut(length: number): Bytes {
  free -= length;
  if (free < 0) {
    free = 16_384;
    slab = new Uint8Array(free + length);
  }
  return slab.subarray(free, free + length);
}

/** Returns the `info` for the payload of a message. */
export function messageInfo(
  salt: Uint8Array,
  preamble: Uint8Array,
  contextHash: Uint8Array,
  aadHash: Uint8Array,
): Bytes {
  return payloadInfo(salt, MESSAGE, preamble, contextHash, aadHash);
}
