/**
 * The types of key that Transit makes, and what each can do.
 *
 * Source: OpenBao sdk/helper/keysutil/policy.go, KeyType
 *
 * @module
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";

/** A version of a key: bytes, or a pair of an asymmetric type. */
export type Material = Buffer | { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

export interface KeyType {
  /** The algorithm of `crypto.createCipheriv`; `undefined` if the type is not an AEAD. */
  readonly aead?: "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";
  /** The length of a version's key in bytes. */
  readonly bytes: number;
  readonly encrypts: boolean;
  readonly derives: boolean;
  readonly signs: boolean;
  /** Go's name of the cipher in its errors. */
  readonly cipher?: string;
  generate(): Material;
}

function symmetric(bytes: number, rest: Omit<KeyType, "bytes" | "generate">): KeyType {
  return { ...rest, bytes, generate: () => randomBytes(bytes) };
}

function rsa(modulusLength: number): KeyType {
  return {
    bytes: 0,
    encrypts: true,
    derives: false,
    signs: true,
    generate: () => generateKeyPairSync("rsa", { modulusLength }),
  };
}

const encryption = { encrypts: true, derives: true, signs: false } as const;
const signature = { encrypts: false, derives: false, signs: true } as const;

export const keyTypes: Readonly<Record<string, KeyType>> = {
  "aes128-gcm96": symmetric(16, { ...encryption, aead: "aes-128-gcm", cipher: "cipher" }),
  "aes256-gcm96": symmetric(32, { ...encryption, aead: "aes-256-gcm", cipher: "cipher" }),
  "chacha20-poly1305": symmetric(32, {
    ...encryption,
    aead: "chacha20-poly1305",
    cipher: "chacha20poly1305",
  }),
  "rsa-2048": rsa(2048),
  "rsa-3072": rsa(3072),
  "rsa-4096": rsa(4096),
  // They do not sign here; they only serve as keys that cannot encrypt.
  "ecdsa-p256": symmetric(32, signature),
  "ecdsa-p384": symmetric(48, signature),
  "ecdsa-p521": symmetric(66, signature),
  ed25519: symmetric(32, { ...signature, derives: true }),
  hmac: symmetric(32, { ...signature, signs: false }),
};
