/**
 * Encryption under RSA keys, as AWS offers it: OAEP, with the same hash for the label and for MGF1.
 *
 * Its ciphertexts say nothing of the key, and bind no context.
 *
 * Source: RFC 8017, section 7.1
 *
 * @module
 */
import { constants, privateDecrypt, publicEncrypt, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keySpecs, type EncryptionAlgorithm, type KeySpec } from "../catalogue/key-specs.ts";
import { plainBytes } from "./material.ts";

export type RsaEncryptionAlgorithm = Exclude<EncryptionAlgorithm, "SYMMETRIC_DEFAULT">;

const hashes = {
  RSAES_OAEP_SHA_1: { oaepHash: "sha1", bytes: 20 },
  RSAES_OAEP_SHA_256: { oaepHash: "sha256", bytes: 32 },
} as const;

/** Most bytes that a key of that RSA spec encrypts at once. */
export function maxRsaPlaintextBytes(keySpec: KeySpec, algorithm: RsaEncryptionAlgorithm): number {
  const { material } = keySpecs[keySpec];
  if (material.type !== "rsa") throw new RangeError(`${keySpec} is not an RSA key spec`);
  return material.modulusBits / 8 - 2 * hashes[algorithm].bytes - 2;
}

/** @param key - Private or public; the caller has checked the length of `plaintext`. */
export function encryptRsa(
  key: KeyObject,
  algorithm: RsaEncryptionAlgorithm,
  plaintext: Uint8Array,
): Bytes {
  return plainBytes(publicEncrypt({ key, ...padding(algorithm) }, plaintext));
}

/** The plaintext, the caller's to wipe; `undefined` for whatever does not fit. */
export function decryptRsa(
  key: KeyObject,
  algorithm: RsaEncryptionAlgorithm,
  ciphertext: Uint8Array,
): Bytes | undefined {
  try {
    return plainBytes(privateDecrypt({ key, ...padding(algorithm) }, ciphertext));
  } catch {
    return undefined;
  }
}

function padding(algorithm: RsaEncryptionAlgorithm): { padding: number; oaepHash: string } {
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashes[algorithm].oaepHash };
}
