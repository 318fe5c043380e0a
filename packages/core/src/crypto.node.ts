/**
 * The primitives on `node:crypto` (Node, Bun, Deno). Keys are KeyObjects always: with raw bytes
 * `createCipheriv` makes one per call, at a quarter of the speed.
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
import { decodeByTable } from "./base64url.ts";
import type { Bytes } from "./bytes.ts";
import type { AeadKey, CryptoBackend, HmacKey } from "./crypto.ts";

const TAG_BYTES = 16;
// Without it a shorter, easier to guess tag would pass (Node's DEP0182).
const GCM = { authTagLength: TAG_BYTES } as const;

const SMALL_TEXT = 64;
const AT_ONCE = 64;
/**
 * Bytes that were drawn in one call and will be public: a call for each salt would cost a tenth of a small
 * message. They are never part of a startup snapshot of Node, or every process started from it would use
 * them. A process that is cloned as it runs (a VM snapshot, CRIU) does draw them twice; so it does with
 * OpenSSL's generator, whose state is in its memory as well (SECURITY.md).
 */
let drawn = new Uint8Array(0);
let used = 0;

// Optional: Bun and Deno do not have all of it.
if (v8.startupSnapshot?.isBuildingSnapshot?.()) {
  v8.startupSnapshot.addSerializeCallback(() => {
    drawn = new Uint8Array(0);
    used = 0;
  });
}

export const backend: CryptoBackend = {
  synchronous: true,
  random: (length) => randomFillSync(new Uint8Array(length)),
  randomPublic(length) {
    if (drawn.length - used < length) {
      drawn = randomFillSync(new Uint8Array(AT_ONCE * length));
      used = 0;
    }
    used += length;
    return drawn.slice(used - length, used);
  },
  sha256: (data) => own(hash("sha256", data, "buffer")),
  hmacKey: (raw) => createSecretKey(raw) as unknown as HmacKey,
  hmacSha512: (key, data) => own(createHmac("sha512", keyObject(key)).update(data).digest()),
  aeadKey: (raw) => createSecretKey(raw) as unknown as AeadKey,
  seal(key, nonce, plaintext, out) {
    const cipher = createCipheriv("aes-256-gcm", keyObject(key), nonce);
    const ciphertext = cipher.update(plaintext);
    out.set(ciphertext);
    free(ciphertext);
    cipher.final(); // GCM has nothing left to give here.
    out.set(cipher.getAuthTag(), plaintext.length);
  },
  open(key, nonce, sealed, out) {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", keyObject(key), nonce, GCM);
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0); // Unverified: nobody may see it.
      return false;
    }
    out.set(plaintext);
    free(plaintext);
    return true;
  },
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  base64url: {
    encode: (bytes) => view(bytes).toString("base64url"),
    decode(text) {
      // Buffer's start takes longer than all of a small message.
      if (text.length < SMALL_TEXT) return decodeByTable(text);
      const bytes = Buffer.from(text, "base64url");
      // Buffer skips what it does not know, so what came out has to encode to what went in.
      if (bytes.toString("base64url") !== text) return undefined;
      if (bytes.length === bytes.buffer.byteLength) return own(bytes);
      const copy = new Uint8Array(bytes.length); // A short one lies in a pool, beside other people's bytes.
      copy.set(bytes);
      return copy;
    },
  },
};

function keyObject(key: HmacKey | AeadKey): KeyObject {
  return key as unknown as KeyObject;
}

/**
 * Gives the memory of a cipher's output back at once, so that the next chunk finds it in the cache.
 * Left to the garbage collector, long payloads run a quarter slower and hold tens of MiB more.
 */
function free(output: Buffer): void {
  // A small one is not worth the call; one in a pool (other runtimes) is not ours alone.
  if (output.length < 4096 || output.length !== output.buffer.byteLength) return;
  (output.buffer as ArrayBuffer).transfer(0);
}

function view({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** A Buffer's bytes as a plain array: users print, compare and post these. */
function own(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}
