/**
 * The primitives on WebCrypto (browsers, edge runtimes).
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- opaque keys are this file's own to open
import { byteName, type Bytes } from "./bytes.ts";
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

/** Fewer than an engine takes as arguments of one call. */
const PIECE_BYTES = 8192;

function encodeBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += byteName(bytes.subarray(at, at + PIECE_BYTES));
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decodeBase64Url(text: string): Bytes | undefined {
  let binary: string;
  try {
    binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  // atob accepts white space, padding, the other alphabet and stray bits, so the result must encode to the same text.
  return encodeBase64Url(bytes) === text ? bytes : undefined;
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
