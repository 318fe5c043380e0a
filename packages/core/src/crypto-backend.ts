/**
 * The cryptography under the message format, as one interface with exchangeable backends: `node:crypto`
 * where it exists, otherwise WebCrypto, or one that the application names, such as `@env/native`. All of
 * them write the same bytes and refuse the same bytes; `@env/conformance/crypto` is the suite that says so.
 *
 * The operations are coarse, so that a fast implementation does not lose its time between them: a run of
 * chunks, or a small message from the derivation of its keys to its last tag, is one call.
 *
 * @module
 */
import type { Awaitable } from "./awaitable.ts";
import type { Bytes } from "./bytes.ts";

declare const hmacKey: unique symbol;
declare const chunkKeys: unique symbol;

/** An HMAC-SHA-512 key, such as a data key, outside the JavaScript heap. Only its own backend can use it. */
export interface HmacKey {
  readonly [hmacKey]: never;
}

/** The AES-256-GCM key and the base nonce of one message. Only their own backend can use them. */
export interface ChunkKeys {
  readonly [chunkKeys]: never;
}

/** What is derived from a data key for one message. */
export interface MessageKeys {
  readonly keys: ChunkKeys;
  /** 32 bytes, stored in the payload. Public. */
  readonly commitment: Bytes;
}

/** The result of opening chunks that all verified. */
export const VERIFIED = -1;
/** The result of opening a payload that another data key, context or aad was used for. */
export const OTHER_KEY = -2;

/**
 * An implementation of the cryptography.
 *
 * Rules for every method: inputs are borrowed for the call, or until its promise settles, and are never
 * changed. `out` is an array of the caller that must have exactly the length of the result. Lengths that do not
 * fit and an `out` that overlaps the input are a RangeError; arrays over shared memory, and anything that is
 * not a Uint8Array, are a TypeError. Both are found before a byte is written.
 *
 * Chunks: 16384 bytes of plaintext, sealed with AES-256-GCM without AAD under the base nonce XOR the
 * chunk's number, as 12-byte big-endian numbers, and followed by a tag of 16 bytes. The final chunk of a
 * message is always shorter and always present. A run is consecutive chunks, the first of them with the number
 * `index`; a message has at most 2^38 chunks.
 *
 * Source: spec/envelope-v1.md#payload, #key-derivation
 */
export interface CryptoBackend {
  /** One word that events and `envelope -V` show, such as `node`. */
  readonly name: string;
  /** The library that does the work, and its version, such as `OpenSSL 3.5.8`. */
  readonly version: string;
  /** `true` if no method returns a promise. */
  readonly synchronous: boolean;
  /** Returns `length` bytes of the system's CSPRNG, over a buffer of their own. */
  random(length: number): Bytes;
  /** Does what {@link random} does, for bytes that will be public: they may have been drawn in advance. */
  randomPublic(length: number): Bytes;
  sha256(data: Bytes): Awaitable<Bytes>;
  /** Compares in time that does not depend on the content. Arrays of different lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** Creates a key from a copy of `raw`, which the caller wipes. */
  hmacKey(raw: Bytes): Awaitable<HmacKey>;
  hmacSha512(key: HmacKey, data: Bytes): Awaitable<Bytes>;
  /**
   * Derives the keys of a message: HKDF-Expand-SHA-512 of `dataKey` and `info` to 76 bytes, which are the
   * AES key (32), the base nonce (12) and the commitment (32).
   */
  messageKeys(dataKey: HmacKey, info: Bytes): Awaitable<MessageKeys>;
  /**
   * Seals a run of chunks.
   *
   * @param last - Whether the message ends here. If so, the final chunk is written, which may be empty.
   * If not, the plaintext is whole chunks.
   */
  sealChunks(
    keys: ChunkKeys,
    index: number,
    plaintext: Bytes,
    last: boolean,
    out: Bytes,
  ): Awaitable<void>;
  /**
   * Opens a run of chunks, of which the last may be short.
   *
   * @returns {@link VERIFIED}, or the position in the run of the first chunk that does not verify. Where `out`
   * would then hold plaintext that did not verify, it is unchanged or zeros.
   */
  openChunks(keys: ChunkKeys, index: number, sealed: Bytes, out: Bytes): Awaitable<number>;
  /**
   * Seals a whole message: does what {@link messageKeys} and {@link sealChunks} do.
   *
   * @param out - Receives the commitment and the chunks.
   */
  sealPayload(dataKey: HmacKey, info: Bytes, plaintext: Bytes, out: Bytes): Awaitable<void>;
  /**
   * Opens what {@link sealPayload} wrote.
   *
   * @returns {@link OTHER_KEY} if the commitment is not the one that these keys have, and then `out` is
   * unchanged; otherwise like {@link openChunks}.
   */
  openPayload(dataKey: HmacKey, info: Bytes, sealed: Bytes, out: Bytes): Awaitable<number>;
  /**
   * Opens many payloads of one data key. All arguments hold the payloads one after another.
   *
   * @returns The result of {@link openPayload} for each.
   */
  openPayloads?(
    dataKey: HmacKey,
    infos: Bytes,
    infoLengths: Uint32Array,
    sealed: Bytes,
    sealedLengths: Uint32Array,
    out: Bytes,
  ): Int32Array;
  /** Seals many payloads of one data key. All arguments hold the payloads one after another. */
  sealPayloads?(
    dataKey: HmacKey,
    infos: Bytes,
    infoLengths: Uint32Array,
    plaintexts: Bytes,
    plaintextLengths: Uint32Array,
    out: Bytes,
  ): void;
  /**
   * Returns what another thread needs to use `keys`, as a value that can be sent there. It works as long as
   * `keys` is reachable here. Without this method, a backend works in one thread.
   */
  share?(keys: ChunkKeys): unknown;
  /** Returns the keys that another thread shared. */
  adopt?(shared: unknown): ChunkKeys;
  /**
   * The URL of the module that has this backend as its default export, for other threads. Absent for a
   * backend that threads have anyway.
   */
  readonly module?: string;
}
