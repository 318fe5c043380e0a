/**
 * The primitives that the format needs, as one interface with two implementations: `node:crypto` if it
 * exists, otherwise WebCrypto. The import `#crypto` selects one at resolution time; both pass the same
 * tests.
 *
 * The Node backend is synchronous and WebCrypto returns promises, so results are {@link Awaitable}, and
 * code that must also run synchronously chains them with {@link andThen}.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

export type Awaitable<T> = T | Promise<T>;

declare const hmacKey: unique symbol;
declare const aeadKey: unique symbol;

/** An HMAC-SHA-512 key outside the JavaScript heap: a KeyObject or a CryptoKey, by backend. */
export interface HmacKey {
  readonly [hmacKey]: never;
}

/** An AES-256-GCM key outside the JavaScript heap: a KeyObject or a CryptoKey, by backend. */
export interface AeadKey {
  readonly [aeadKey]: never;
}

/** base64url without padding. Source: RFC 4648 section 5 */
interface Base64Url {
  encode(bytes: Uint8Array): string;
  /**
   * Returns `undefined` for text that {@link encode} would not produce.
   *
   * @param pooled - Allows a result in a pool of the runtime, next to unrelated bytes, which is faster.
   */
  decode(text: string, pooled: boolean): Bytes | undefined;
}

export interface CryptoBackend {
  /** `true` if every method returns its result synchronously. */
  readonly synchronous: boolean;
  /** Returns `length` bytes of the system's CSPRNG, in their own buffer. */
  random(length: number): Bytes;
  /** Does what {@link random} does, for bytes that will be public: they may have been drawn in advance. */
  randomPublic(length: number): Bytes;
  sha256(data: Uint8Array): Awaitable<Bytes>;
  /** Creates a key from a copy of `raw`, which the caller wipes. */
  hmacKey(raw: Uint8Array): Awaitable<HmacKey>;
  hmacSha512(key: HmacKey, data: Uint8Array): Awaitable<Bytes>;
  /** Creates a key from a copy of `raw` (32 bytes), which the caller wipes. */
  aeadKey(raw: Uint8Array): Awaitable<AeadKey>;
  /**
   * Encrypts with AES-256-GCM without AAD: fills `out` with the ciphertext and its 16-byte tag. `nonce`
   * has 12 bytes; `out` is 16 bytes longer than `plaintext`.
   */
  seal(key: AeadKey, nonce: Uint8Array, plaintext: Uint8Array, out: Bytes): Awaitable<void>;
  /**
   * Decrypts into `out`, which is 16 bytes shorter than `sealed`. If the tag does not verify, returns
   * `false` and leaves `out` unchanged.
   */
  open(key: AeadKey, nonce: Uint8Array, sealed: Uint8Array, out: Bytes): Awaitable<boolean>;
  /** Compares in time that does not depend on the content. Arrays of different lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** Not cryptography, but also much faster when the runtime does it. */
  readonly base64url: Base64Url;
}

/** Runs `next` synchronously on a value, or once a promise resolves: one code path for both backends. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
