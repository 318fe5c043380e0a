/**
 * The material of a key: made, written as bytes, read again. Between the two it is a KeyObject, and its
 * bytes are nowhere in the JavaScript heap.
 *
 * Bytes are the raw secret of symmetric and HMAC keys, and PKCS #8 in DER of all others. Of post-quantum keys, the
 * seed is in it and nothing else.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { Bytes } from "@env/core";
import {
  encodeSeed,
  generateFromSeed,
  hasAlgorithm,
  hasSeed,
  isPostQuantum,
} from "./post-quantum.ts";
import { random, secretKey } from "./seal.ts";
import { KmsError } from "../catalogue/errors.ts";
import { keySpecs, type KeySpec } from "../catalogue/key-specs.ts";

/** Whether this Node.js can make and use keys of a spec. */
export function isAvailable(keySpec: KeySpec): boolean {
  const { type } = keySpecs[keySpec].material;
  return !isPostQuantum(type) || hasAlgorithm(type);
}

/** @throws {@link KmsError} `UnsupportedOperationException` for keys that are not available. */
export function requireAvailable(keySpec: KeySpec): void {
  if (isAvailable(keySpec)) return;
  throw new KmsError(
    "UnsupportedOperationException",
    `KeySpec ${keySpec} is not supported by this KMS: it needs Node.js 24 or later, with OpenSSL 3.5 or later`,
  );
}

/**
 * A new key. Asymmetric ones are made on a thread of libuv's pool, an RSA_4096 in seconds: never call
 * this inside a transaction.
 *
 * @throws {@link KmsError} `UnsupportedOperationException` for keys that are not available.
 */
export async function generateMaterial(keySpec: KeySpec): Promise<KeyObject> {
  requireAvailable(keySpec);
  const { material } = keySpecs[keySpec];
  if (material.type === "secret") return secretKey(random(material.bytes));
  if (material.type === "rsa") {
    const { modulusBits: modulusLength } = material;
    return (await generate("rsa", { modulusLength, publicExponent: 0x1_00_01 })).privateKey;
  }
  if (material.type === "ec") {
    return (await generate("ec", { namedCurve: material.namedCurve })).privateKey;
  }
  if (material.type === "ed25519") return (await generate("ed25519", {})).privateKey;
  return generateFromSeed(material.type);
}

const generate = promisify(generateKeyPair);

/** Bytes of a secret or private key, over a buffer of their own: the caller's to wipe. */
export function encodeMaterial(key: KeyObject): Bytes {
  const { asymmetricKeyType: type } = key;
  if (isPostQuantum(type)) return encodeSeed(type, key);
  return plainBytes(
    key.type === "secret" ? key.export() : key.export({ format: "der", type: "pkcs8" }),
  );
}

/**
 * Reads a key and wipes `bytes`. Of a spec that is not available, they stay a secret, which is written as it was read
 * and has no other use.
 *
 * @returns `undefined` for what is not a key of that spec: another length, type, curve or modulus, or no seed.
 */
export function decodeMaterial(keySpec: KeySpec, bytes: Uint8Array): KeyObject | undefined {
  const { material } = keySpecs[keySpec];
  try {
    if (!isAvailable(keySpec)) return secretKey(bytes);
    if (material.type === "secret") {
      return bytes.length === material.bytes ? secretKey(bytes) : undefined;
    }
    const key = readPkcs8(bytes);
    if (key === undefined || !isOfSpec(key, keySpec)) return undefined;
    return isPostQuantum(material.type) && !hasSeed(key) ? undefined : key;
  } finally {
    bytes.fill(0);
  }
}

/** Whether a private or public key is one of an asymmetric spec. */
export function isOfSpec(key: KeyObject, keySpec: KeySpec): boolean {
  const { material } = keySpecs[keySpec];
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== material.type) return false;
  if (material.type === "rsa") {
    const exponent = details?.publicExponent ?? 0n;
    // FIPS 186-5, appendix A.1.1.
    return (
      details?.modulusLength === material.modulusBits && exponent > 0xff_ffn && exponent % 2n === 1n
    );
  }
  return material.type !== "ec" || details?.namedCurve === material.namedCurve;
}

/** SubjectPublicKeyInfo in DER of a private key's public key. */
export function encodePublicKey(privateKey: KeyObject): Bytes {
  return plainBytes(createPublicKey(privateKey).export({ format: "der", type: "spki" }));
}

/** A public key in DER, or `undefined` for other bytes. */
export function decodePublicKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: asBuffer(spki), format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

/** OpenSSL's errors may quote what they could not parse, so they go no further. */
function readPkcs8(bytes: Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey({ key: asBuffer(bytes), format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}

/** The same memory without Buffer's own idea of `slice` and `toString`: what goes to callers is plain bytes. */
export function plainBytes({ buffer, byteOffset, length }: Bytes): Bytes {
  return new Uint8Array(buffer, byteOffset, length);
}

/** The same memory, as the type that node:crypto asks for. */
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
