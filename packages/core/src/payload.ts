/**
 * The payload: Cobblestone-256 of the C2SP chunked-encryption specification, unchanged.
 *
 * Plaintext is cut into chunks of 16384 bytes, each sealed with its tag. The final chunk is always
 * shorter and always there, so there is one chunking per length, a cut is noticed, and sizes and
 * offsets are arithmetic. Chunk k stands at payload offset 56 + k * 16400 and can be read alone; the
 * length is authentic only once the final chunk has verified.
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

/** What the chunks of one message are sealed with: an AES-256-GCM key and the 12-byte base nonce. */
export type ChunkKeys = Pick<MessageKeys, "key" | "baseNonce">;

/** Plaintext bytes of every chunk but the final one. */
export const CHUNK_BYTES = 16_384;
/** Bytes of GCM's tag behind every chunk. */
export const TAG_BYTES = 16;
/** Bytes of every sealed chunk but the final one. */
export const SEALED_CHUNK_BYTES: number = CHUNK_BYTES + TAG_BYTES;
/** Salt and commitment in front of the chunks, in bytes. */
export const PREFIX_BYTES: number = SALT_BYTES + COMMITMENT_BYTES;
/** Most chunks a message has (4 PiB of plaintext). */
export const MAX_CHUNKS: number = 2 ** 38;

/**
 * Bytes of the payload of `plaintextBytes` of plaintext.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` past 2^38 chunks.
 */
export function payloadLength(plaintextBytes: number): number {
  const full = Math.floor(plaintextBytes / CHUNK_BYTES);
  if (full >= MAX_CHUNKS) throw tooLong();
  return PREFIX_BYTES + plaintextBytes + (full + 1) * TAG_BYTES;
}

/**
 * Bytes of the plaintext of a payload, by arithmetic: not authentic until the final chunk verified.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for a length no payload has, `ERR_ENVELOPE_FORMAT` past
 * 2^38 chunks.
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
  if (full >= MAX_CHUNKS)
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the payload has over 2^38 chunks");
  return full * CHUNK_BYTES + final - TAG_BYTES;
}

/** Where chunk `index` starts in the payload, in bytes. */
export function chunkOffset(index: number): number {
  return PREFIX_BYTES + index * SEALED_CHUNK_BYTES;
}

/**
 * Seals and opens the chunks of one message. Sealing two plaintexts at one index would break GCM: a
 * writer seals each index once.
 */
export class PayloadCodec {
  readonly #keys: ChunkKeys;
  /** Reused where the backend is done with it when it answers. */
  readonly #nonce: Bytes | undefined;

  constructor({ key, baseNonce }: ChunkKeys) {
    this.#keys = { key, baseNonce };
    this.#nonce = backend.synchronous ? new Uint8Array(baseNonce) : undefined;
  }

  /** For whoever runs chunks elsewhere, as in another thread. As secret as the plaintext. */
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
   * Opens one chunk into `out`, which is left alone if the chunk does not verify.
   *
   * @param sealed - 16400 bytes, or 16 to 16399 for the final chunk. Borrowed for the call.
   * @param out - 16 bytes shorter than `sealed`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` (as a rejection where the backend is asynchronous).
   */
  openChunk(index: number, sealed: Uint8Array, out: Bytes): Awaitable<void> {
    if (index >= MAX_CHUNKS) {
      throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the payload has over 2^38 chunks");
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
   * Seals consecutive chunks, the first being number `index`.
   *
   * @param last - Whether the plaintext ends here: then its end is the final chunk, maybe an empty
   * one. Otherwise it is a multiple of 16384 bytes.
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
   * Opens consecutive chunks, the first being number `index`; the last may be short.
   *
   * @param out - {@link openedLength} bytes. Default: a new array. Holds only chunks that verified,
   * but not all of them where this throws.
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

  /** Base nonce XOR index, as 12-byte big-endian numbers. The index needs more than 32 bits. */
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

/** Bytes of consecutive chunks that hold `plaintextBytes`, with the final chunk if it is the `last`. */
export function sealedLength(plaintextBytes: number, last: boolean): number {
  return plaintextBytes + (Math.floor(plaintextBytes / CHUNK_BYTES) + (last ? 1 : 0)) * TAG_BYTES;
}

/** Bytes of plaintext in `sealedBytes` of consecutive chunks. */
export function openedLength(sealedBytes: number): number {
  return sealedBytes - Math.ceil(sealedBytes / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

/** Runs `chunk` for 0 to count - 1: at once where it answers at once, else all in flight together. */
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

/** For a payload that is shorter than salt and commitment. */
export function endsBeforeChunks(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends before its first chunk");
}

function tooLong(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_LIMIT",
    "a message has at most 2^38 chunks (4 PiB); split the data",
  );
}
