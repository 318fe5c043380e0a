/**
 * The lengths and offsets of a payload's parts.
 *
 * Source: spec/envelope-v1.md#payload; c2sp.org/chunked-encryption
 *
 * @module
 */
import { EnvelopeError } from "./error.ts";

/** The length in bytes of the salt that starts a payload. */
export const SALT_BYTES = 24;
/** The length in bytes of the key commitment that follows it. */
export const COMMITMENT_BYTES = 32;
/** The plaintext length in bytes of every chunk except the final one. */
export const CHUNK_BYTES = 16_384;
/** The length in bytes of the GCM tag that ends every chunk. */
export const TAG_BYTES = 16;
/** The sealed length in bytes of every chunk except the final one. */
export const SEALED_CHUNK_BYTES: number = CHUNK_BYTES + TAG_BYTES;
/** The length in bytes of the salt and commitment that precede the chunks. */
export const PREFIX_BYTES: number = SALT_BYTES + COMMITMENT_BYTES;
/** The maximum number of chunks in a message (4 PiB of plaintext). */
export const MAX_CHUNKS: number = 2 ** 38;

/**
 * Returns the length in bytes of the payload for `plaintextBytes` of plaintext.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` past 2^38 chunks.
 */
export function payloadLength(plaintextBytes: number): number {
  const full = Math.floor(plaintextBytes / CHUNK_BYTES);
  if (full >= MAX_CHUNKS) throw tooLong();
  return PREFIX_BYTES + plaintextBytes + (full + 1) * TAG_BYTES;
}

/**
 * Computes the plaintext length in bytes of a payload. Not authentic until the final chunk has
 * verified.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for an impossible payload length,
 * `ERR_ENVELOPE_FORMAT` past 2^38 chunks.
 */
export function plaintextLength(payloadBytes: number): number {
  const chunkBytes = payloadBytes - PREFIX_BYTES;
  const final = chunkBytes % SEALED_CHUNK_BYTES;
  if (chunkBytes < TAG_BYTES || final < TAG_BYTES) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_TRUNCATED",
      `${payloadBytes} bytes is not a valid payload length: the message was truncated or has trailing data`,
    );
  }
  const full = Math.floor(chunkBytes / SEALED_CHUNK_BYTES);
  if (full >= MAX_CHUNKS) throw tooManyChunks();
  return full * CHUNK_BYTES + final - TAG_BYTES;
}

/** Returns the offset of chunk `index` in the payload, in bytes. */
export function chunkOffset(index: number): number {
  return PREFIX_BYTES + index * SEALED_CHUNK_BYTES;
}

/** Returns the length in bytes of the chunks for `plaintextBytes`, including the final chunk if `last`. */
export function sealedLength(plaintextBytes: number, last: boolean): number {
  return plaintextBytes + (Math.floor(plaintextBytes / CHUNK_BYTES) + (last ? 1 : 0)) * TAG_BYTES;
}

/** Returns the plaintext length in bytes of `sealedBytes` of consecutive chunks. */
export function openedLength(sealedBytes: number): number {
  return sealedBytes - Math.ceil(sealedBytes / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

export function tooLong(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_LIMIT",
    "a message has at most 2^38 chunks (4 PiB); split the data",
  );
}

export function tooManyChunks(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", "the payload has over 2^38 chunks");
}
