/**
 * ECDSA signatures over digests.
 *
 * node:crypto hashes whatever it is given to sign. A digest is signed all the same, by OpenSSL and with its nonce: a
 * signature over one digest turns into a signature over another if the private key is scaled beforehand. Where n is the
 * order of the curve, d the private key, z the digest as a number, and h the digest of the empty message,
 *
 *     s  = (z + r d) / k  mod n                                   the signature over z with d
 *     s' = (h + r d') / k mod n,  where  d' = d h / z  mod n      the signature over h with d'
 *     s  = s' z / h       mod n
 *
 * and r, which depends on the nonce k alone, is the same. So the key d' signs or verifies the empty message. The only
 * operation on a secret outside of OpenSSL is the multiplication that makes d'.
 *
 * Source: FIPS 186-5, sections 6.4.1 and 6.4.2; SEC 1, section C.8, for the encoding of signatures
 *
 * @module
 */
import { createHash, sign, verify, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { curveOf, exportScalar, importScalar, type Curve } from "./curves.ts";
import type { Hash } from "./rsa-digest.ts";

const EMPTY = new Uint8Array(0);

/**
 * @param key - Private.
 * @returns DER. `undefined` for a digest that is 0 modulo the order of the curve: no message is known to have one.
 */
export function signEcdsaDigest(key: KeyObject, hash: Hash, digest: Uint8Array): Bytes | undefined {
  const scaled = scale(key, hash, digest);
  if (scaled === undefined) return undefined;
  const { curve, ratio } = scaled;
  const signature = sign(hash, EMPTY, { key: scaled.key, dsaEncoding: "ieee-p1363" });
  const r = toNumber(signature.subarray(0, curve.bytes));
  const s = toNumber(signature.subarray(curve.bytes));
  return encode(r, (s * inverse(ratio, curve.order)) % curve.order);
}

/** @param key - Private. */
export function verifyEcdsaDigest(
  key: KeyObject,
  hash: Hash,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const parts = decode(signature);
  const scaled = scale(key, hash, digest);
  if (parts === undefined || scaled === undefined) return false;
  const [r, s] = parts;
  const { curve, ratio } = scaled;
  if (r <= 0n || s <= 0n || r >= curve.order || s >= curve.order) return false;
  const fitting = Buffer.concat([
    toBytes(r, curve.bytes),
    toBytes((s * ratio) % curve.order, curve.bytes),
  ]);
  return verify(hash, EMPTY, { key: scaled.key, dsaEncoding: "ieee-p1363" }, fitting);
}

interface Scaled {
  readonly curve: Curve;
  /** d'. */
  readonly key: KeyObject;
  /** h / z. */
  readonly ratio: bigint;
}

function scale(key: KeyObject, hash: Hash, digest: Uint8Array): Scaled | undefined {
  const curve = curveOf(key);
  const { order, bytes } = curve;
  // Digests are never longer than the order here, so none is cut off.
  const z = toNumber(digest) % order;
  if (z === 0n) return undefined;
  const ratio = (toNumber(createHash(hash).digest()) * inverse(z, order)) % order;
  const scalar = exportScalar(key);
  try {
    const scaled = toBytes((toNumber(scalar) * ratio) % order, bytes);
    return { curve, key: importScalar(curve, scaled), ratio };
  } finally {
    scalar.fill(0);
  }
}

/** The inverse of a number modulo a prime, by Fermat's little theorem. */
function inverse(number: bigint, prime: bigint): bigint {
  let result = 1n;
  let base = number % prime;
  for (let exponent = prime - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % prime;
    base = (base * base) % prime;
  }
  return result;
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
}

function toBytes(number: bigint, length: number): Bytes {
  return new Uint8Array(Buffer.from(number.toString(16).padStart(2 * length, "0"), "hex"));
}

/** SEQUENCE { INTEGER r, INTEGER s }. */
function encode(r: bigint, s: bigint): Bytes {
  const content = Buffer.concat([encodeInteger(r), encodeInteger(s)]);
  const head = content.length < 0x80 ? [0x30, content.length] : [0x30, 0x81, content.length];
  return new Uint8Array([...head, ...content]);
}

function encodeInteger(number: bigint): Uint8Array {
  const digits = number.toString(16);
  // A first bit of 1 would make it negative.
  const content = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  const zero = (content[0] ?? 0) >= 0x80 ? [0] : [];
  return Uint8Array.of(0x02, zero.length + content.length, ...zero, ...content);
}

/** The two numbers. `undefined`: {@link encode} does not encode any two numbers like this. */
function decode(signature: Uint8Array): readonly [bigint, bigint] | undefined {
  const start = signature[1] === 0x81 ? 3 : 2;
  const middle = start + 2 + (signature[start + 1] ?? 0);
  const first = signature.subarray(start + 2, middle);
  const second = signature.subarray(middle + 2);
  if (first.length === 0 || second.length === 0) return undefined;
  const [r, s] = [toNumber(first), toNumber(second)];
  // Encoded again and compared as a whole: nothing else can be in it.
  return Buffer.from(encode(r, s)).equals(signature) ? [r, s] : undefined;
}
