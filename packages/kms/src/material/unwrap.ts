/**
 * Key material from elsewhere: how it is wrapped on its way here, and what is taken for a key.
 *
 *     RSAES_OAEP_SHA_n        OAEP(material)
 *     RSA_AES_KEY_WRAP_SHA_n  OAEP(AES-256 key) || AES-KWP(AES-256 key, material)
 *
 * Source: RFC 8017, section 7.1; RFC 5649 (AES-KWP); PKCS #11 3.0, section 2.1.21
 *
 * @module
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import type { Bytes } from "@env/core";
import { keyIdToBytes } from "../arn.ts";
import { label, random, secretKey } from "./seal.ts";
import { curveOf, exportScalar, importScalar } from "./curves.ts";
import { keySpecs, type KeySpec } from "../catalogue/key-specs.ts";
import { decodeMaterial, encodePublicKey, plainBytes, requireAvailable } from "./material.ts";
import { isPostQuantum } from "./post-quantum.ts";
import { decryptRsa, type RsaEncryptionAlgorithm } from "./rsa-encryption.ts";

/** Wrapping algorithms, in the order of their numbers in import tokens. */
export const wrappingAlgorithms = [
  "RSAES_OAEP_SHA_1",
  "RSAES_OAEP_SHA_256",
  "RSA_AES_KEY_WRAP_SHA_1",
  "RSA_AES_KEY_WRAP_SHA_256",
] as const;

export type WrappingAlgorithm = (typeof wrappingAlgorithms)[number];

/** Wrapping key specs, in the order of their numbers in import tokens. */
export const wrappingKeySpecs = ["RSA_2048", "RSA_3072", "RSA_4096"] as const;

export type WrappingKeySpec = (typeof wrappingKeySpecs)[number];

const oaep: Readonly<Record<WrappingAlgorithm, RsaEncryptionAlgorithm>> = {
  RSAES_OAEP_SHA_1: "RSAES_OAEP_SHA_1",
  RSAES_OAEP_SHA_256: "RSAES_OAEP_SHA_256",
  RSA_AES_KEY_WRAP_SHA_1: "RSAES_OAEP_SHA_1",
  RSA_AES_KEY_WRAP_SHA_256: "RSAES_OAEP_SHA_256",
};

/** The alternative initial value of RFC 5649, section 3. */
const KWP_IV = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6);
const FINGERPRINT_LABEL = label("env/1/importedmaterial");

/** Whether the material of a key spec fits into a wrapping. */
export function canWrap(
  algorithm: WrappingAlgorithm,
  wrappingKeySpec: WrappingKeySpec,
  keySpec: KeySpec,
): boolean {
  if (algorithm.startsWith("RSA_AES")) return true;
  if (keySpecs[keySpec].material.type === "rsa") return false;
  return keySpec !== "ECC_NIST_P521" || wrappingKeySpec !== "RSA_2048";
}

/** The bytes that were wrapped, the caller's to wipe; `undefined` for whatever does not fit. */
export function unwrapMaterial(
  wrappingKey: KeyObject,
  algorithm: WrappingAlgorithm,
  wrapped: Uint8Array,
): Bytes | undefined {
  if (!algorithm.startsWith("RSA_AES")) return decryptRsa(wrappingKey, oaep[algorithm], wrapped);
  const length = (wrappingKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const kek = decryptRsa(wrappingKey, oaep[algorithm], wrapped.subarray(0, length));
  if (kek === undefined) return undefined;
  return unwrapPadded(secretKey(kek), wrapped.subarray(length));
}

/**
 * The key that imported bytes are, which are wiped: raw for secrets, PKCS #8 in DER for private keys, in which
 * post-quantum keys have their seed.
 *
 * @returns `undefined` for what is not a key of that spec, and for private keys whose own public key is
 * another's.
 * @throws `UnsupportedOperationException` for keys that are not available on this Node.js.
 */
export function readMaterial(keySpec: KeySpec, bytes: Uint8Array): KeyObject | undefined {
  requireAvailable(keySpec);
  const key = decodeMaterial(keySpec, bytes);
  if (key === undefined || key.type === "secret") return key;
  // The public key follows from the seed.
  if (isPostQuantum(key.asymmetricKeyType)) return key;
  if (!isPair(key)) return undefined;
  // Anew from the scalar, since a key keeps the form that its point had: GetPublicKey gives whole ones.
  return key.asymmetricKeyType === "ec" ? importScalar(curveOf(key), exportScalar(key)) : key;
}

/**
 * What imported material is known by, in 64 hex digits: the same key id and material have the same. It
 * is public. A secret is the key of a MAC here, so it is given away as little as by any use of it.
 */
export function fingerprint(keyId: string, material: KeyObject): string {
  const id = keyIdToBytes(keyId);
  if (material.type === "secret") {
    return createHmac("sha256", material).update(FINGERPRINT_LABEL).update(id).digest("hex");
  }
  const publicKey = encodePublicKey(material);
  return createHash("sha256").update(FINGERPRINT_LABEL).update(id).update(publicKey).digest("hex");
}

function unwrapPadded(kek: KeyObject, wrapped: Uint8Array): Bytes | undefined {
  try {
    // Also throws for an AES key of another length.
    const decipher = createDecipheriv("id-aes256-wrap-pad", kek, KWP_IV);
    // The whole is verified in `update`, which returns everything or throws; of nothing, nothing.
    const bytes = plainBytes(decipher.update(wrapped));
    decipher.final();
    return bytes.length === 0 ? undefined : bytes;
  } catch {
    return undefined;
  }
}

/** OpenSSL takes the public part of a private key on trust. */
function isPair(key: KeyObject): boolean {
  const hash = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const message = random(32);
  return verify(hash, message, createPublicKey(key), sign(hash, message, key));
}
