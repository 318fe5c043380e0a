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
import { andThen, type Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { unshared, type Bytes } from "./bytes.ts";
import {
  CHUNK_BYTES,
  MAX_CHUNKS,
  openedLength,
  PREFIX_BYTES,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  sealedLength,
  tooLong,
  tooManyChunks,
} from "./chunks.ts";
import { OTHER_KEY, VERIFIED, type ChunkKeys, type HmacKey } from "./crypto-backend.ts";
import { EnvelopeError } from "./error.ts";

/**
 * Seals and opens the chunks of one message. A writer must seal each index only once: sealing two
 * plaintexts at one index would break GCM.
 */
export class PayloadCodec {
  readonly #keys: ChunkKeys;

  constructor(keys: ChunkKeys) {
    this.#keys = keys;
  }

  /** The keys, for code that processes chunks elsewhere. As secret as the plaintext. */
  get keys(): ChunkKeys {
    return this.#keys;
  }

  /**
   * Seals consecutive chunks, starting with number `index`.
   *
   * @param last - Whether the plaintext ends here. If so, the final chunk is written, which may be
   * empty. If not, the plaintext must be a multiple of 16384 bytes.
   * @param out - {@link sealedLength} bytes, which do not overlap the plaintext. Default: a new array.
   * @returns `out`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` past 2^38 chunks.
   */
  sealChunks(
    index: number,
    plaintext: Uint8Array,
    last: boolean,
    out: Bytes = new Uint8Array(sealedLength(plaintext.length, last)),
  ): Awaitable<Bytes> {
    const whole = Math.floor(plaintext.length / CHUNK_BYTES);
    if (index + whole + (last ? 1 : 0) > MAX_CHUNKS) throw tooLong();
    const sealing = cryptoBackend().sealChunks(this.#keys, index, unshared(plaintext), last, out);
    return andThen(sealing, () => out);
  }

  /**
   * Opens consecutive chunks, starting with number `index`; the last may be short.
   *
   * @param out - {@link openedLength} bytes, which do not overlap the chunks. Default: a new array. If
   * this throws, it may hold some chunks, all of which have verified.
   * @returns `out`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` (a rejection if the backend is asynchronous),
   * `ERR_ENVELOPE_FORMAT` past 2^38 chunks.
   */
  openChunks(
    index: number,
    sealed: Uint8Array,
    out: Bytes = new Uint8Array(openedLength(sealed.length)),
  ): Awaitable<Bytes> {
    if (index + Math.ceil(sealed.length / SEALED_CHUNK_BYTES) > MAX_CHUNKS) throw tooManyChunks();
    const opening = cryptoBackend().openChunks(this.#keys, index, unshared(sealed), out);
    return andThen(opening, (bad) => requireVerified(index, bad, out));
  }
}

/** Returns the codec of a message, or `undefined` if its commitment is not the one of this data key. */
export function openCodec(
  dataKey: HmacKey,
  info: Bytes,
  commitment: Bytes,
): Awaitable<PayloadCodec | undefined> {
  const backend = cryptoBackend();
  return andThen(backend.messageKeys(dataKey, info), (derived) =>
    backend.equal(derived.commitment, commitment) ? new PayloadCodec(derived.keys) : undefined,
  );
}

/**
 * Opens the payload of a whole message.
 *
 * @returns The plaintext, in a new array, or `undefined` if its commitment is not the one of this data key.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` if a chunk does not verify.
 */
export function openPayload(
  dataKey: HmacKey,
  info: Bytes,
  payload: Uint8Array,
): Awaitable<Bytes | undefined> {
  const out = new Uint8Array(openedLength(payload.length - PREFIX_BYTES));
  const sealed = unshared(payload.subarray(SALT_BYTES));
  return andThen(cryptoBackend().openPayload(dataKey, info, sealed, out), (bad) =>
    bad === OTHER_KEY ? undefined : requireVerified(0, bad, out),
  );
}

function requireVerified(index: number, bad: number, out: Bytes): Bytes {
  if (bad === VERIFIED) return out;
  throw badChunk(index + bad);
}

/** Creates the error for a chunk that does not verify. */
export function badChunk(index: number): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_DECRYPT",
    `chunk ${index} is corrupted, out of order, or from another message`,
  );
}

/** Creates the error for a payload that is shorter than salt and commitment. */
export function endsBeforeChunks(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends before its first chunk");
}

/** Creates the error for a payload that ends where a chunk would have to begin or go on. */
export function endsBeforeFinalChunk(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends without its final chunk");
}
