/**
 * The primitives the format needs, as one interface with two implementations: `node:crypto` where
 * there is one, WebCrypto elsewhere. `#crypto` picks at resolution time; both run the same tests.
 *
 * The Node backend answers at once and WebCrypto with promises, so results are {@link Awaitable}
 * and code that must also run synchronously chains them with {@link andThen}.
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

/** RFC 4648 section 5, without padding. */
interface Base64Url {
  encode(bytes: Uint8Array): string;
  /** `undefined` for text that {@link encode} would not write. */
  decode(text: string): Bytes | undefined;
}

export interface CryptoBackend {
  /** `true` where every method answers at once. */
  readonly synchronous: boolean;
  /** `length` bytes of the system's CSPRNG, over a buffer of their own. */
  random(length: number): Bytes;
  /** As {@link random}, for bytes that will be public: they may have been drawn a little earlier. */
  randomPublic(length: number): Bytes;
  sha256(data: Uint8Array): Awaitable<Bytes>;
  /** Copies `raw`, which stays the caller's to wipe. */
  hmacKey(raw: Uint8Array): Awaitable<HmacKey>;
  hmacSha512(key: HmacKey, data: Uint8Array): Awaitable<Bytes>;
  /** Copies `raw`, 32 bytes, which stays the caller's to wipe. */
  aeadKey(raw: Uint8Array): Awaitable<AeadKey>;
  /**
   * AES-256-GCM without AAD: fills `out` with the ciphertext and its 16-byte tag. `nonce` has 12
   * bytes, `out` 16 more than `plaintext`.
   */
  seal(key: AeadKey, nonce: Uint8Array, plaintext: Uint8Array, out: Bytes): Awaitable<void>;
  /**
   * Fills `out`, 16 bytes shorter than `sealed`, with the plaintext, or leaves it alone and gives
   * `false` if the tag does not verify.
   */
  open(key: AeadKey, nonce: Uint8Array, sealed: Uint8Array, out: Bytes): Awaitable<boolean>;
  /** Constant time in the content. Different lengths are different. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** Not cryptography, but likewise fast where the runtime does it. */
  readonly base64url: Base64Url;
}

/** Runs `next` at once on a value, later on a promise: one code path for both backends. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
