/**
 * RSA signatures over digests: the encodings of RFC 8017, in front of the bare RSA operation.
 *
 * node:crypto hashes whatever it is given to sign, but also offers the operation without any hash.
 *
 * Source: RFC 8017, sections 9.1 (EMSA-PSS) and 9.2 (EMSA-PKCS1-v1_5)
 *
 * @module
 */
import {
  constants,
  createHash,
  privateEncrypt,
  publicDecrypt,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";
import type { Bytes } from "@env/core";
import { random } from "./seal.ts";
import { plainBytes } from "./material.ts";

export type Hash = "sha256" | "sha384" | "sha512";

/** DER of a DigestInfo up to the digest. RFC 8017, section 9.2, note 1. */
const digestInfos: Readonly<Record<Hash, string>> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

const TRAILER = 0xbc;

/** @param key - Private, with a modulus of whole bytes. */
export function signRsaDigest(
  key: KeyObject,
  encoding: "pss" | "pkcs1",
  hash: Hash,
  digest: Uint8Array,
): Bytes {
  if (encoding === "pkcs1") {
    const info = digestInfo(hash, digest);
    return plainBytes(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, info));
  }
  const encoded = encodePss(hash, digest, random(digest.length), modulusBytes(key));
  return plainBytes(privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded));
}

export function verifyRsaDigest(
  key: KeyObject,
  encoding: "pss" | "pkcs1",
  hash: Hash,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== modulusBytes(key)) return false;
  if (encoding === "pkcs1") {
    const found = recover(key, constants.RSA_PKCS1_PADDING, signature);
    // Compared as a whole: nothing in it is parsed, so nothing can be smuggled in.
    return found !== undefined && isEqual(found, digestInfo(hash, digest));
  }
  const encoded = recover(key, constants.RSA_NO_PADDING, signature);
  return encoded !== undefined && isPssOf(hash, digest, encoded);
}

function digestInfo(hash: Hash, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(digestInfos[hash], "hex"), digest]);
}

/**
 * EMSA-PSS-ENCODE with a salt as long as the hash.
 *
 *     H = Hash(0^8 || digest || salt);  EM = (PS || 01 || salt) xor MGF1(H)  ||  H  ||  bc
 *
 * One bit of EM stays clear, since the modulus fills its bytes.
 */
function encodePss(hash: Hash, digest: Uint8Array, salt: Uint8Array, length: number): Uint8Array {
  const encoded = new Uint8Array(length);
  const block = encoded.subarray(0, length - digest.length - 1);
  block[block.length - salt.length - 1] = 1;
  block.set(salt, block.length - salt.length);
  const bound = bind(hash, digest, salt);
  mask(hash, bound, block);
  encoded.set(bound, block.length);
  encoded[length - 1] = TRAILER;
  return encoded;
}

/** EMSA-PSS-VERIFY: takes the salt out and encodes again, which leaves no bit unchecked. */
function isPssOf(hash: Hash, digest: Uint8Array, encoded: Uint8Array): boolean {
  const block = new Uint8Array(encoded.subarray(0, encoded.length - digest.length - 1));
  mask(hash, encoded.subarray(block.length, encoded.length - 1), block);
  const salt = block.subarray(block.length - digest.length);
  return isEqual(encoded, encodePss(hash, digest, salt, encoded.length));
}

function bind(hash: Hash, digest: Uint8Array, salt: Uint8Array): Buffer {
  return createHash(hash).update(new Uint8Array(8)).update(digest).update(salt).digest();
}

/** Xors MGF1 of `seed` into `block`, and clears its first bit. RFC 8017, appendix B.2.1. */
function mask(hash: Hash, seed: Uint8Array, block: Uint8Array): void {
  const counter = new Uint8Array(4);
  for (let at = 0; at < block.length; at += seed.length) {
    new DataView(counter.buffer).setUint32(0, at / seed.length);
    const part = createHash(hash).update(seed).update(counter).digest();
    const end = Math.min(block.length, at + part.length);
    for (let i = at; i < end; i++) block[i] = (block[i] ?? 0) ^ (part[i - at] ?? 0);
  }
  block[0] = (block[0] ?? 0) & 0x7f;
}

function recover(key: KeyObject, padding: number, signature: Uint8Array): Buffer | undefined {
  try {
    return publicDecrypt({ key, padding }, signature);
  } catch {
    return undefined;
  }
}

function modulusBytes(key: KeyObject): number {
  return (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
