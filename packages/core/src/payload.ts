/**
 * The payload: Cobblestone-256 of the C2SP chunked-encryption specification, unchanged.
 *
 * Plaintext is split into chunks of 16384 bytes, each sealed with its own tag. The final chunk is
 * always shorter and always present, so every length has exactly one chunking, truncation is detected,
 * and sizes and offsets can be computed. Chunk k is at payload offset 56 + k * 16400 and can be read
 * independently. The length is authentic only once the final chunk has verified.
 *
 * Source: spec/envelope-v1.md#payload; c2sp.org/chunked-encryption
 *
 * @module
 */
import { backend } from "#crypto";
import type { Bytes } from "./bytes.ts";
import { andThen, type Awaitable } from "./crypto.ts";
import { EnvelopeError } from "./error.ts";
import { COMMITMENT_BYTES, SALT_BYTES, type MessageKeys } from "./kdf.ts";

/** The keys that seal the chunks of one message: an AES-256-GCM key and the 12-byte base nonce. */
export type ChunkKeys = Pick<MessageKeys, "key" | "baseNonce">;

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

/**
 * Seals and opens the chunks of one message. A writer must seal each index only once: sealing two
 * plaintexts at one index would break GCM.
 */
export class PayloadCodec {
  readonly #keys: ChunkKeys;
  /** Reused if the backend is synchronous and so is done with it when a call returns. */
  readonly #nonce: Bytes | undefined;

  constructor({ key, baseNonce }: ChunkKeys) {
    this.#keys = { key, baseNonce };
    this.#nonce = backend.synchronous ? new Uint8Array(baseNonce) : undefined;
  }

  /**
   * The keys, for code that processes chunks elsewhere, such as in another thread. As secret as the
   * plaintext.
   */
  get keys(): ChunkKeys {
    return this.#keys;
  }

  /**
   * Seals one chunk into `out`.
   *
   * @param plaintext - 16384 bytes, or 0 to 16383 for the final chunk. Borrowed for the call.
   * @param out - 16 bytes longer than `plaintext`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` past 2^38 chunks.
   */
  sealChunk(index: number, plaintext: Uint8Array, out: Bytes): Awaitable<void> {
    if (index >= MAX_CHUNKS) throw tooLong();
    return backend.seal(this.#keys.key, this.#nonceOf(index), plaintext, out);
  }

  /**
   * Opens one chunk into `out`, which does not change if the chunk does not verify.
   *
   * @param sealed - 16400 bytes, or 16 to 16399 for the final chunk. Borrowed for the call.
   * @param out - 16 bytes shorter than `sealed`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` (a rejection if the backend is asynchronous).
   */
  openChunk(index: number, sealed: Uint8Array, out: Bytes): Awaitable<void> {
    if (index >= MAX_CHUNKS) {
      throw tooManyChunks();
    }
    return andThen(backend.open(this.#keys.key, this.#nonceOf(index), sealed, out), (verified) => {
      if (!verified) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_DECRYPT",
          `chunk ${index} is corrupted, out of order, or from another message`,
        );
      }
    });
  }

  /**
   * Seals consecutive chunks, starting with number `index`.
   *
   * @param last - Whether the plaintext ends here. If so, the final chunk is written, which may be
   * empty. If not, the plaintext must be a multiple of 16384 bytes.
   * @param out - {@link sealedLength} bytes. Default: a new array.
   * @returns `out`.
   */
  sealChunks(
    index: number,
    plaintext: Uint8Array,
    last: boolean,
    out: Bytes = new Uint8Array(sealedLength(plaintext.length, last)),
  ): Awaitable<Bytes> {
    const count = Math.floor(plaintext.length / CHUNK_BYTES) + (last ? 1 : 0);
    return settle(out, count, (i) => {
      const chunk = plaintext.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
      const at = i * SEALED_CHUNK_BYTES;
      return this.sealChunk(index + i, chunk, out.subarray(at, at + chunk.length + TAG_BYTES));
    });
  }

  /**
   * Opens consecutive chunks, starting with number `index`; the last may be short.
   *
   * @param out - {@link openedLength} bytes. Default: a new array. If this throws, it may hold some
   * chunks, all of which have verified.
   * @returns `out`.
   */
  openChunks(
    index: number,
    sealed: Uint8Array,
    out: Bytes = new Uint8Array(openedLength(sealed.length)),
  ): Awaitable<Bytes> {
    return settle(out, Math.ceil(sealed.length / SEALED_CHUNK_BYTES), (i) => {
      const chunk = sealed.subarray(i * SEALED_CHUNK_BYTES, (i + 1) * SEALED_CHUNK_BYTES);
      const at = i * CHUNK_BYTES;
      return this.openChunk(index + i, chunk, out.subarray(at, at + chunk.length - TAG_BYTES));
    });
  }

  /** Returns base nonce XOR index, both as 12-byte big-endian numbers. The index may exceed 32 bits. */
  #nonceOf(index: number): Bytes {
    const base = this.#keys.baseNonce;
    const nonce = this.#nonce ?? new Uint8Array(base);
    const high = Math.floor(index / 2 ** 32);
    for (let i = 0; i < 4; i++) {
      nonce[11 - i] = (base[11 - i] ?? 0) ^ (index >>> (8 * i));
      nonce[7 - i] = (base[7 - i] ?? 0) ^ (high >>> (8 * i));
    }
    return nonce;
  }
}

/** Returns the length in bytes of the chunks for `plaintextBytes`, including the final chunk if `last`. */
export function sealedLength(plaintextBytes: number, last: boolean): number {
  return plaintextBytes + (Math.floor(plaintextBytes / CHUNK_BYTES) + (last ? 1 : 0)) * TAG_BYTES;
}

/** Returns the plaintext length in bytes of `sealedBytes` of consecutive chunks. */
export function openedLength(sealedBytes: number): number {
  return sealedBytes - Math.ceil(sealedBytes / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

/**
 * Runs `chunk` for 0 to count - 1: synchronously if the backend is synchronous, otherwise all
 * concurrently.
 */
function settle(
  out: Bytes,
  count: number,
  chunk: (i: number) => Awaitable<void>,
): Awaitable<Bytes> {
  const pending: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const done = chunk(i);
    if (done instanceof Promise) pending.push(done);
  }
  return pending.length === 0 ? out : Promise.all(pending).then(() => out);
}

/** Creates the error for a payload that is shorter than salt and commitment. */
export function endsBeforeChunks(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends before its first chunk");
}

/** Creates the error for a payload that ends where a chunk would have to begin or go on. */
export function endsBeforeFinalChunk(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends without its final chunk");
}

function tooLong(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_LIMIT",
    "a message has at most 2^38 chunks (4 PiB); split the data",
  );
}

function tooManyChunks(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", "the payload has over 2^38 chunks");
}
