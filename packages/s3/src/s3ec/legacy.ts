/**
 * Wraps that only old clients wrote. They do not name the algorithm of the content, and AES-ECB and PKCS #1 v1.5 are
 * not authenticated. Objects with them are opened behind `allowLegacy` alone.
 *
 * Source: the encryption clients of the AWS SDK for Java 1.x
 *
 * @module
 */
import {
  constants,
  createDecipheriv,
  createHash,
  privateDecrypt,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";
import type { ObjectHeaders } from "./headers.ts";

/** The initial value of RFC 3394. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);

/** `AESWrap` is RFC 3394; `AES` is AES-ECB with PKCS #7 padding. Throws for what the key did not wrap. */
export function unwrapLegacyAes(
  key: KeyObject,
  { wrappedKey, wrapAlgorithm }: ObjectHeaders,
): Buffer {
  const bits = (key.symmetricKeySize ?? 0) * 8;
  const decipher =
    wrapAlgorithm === "AESWrap"
      ? createDecipheriv(`id-aes${bits}-wrap`, key, KEY_WRAP_IV)
      : createDecipheriv(`aes-${bits}-ecb`, key, null);
  return Buffer.concat([decipher.update(wrappedKey), decipher.final()]);
}

/** `RSA` is PKCS #1 v1.5, whose failures OpenSSL hides; the other is OAEP. Throws for what the key did not wrap. */
export function unwrapLegacyRsa(
  key: KeyObject,
  { wrappedKey, wrapAlgorithm }: ObjectHeaders,
): Buffer {
  if (wrapAlgorithm === "RSA") {
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, wrappedKey);
  }
  return unpadOaep(privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, wrappedKey));
}

const LABEL_HASH = createHash("sha256").digest();

/**
 * OAEP as Java's provider does it by default: SHA-256 for the label and SHA-1 in the mask function, a combination that
 * Node's `oaepHash` does not offer. All checks are made before any decides, and without branches on secret
 * bytes, so that the time does not tell which failed (Manger's attack).
 *
 * Source: RFC 8017 section 7.1.2
 */
function unpadOaep(block: Buffer): Buffer {
  const { length: hashBytes } = LABEL_HASH;
  const seed = block.subarray(1, 1 + hashBytes);
  const data = block.subarray(1 + hashBytes);
  xor(seed, mask(data, seed.length));
  xor(data, mask(seed, data.length));
  // Zeros, a one, the data key: the position of the one is a secret until everything has been checked.
  let bad = block[0] ?? 1;
  let searching = 1;
  let start = 0;
  for (let i = hashBytes; i < data.length; i++) {
    const byte = data[i] ?? 0;
    const isOne = equalByte(byte, 1);
    bad |= searching & (1 - isOne) & (1 - equalByte(byte, 0));
    start |= -(searching & isOne) & (i + 1);
    searching &= 1 - isOne;
  }
  bad |= searching;
  bad |= timingSafeEqual(data.subarray(0, hashBytes), LABEL_HASH) ? 0 : 1;
  if (bad !== 0) throw new Error("not padded");
  return Buffer.from(data.subarray(start));
}

/** 1 if two bytes are equal, otherwise 0, without a branch. */
function equalByte(a: number, b: number): number {
  return ((a ^ b) - 1) >>> 31;
}

function xor(target: Buffer, other: Buffer): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) ^ (other[i] ?? 0);
}

/** MGF1 with SHA-1. */
function mask(seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  const counter = Buffer.alloc(4);
  for (let i = 0; i * 20 < length; i++) {
    counter.writeUInt32BE(i);
    blocks.push(createHash("sha1").update(seed).update(counter).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}
