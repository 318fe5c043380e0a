/**
 * The primitives on WebCrypto (browsers, edge runtimes).
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- opaque keys are this file's own to open
import { decodeByTable, encodeByTable, isExact } from "./base64url.ts";
import type { Bytes } from "./bytes.ts";
import type { AeadKey, CryptoBackend, HmacKey } from "./crypto.ts";

type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

const HMAC = { name: "HMAC", hash: "SHA-512" } as const;

export const backend: CryptoBackend = {
  synchronous: false,
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  randomPublic: (length) => crypto.getRandomValues(new Uint8Array(length)),
  sha256: async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", narrow(data))),
  hmacKey: async (raw) =>
    (await crypto.subtle.importKey("raw", narrow(raw), HMAC, false, [
      "sign",
    ])) as unknown as HmacKey,
  hmacSha512: async (key, data) =>
    new Uint8Array(await crypto.subtle.sign("HMAC", cryptoKey(key), narrow(data))),
  aeadKey: async (raw) =>
    (await crypto.subtle.importKey("raw", narrow(raw), "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ])) as unknown as AeadKey,
  async seal(key, nonce, plaintext, out) {
    const sealed = await crypto.subtle.encrypt(gcm(nonce), cryptoKey(key), narrow(plaintext));
    out.set(new Uint8Array(sealed));
  },
  async open(key, nonce, sealed, out) {
    try {
      const plaintext = await crypto.subtle.decrypt(gcm(nonce), cryptoKey(key), narrow(sealed));
      out.set(new Uint8Array(plaintext));
      return true;
    } catch (error) {
      // The error for a tag that does not verify; anything else is a bug or a broken runtime.
      if (error instanceof Error && error.name === "OperationError") return false;
      throw error;
    }
  },
  equal(a, b) {
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
    return difference === 0;
  },
  base64url: { encode: encodeBase64Url, decode: decodeBase64Url },
};

const URL_SAFE = { alphabet: "base64url", omitPadding: true } as const;

/** The methods that newer runtimes have (ECMAScript 2026). */
interface Base64Methods {
  readonly toBase64?: (this: Uint8Array, options: typeof URL_SAFE) => string;
}
interface Base64Statics {
  readonly fromBase64?: (text: string, options: typeof URL_SAFE) => Bytes;
}

function encodeBase64Url(bytes: Uint8Array): string {
  const { toBase64 } = bytes as Uint8Array & Base64Methods;
  return toBase64 === undefined ? encodeByTable(bytes) : toBase64.call(bytes, URL_SAFE);
}

function decodeBase64Url(text: string): Bytes | undefined {
  const { fromBase64 } = Uint8Array as Base64Statics;
  if (fromBase64 === undefined) return decodeByTable(text);
  try {
    const bytes = fromBase64.call(Uint8Array, text, URL_SAFE);
    // It accepts white space, padding and stray bits.
    return isExact(text, bytes) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function gcm(nonce: Uint8Array): { name: "AES-GCM"; iv: Bytes } {
  return { name: "AES-GCM", iv: narrow(nonce) };
}

function cryptoKey(key: HmacKey | AeadKey): CryptoKey {
  return key as unknown as CryptoKey;
}

/** WebCrypto's types reject a view that may be over shared memory; such a view is copied. */
function narrow(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Bytes) : new Uint8Array(bytes);
}
