/**
 * A backend from the primitives that every platform has. What is above them is written here once, for
 * synchronous and asynchronous ones.
 *
 * Source: spec/envelope-v1.md#payload, #key-derivation; RFC 5869 section 2.3
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- opaque keys are this file's own to open
import { andThen, type Awaitable } from "./awaitable.ts";
import { concat, isUnshared, type Bytes } from "./bytes.ts";
import {
  CHUNK_BYTES,
  COMMITMENT_BYTES,
  openedLength,
  SEALED_CHUNK_BYTES,
  sealedLength,
  TAG_BYTES,
} from "./chunks.ts";
import {
  OTHER_KEY,
  VERIFIED,
  type ChunkKeys,
  type CryptoBackend,
  type HmacKey,
  type MessageKeys,
} from "./crypto-backend.ts";

declare const aeadKey: unique symbol;

/** An AES-256-GCM key outside the JavaScript heap: a KeyObject or a CryptoKey. */
export interface AeadKey {
  readonly [aeadKey]: never;
}

/** What {@link ChunkKeys} are in a portable backend. */
interface KeyContent {
  readonly key: AeadKey;
  readonly baseNonce: Bytes;
}

const HMAC_BYTES = 64;
/** Space for T(1). */
const ROOM = new Uint8Array(HMAC_BYTES);
const ONE = Uint8Array.of(1);

export abstract class PortableBackend implements CryptoBackend {
  abstract readonly name: string;
  abstract readonly version: string;
  abstract readonly synchronous: boolean;
  abstract random(length: number): Bytes;
  abstract randomPublic(length: number): Bytes;
  abstract sha256(data: Bytes): Awaitable<Bytes>;
  abstract equal(a: Uint8Array, b: Uint8Array): boolean;
  abstract hmacKey(raw: Bytes): Awaitable<HmacKey>;
  abstract hmacSha512(key: HmacKey, data: Bytes): Awaitable<Bytes>;
  /** Creates a key from a copy of `raw`. */
  protected abstract aeadKey(raw: Bytes): Awaitable<AeadKey>;
  /** Seals one chunk. */
  protected abstract seal(
    key: AeadKey,
    nonce: Bytes,
    plaintext: Bytes,
    out: Bytes,
  ): Awaitable<void>;
  /** Opens one chunk. If the tag does not verify, returns `false` and leaves `out` unchanged. */
  protected abstract open(
    key: AeadKey,
    nonce: Bytes,
    sealed: Bytes,
    out: Bytes,
  ): Awaitable<boolean>;

  /** HKDF-Expand is two HMACs, because WebCrypto has it only together with Extract. */
  messageKeys(dataKey: HmacKey, info: Bytes): Awaitable<MessageKeys> {
    // One array for both inputs: T(1) || info || counter. The first input starts after T(1).
    const input = concat(ROOM, info, ONE);
    return andThen(this.hmacSha512(dataKey, input.subarray(HMAC_BYTES)), (first) => {
      input.set(first);
      input[input.length - 1] = 2;
      return andThen(this.hmacSha512(dataKey, input), (second) =>
        andThen(this.aeadKey(first.subarray(0, 32)), (key) => {
          const baseNonce = first.slice(32, 44);
          const commitment = concat(first.subarray(44), second.subarray(0, 12));
          for (const secret of [first, input, second]) secret.fill(0);
          return {
            keys: { key, baseNonce } satisfies KeyContent as unknown as ChunkKeys,
            commitment,
          };
        }),
      );
    });
  }

  sealChunks(
    keys: ChunkKeys,
    index: number,
    plaintext: Bytes,
    last: boolean,
    out: Bytes,
  ): Awaitable<void> {
    const fits = out.length === sealedLength(plaintext.length, last);
    requireFit(plaintext, out, fits && (last || plaintext.length % CHUNK_BYTES === 0));
    const { key, baseNonce } = contentOf(keys);
    const sealing = each(Math.ceil(out.length / SEALED_CHUNK_BYTES), (i) =>
      this.seal(
        key,
        nonceOf(baseNonce, index + i),
        part(plaintext, i, CHUNK_BYTES),
        part(out, i, SEALED_CHUNK_BYTES),
      ),
    );
    return andThen(sealing, () => undefined);
  }

  openChunks(keys: ChunkKeys, index: number, sealed: Bytes, out: Bytes): Awaitable<number> {
    const final = sealed.length % SEALED_CHUNK_BYTES || SEALED_CHUNK_BYTES;
    requireFit(sealed, out, out.length === openedLength(sealed.length) && final >= TAG_BYTES);
    const { key, baseNonce } = contentOf(keys);
    return each(Math.ceil(sealed.length / SEALED_CHUNK_BYTES), (i) =>
      this.open(
        key,
        nonceOf(baseNonce, index + i),
        part(sealed, i, SEALED_CHUNK_BYTES),
        part(out, i, CHUNK_BYTES),
      ),
    );
  }

  sealPayload(dataKey: HmacKey, info: Bytes, plaintext: Bytes, out: Bytes): Awaitable<void> {
    const length = COMMITMENT_BYTES + sealedLength(plaintext.length, true);
    requireFit(plaintext, out, out.length === length);
    return andThen(this.messageKeys(dataKey, info), ({ keys, commitment }) => {
      out.set(commitment);
      return this.sealChunks(keys, 0, plaintext, true, out.subarray(COMMITMENT_BYTES));
    });
  }

  openPayload(dataKey: HmacKey, info: Bytes, sealed: Bytes, out: Bytes): Awaitable<number> {
    const chunks = sealed.subarray(COMMITMENT_BYTES);
    const final = chunks.length % SEALED_CHUNK_BYTES;
    requireFit(sealed, out, out.length === openedLength(chunks.length) && final >= TAG_BYTES);
    return andThen(this.messageKeys(dataKey, info), ({ keys, commitment }) =>
      this.equal(commitment, sealed.subarray(0, COMMITMENT_BYTES))
        ? this.openChunks(keys, 0, chunks, out)
        : OTHER_KEY,
    );
  }
}

/** Returns base nonce XOR the chunk's number, both as 12-byte big-endian numbers. It may exceed 32 bits. */
function nonceOf(baseNonce: Bytes, number: number): Bytes {
  const nonce = baseNonce.slice();
  for (let at = 11, rest = number; rest > 0; at--, rest = Math.floor(rest / 256)) {
    nonce[at] = (baseNonce[at] ?? 0) ^ rest;
  }
  return nonce;
}

/** Returns number `i` of the parts of `length` bytes that these bytes consist of. The last may be short. */
function part(bytes: Bytes, i: number, length: number): Bytes {
  return bytes.subarray(i * length, (i + 1) * length);
}

function contentOf(keys: ChunkKeys): KeyContent {
  return keys as unknown as KeyContent;
}

/**
 * Runs `chunk` for 0 to count - 1: one after another if it is synchronous, otherwise all concurrently.
 * Returns the first for which it says `false`, or {@link VERIFIED}.
 */
function each(count: number, chunk: (i: number) => Awaitable<unknown>): Awaitable<number> {
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const done = chunk(i);
    if (done instanceof Promise) pending.push(done);
    else if (done === false) return i;
  }
  if (pending.length === 0) return VERIFIED;
  return Promise.all(pending).then((all) => all.indexOf(false));
}

/** @throws TypeError, RangeError unless the result for `input` can be written to `out`. */
function requireFit(input: Bytes, out: Bytes, lengthsFit: boolean): void {
  if (!isUnshared(input) || !isUnshared(out)) {
    throw new TypeError("a Uint8Array over an ArrayBuffer is required");
  }
  const distance = out.byteOffset - input.byteOffset;
  const apart = out.buffer !== input.buffer || distance >= input.length || -distance >= out.length;
  if (!lengthsFit || !apart) {
    throw new RangeError("wrong lengths, or the input and out overlap");
  }
}
