/**
 * The keys of ML-DSA and ML-KEM. Such a key is made from a random seed, and the seed is all that is kept of it:
 *
 *     SEQUENCE { INTEGER 0, algorithm, OCTET STRING { [0] seed } }      PKCS #8 in DER
 *
 * Node.js 24 and later have the algorithms, where their OpenSSL is 3.5 or later.
 *
 * Source: FIPS 203, algorithm 19, and FIPS 204, algorithm 1; RFC 9881 and RFC 9935, section 6, for the encoding
 *
 * @module
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import type { PostQuantumType as Type } from "../catalogue/key-specs.ts";
import { random } from "./seal.ts";

interface Algorithm {
  /** The end of the object identifier, under 2.16.840.1.101.3.4. */
  readonly arcs: readonly [number, number];
  readonly seedBytes: number;
}

const algorithms: Readonly<Record<Type, Algorithm>> = {
  "ml-dsa-44": { arcs: [3, 17], seedBytes: 32 },
  "ml-dsa-65": { arcs: [3, 18], seedBytes: 32 },
  "ml-dsa-87": { arcs: [3, 19], seedBytes: 32 },
  "ml-kem-512": { arcs: [4, 1], seedBytes: 64 },
  "ml-kem-768": { arcs: [4, 2], seedBytes: 64 },
  "ml-kem-1024": { arcs: [4, 3], seedBytes: 64 },
};

/** @param type - Of material, or of a key. */
export function isPostQuantum(type: string | undefined): type is Type {
  return type !== undefined && Object.hasOwn(algorithms, type);
}

const available = new Map<Type, boolean>();

/** Whether this Node.js has the algorithm. */
export function hasAlgorithm(type: Type): boolean {
  const known = available.get(type) ?? canExpand(type);
  available.set(type, known);
  return known;
}

/** A new key of an algorithm that is available. */
export function generateFromSeed(type: Type): KeyObject {
  return expand(type, random(algorithms[type].seedBytes));
}

/** A private key with a seed as bytes over a buffer of their own: the caller's to wipe. */
export function encodeSeed(type: Type, key: KeyObject): Bytes {
  const seed = exportSeed(key);
  try {
    return encode(type, seed);
  } finally {
    seed.fill(0);
  }
}

/** Whether a private key has a seed. OpenSSL also reads keys that were expanded elsewhere. */
export function hasSeed(key: KeyObject): boolean {
  try {
    exportSeed(key).fill(0);
    return true;
  } catch {
    return false;
  }
}

function canExpand(type: Type): boolean {
  try {
    const key = expand(type, new Uint8Array(algorithms[type].seedBytes));
    // An older Node.js with a newer OpenSSL reads the key and does not know its type.
    return isPostQuantum(key.asymmetricKeyType);
  } catch {
    return false;
  }
}

/** The key of a seed, which is wiped. */
function expand(type: Type, seed: Uint8Array): KeyObject {
  const bytes = encode(type, seed);
  try {
    return createPrivateKey({ key: Buffer.from(bytes.buffer), format: "der", type: "pkcs8" });
  } finally {
    seed.fill(0);
    bytes.fill(0);
  }
}

function encode(type: Type, seed: Uint8Array): Bytes {
  const { arcs } = algorithms[type];
  const algorithm = [0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, ...arcs];
  const content = [0x02, 1, 0, ...algorithm, 0x04, 2 + seed.length, 0x80, seed.length];
  // All lengths are below 128.
  const head = [0x30, content.length + seed.length, ...content];
  const bytes = new Uint8Array(head.length + seed.length);
  bytes.set(head);
  bytes.set(seed, head.length);
  return bytes;
}

/** What the types of Node.js 22 lack. */
interface WithSeed {
  export(options: { readonly format: "raw-seed" }): Buffer;
}

function exportSeed(key: KeyObject): Buffer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (key as unknown as WithSeed).export({ format: "raw-seed" });
}
