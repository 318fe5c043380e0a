/**
 * From a data key to the keys of one message.
 *
 * HKDF-Expand with SHA-512, without Extract: the data key is uniformly random already. It is two HMAC
 * calls by hand because WebCrypto has no Expand alone. The salt is fresh for every message, so one
 * data key can protect many of them.
 *
 * Source: spec/envelope-v1.md#key-derivation; RFC 5869 section 2.3
 *
 * @module
 */
import { backend } from "#crypto";
import { concat, utf8, type Bytes } from "./bytes.ts";
import { encodeAad, type Aad, type BoundContext } from "./context.ts";
import { andThen, type AeadKey, type Awaitable, type HmacKey } from "./crypto.ts";

/** Bytes of the salt that starts a payload. */
export const SALT_BYTES = 24;
/** Bytes of the key commitment behind it. */
export const COMMITMENT_BYTES = 32;

/** What one message is encrypted with. */
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
/** Where T(1) will stand. */
const ROOM = new Uint8Array(HMAC_BYTES);
const ONE = Uint8Array.of(1);

/** What most messages are bound to. */
let noAad: Awaitable<Bytes> | undefined;

/** SHA-256 of a context's canonical bytes under its own label. */
export function hashContext(context: BoundContext): Awaitable<Bytes> {
  return (context.hash ??= backend.sha256(concat(CONTEXT, context.bytes)));
}

/** SHA-256 of the aad under its own label. Throws as {@link encodeAad}. */
export function hashAad(aad: Aad | undefined): Awaitable<Bytes> {
  if (aad === undefined) return (noAad ??= backend.sha256(AAD));
  return backend.sha256(concat(AAD, encodeAad(aad)));
}

/** What the payload is bound to: Cobblestone's `context`, in parts. */
export function bind(
  preamble: Uint8Array,
  contextHash: Uint8Array,
  aadHash: Uint8Array,
): readonly Uint8Array[] {
  return [MESSAGE, preamble, contextHash, aadHash];
}

/**
 * Cobblestone-256's key derivation.
 *
 * @param inputKey - The data key, as an HMAC key.
 * @param salt - 24 bytes.
 * @param context - Cobblestone's, in parts: made by {@link bind}.
 */
export function deriveMessageKeys(
  inputKey: HmacKey,
  salt: Uint8Array,
  context: readonly Uint8Array[],
): Awaitable<MessageKeys> {
  // Both inputs of HKDF-Expand in one array: T(1) || info || counter. The first starts behind T(1).
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
