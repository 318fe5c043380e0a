/**
 * Derives the keys of one message from a data key.
 *
 * HKDF-Expand with SHA-512, without Extract because the data key is already uniformly random. It is
 * written as two HMAC calls because WebCrypto has no separate Expand. The salt is fresh for every
 * message, so one data key can protect many messages.
 *
 * Source: spec/envelope-v1.md#key-derivation; RFC 5869 section 2.3
 *
 * @module
 */
import { backend } from "#crypto";
import { concat, utf8, type Bytes } from "./bytes.ts";
import { encodeAad, type Aad, type BoundContext } from "./context.ts";
import { andThen, type AeadKey, type Awaitable, type HmacKey } from "./crypto.ts";

/** The length in bytes of the salt that starts a payload. */
export const SALT_BYTES = 24;
/** The length in bytes of the key commitment that follows it. */
export const COMMITMENT_BYTES = 32;

/** The keys that one message is encrypted with. */
export interface MessageKeys {
  readonly key: AeadKey;
  /** 12 bytes, XORed with the chunk's index. */
  readonly baseNonce: Bytes;
  /** 32 bytes, stored in the payload. Public. */
  readonly commitment: Bytes;
}

const COBBLESTONE = utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
const MESSAGE = utf8("env/1/message\0");
const CONTEXT = utf8("env/1/context\0");
const AAD = utf8("env/1/aad\0");
const HMAC_BYTES = 64;
/** Space for T(1). */
const ROOM = new Uint8Array(HMAC_BYTES);
const ONE = Uint8Array.of(1);

/** The cached hash of an absent aad, which most messages use. */
let noAad: Awaitable<Bytes> | undefined;

/** Computes SHA-256 of a context's canonical bytes, with a label that separates it from other hashes. */
export function hashContext(context: BoundContext): Awaitable<Bytes> {
  return (context.hash ??= backend.sha256(concat(CONTEXT, context.bytes)));
}

/** Computes SHA-256 of the aad, with its own label. Throws like {@link encodeAad}. */
export function hashAad(aad: Aad | undefined): Awaitable<Bytes> {
  if (aad === undefined) return (noAad ??= backend.sha256(AAD));
  return backend.sha256(concat(AAD, encodeAad(aad)));
}

/** Returns the parts of Cobblestone's `context`, which is what the payload is bound to. */
export function bind(
  preamble: Uint8Array,
  contextHash: Uint8Array,
  aadHash: Uint8Array,
): readonly Uint8Array[] {
  return [MESSAGE, preamble, contextHash, aadHash];
}

/**
 * Derives the keys of one message, as Cobblestone-256 specifies.
 *
 * @param inputKey - The data key, as an HMAC key.
 * @param salt - 24 bytes.
 * @param context - Cobblestone's `context` in parts, from {@link bind}.
 */
export function deriveMessageKeys(
  inputKey: HmacKey,
  salt: Uint8Array,
  context: readonly Uint8Array[],
): Awaitable<MessageKeys> {
  // One array for both inputs of HKDF-Expand: T(1) || info || counter. The first input starts after
  // T(1).
  const input = concat(ROOM, COBBLESTONE, salt, ...context, ONE);
  return andThen(backend.hmacSha512(inputKey, input.subarray(HMAC_BYTES)), (first) => {
    input.set(first);
    input[input.length - 1] = 2;
    return andThen(backend.hmacSha512(inputKey, input), (second) =>
      andThen(backend.aeadKey(first.subarray(0, 32)), (key) => {
        const baseNonce = first.slice(32, 44);
        const commitment = new Uint8Array(COMMITMENT_BYTES);
        commitment.set(first.subarray(44));
        commitment.set(second.subarray(0, 12), 20);
        for (const secret of [first, input, second]) secret.fill(0);
        return { key, baseNonce, commitment };
      }),
    );
  });
}
