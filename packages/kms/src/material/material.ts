/**
 * The material of a key: made, written as bytes, read again. Between the two it is a KeyObject, and its
 * bytes are nowhere in the JavaScript heap.
 *
 * Bytes are the raw secret of symmetric and HMAC keys, and PKCS #8 in DER of all others.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from "node:crypto";
import { promisify } from "node:util";
import type { Bytes } from "@env/core";
import { random, secretKey } from "./seal.ts";
import { keySpecs, type KeySpec, type Material } from "../catalogue/key-specs.ts";

/**
 * A new key. Asymmetric ones are made on a thread of libuv's pool, an RSA_4096 in seconds: never call
 * this inside a transaction.
 */
export async function generateMaterial(keySpec: KeySpec): Promise<KeyObject> {
  const { material } = keySpecs[keySpec];
  if (material.type === "secret") return secretKey(random(material.bytes));
  const { privateKey } = await generatePair(material);
  return privateKey;
}

/** Bytes of a secret or private key, over a buffer of their own: the caller's to wipe. */
export function encodeMaterial(key: KeyObject): Bytes {
  return plainBytes(
    key.type === "secret" ? key.export() : key.export({ format: "der", type: "pkcs8" }),
  );
}

/**
 * Reads a key and wipes `bytes`.
 *
 * @returns `undefined` for what is not a key of that spec: another length, type, curve or modulus.
 */
export function decodeMaterial(keySpec: KeySpec, bytes: Uint8Array): KeyObject | undefined {
  const { material } = keySpecs[keySpec];
  try {
    if (material.type === "secret") {
      return bytes.length === material.bytes ? secretKey(bytes) : undefined;
    }
    const key = readPkcs8(bytes);
    return key !== undefined && isOfSpec(key, keySpec) ? key : undefined;
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

type PairMaterial = Exclude<Material, { type: "secret" }>;

const generate = promisify(generateKeyPair);

async function generatePair(material: PairMaterial): Promise<KeyPairKeyObjectResult> {
  if (material.type === "ed25519") return generate("ed25519", {});
  if (material.type === "ec") return generate("ec", { namedCurve: material.namedCurve });
  return generate("rsa", { modulusLength: material.modulusBits, publicExponent: 0x1_00_01 });
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
