/**
 * The primitives on WebCrypto (browsers, edge runtimes).
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- opaque keys are this file's own to open
import type { Base64Url } from "./base64url.ts";
import { byteName, type Bytes } from "./bytes.ts";
import type { CryptoBackend, HmacKey } from "./crypto-backend.ts";
import { PortableBackend, type AeadKey } from "./portable.ts";

type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

const GCM = "AES-GCM";
const HMAC = { name: "HMAC", hash: "SHA-512" } as const;

class WebBackend extends PortableBackend {
  readonly name = "web";
  readonly version = "WebCrypto";
  readonly synchronous = false;

  random(length: number): Bytes {
    return crypto.getRandomValues(new Uint8Array(length));
  }

  randomPublic(length: number): Bytes {
    return this.random(length);
  }

  async sha256(data: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
    return difference === 0;
  }

  async hmacKey(raw: Bytes): Promise<HmacKey> {
    const key = await crypto.subtle.importKey("raw", raw, HMAC, false, ["sign"]);
    return key as unknown as HmacKey;
  }

  async hmacSha512(key: HmacKey, data: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign("HMAC", cryptoKey(key), data));
  }

  protected async aeadKey(raw: Bytes): Promise<AeadKey> {
    const key = await crypto.subtle.importKey("raw", raw, GCM, false, ["encrypt", "decrypt"]);
    return key as unknown as AeadKey;
  }

  protected async seal(key: AeadKey, iv: Bytes, plaintext: Bytes, out: Bytes): Promise<void> {
    const sealed = await crypto.subtle.encrypt({ name: GCM, iv }, cryptoKey(key), plaintext);
    out.set(new Uint8Array(sealed));
  }

  protected async open(key: AeadKey, iv: Bytes, sealed: Bytes, out: Bytes): Promise<boolean> {
    try {
      const plaintext = await crypto.subtle.decrypt({ name: GCM, iv }, cryptoKey(key), sealed);
      out.set(new Uint8Array(plaintext));
      return true;
    } catch (error) {
      // The error for a tag that does not verify; anything else is a bug or a broken runtime.
      if (error instanceof Error && error.name === "OperationError") return false;
      throw error;
    }
  }
}

export const backend: CryptoBackend = new WebBackend();

export const base64url: Base64Url = { encode: encodeBase64Url, decode: decodeBase64Url };

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

function cryptoKey(key: HmacKey | AeadKey): CryptoKey {
  return key as unknown as CryptoKey;
}
