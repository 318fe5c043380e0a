/**
 * The primitives on `node:crypto` (Node, Bun, Deno). Keys are always KeyObjects: given raw bytes,
 * `createCipheriv` creates one per call, at a quarter of the speed.
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- opaque keys are this file's own to open
/// <reference lib="es2024.arraybuffer" />
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  randomFillSync,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";
import v8 from "node:v8";
import { decodeByTable, isExact, type Base64Url } from "./base64url.ts";
import type { Bytes } from "./bytes.ts";
import { TAG_BYTES } from "./chunks.ts";
import type { ChunkKeys, CryptoBackend, HmacKey } from "./crypto-backend.ts";
import { DrawnInAdvance } from "./drawn-in-advance.ts";
import { PortableBackend, type AeadKey } from "./portable.ts";

// Without it, a shorter tag, which is easier to guess, would be accepted (Node's DEP0182).
const GCM = { authTagLength: TAG_BYTES } as const;

const SMALL_TEXT = 64;
const WIDE = /[\u0100-\uFFFF]/;
const drawn = new DrawnInAdvance((length) => randomFillSync(new Uint8Array(length)));

// Optional calls: Bun and Deno implement only a part of it.
if (v8.startupSnapshot?.isBuildingSnapshot?.()) {
  // Otherwise every process started from the snapshot would use the same bytes.
  v8.startupSnapshot.addSerializeCallback(() => drawn.forget());
}

class NodeBackend extends PortableBackend {
  readonly name = "node";
  readonly version = `OpenSSL ${process.versions.openssl}`;
  readonly synchronous = true;

  random(length: number): Bytes {
    return randomFillSync(new Uint8Array(length));
  }

  randomPublic(length: number): Bytes {
    return drawn.take(length);
  }

  sha256(data: Bytes): Bytes {
    return own(hash("sha256", data, "buffer"));
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }

  hmacKey(raw: Bytes): HmacKey {
    return createSecretKey(raw) as unknown as HmacKey;
  }

  hmacSha512(key: HmacKey, data: Bytes): Bytes {
    return own(createHmac("sha512", keyObject(key)).update(data).digest());
  }

  protected aeadKey(raw: Bytes): AeadKey {
    return createSecretKey(raw) as unknown as AeadKey;
  }

  protected seal(key: AeadKey, nonce: Bytes, plaintext: Bytes, out: Bytes): void {
    const cipher = createCipheriv("aes-256-gcm", keyObject(key), nonce);
    const ciphertext = cipher.update(plaintext);
    out.set(ciphertext);
    free(ciphertext);
    cipher.final(); // In GCM this returns no bytes.
    out.set(cipher.getAuthTag(), plaintext.length);
  }

  protected open(key: AeadKey, nonce: Bytes, sealed: Bytes, out: Bytes): boolean {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", keyObject(key), nonce, GCM);
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0); // Unverified plaintext must never be visible.
      return false;
    }
    out.set(plaintext);
    free(plaintext);
    return true;
  }

  // A KeyObject can be sent to a thread as it is.
  share(keys: ChunkKeys): unknown {
    return keys;
  }

  adopt(shared: unknown): ChunkKeys {
    return shared as ChunkKeys;
  }
}

export const backend: CryptoBackend = new NodeBackend();

export const base64url: Base64Url = {
  encode: (bytes) => view(bytes).toString("base64url"),
  decode(text, pooled) {
    // For a small message, the fixed cost of Buffer exceeds the whole work.
    if (text.length < SMALL_TEXT) return decodeByTable(text);
    // Buffer accepts both alphabets, and reads a wide character as its low byte. The pattern costs
    // nothing on a string that the engine stores in one byte per character.
    if (text.includes("+") || text.includes("/") || WIDE.test(text)) return undefined;
    const bytes = Buffer.from(text, "base64url");
    if (!isExact(text, bytes)) return undefined;
    const asItIs = pooled || bytes.length === bytes.buffer.byteLength;
    return asItIs ? own(bytes) : new Uint8Array(bytes);
  },
};

function keyObject(key: HmacKey | AeadKey): KeyObject {
  return key as unknown as KeyObject;
}

/**
 * Releases the memory of a cipher's output at once, so that the next chunk reuses it while it is in the
 * CPU cache. Without this, long payloads run a quarter slower and hold tens of MiB more until the
 * garbage collector runs.
 */
function free(output: Buffer): void {
  // A small buffer is not worth the call; a pooled one (in other runtimes) is shared.
  if (output.length < 4096 || output.length !== output.buffer.byteLength) return;
  (output.buffer as ArrayBuffer).transfer(0);
}

function view({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Returns a Buffer's bytes as a plain Uint8Array: users print, compare and post these. */
function own(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}
