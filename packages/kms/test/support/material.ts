/** Keys of every kind, made once per test file: an RSA_4096 takes seconds. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { keySpecs, type KeySpec, type SigningAlgorithm } from "../../src/catalogue/key-specs.ts";
import { generateMaterial, isAvailable } from "../../src/material/material.ts";
import { digestBytes } from "../../src/material/signature.ts";

/** Those that this Node.js can make keys of. */
export const allSpecs = (Object.keys(keySpecs) as KeySpec[]).filter(isAvailable);
export const pairSpecs = allSpecs.filter((spec) => keySpecs[spec].material.type !== "secret");

const made = new Map<KeySpec, Promise<KeyObject>>();

export function sample(spec: KeySpec): Promise<KeyObject> {
  const known = made.get(spec) ?? generateMaterial(spec);
  made.set(spec, known);
  return known;
}

export async function samplePair(
  spec: KeySpec,
): Promise<{ readonly privateKey: KeyObject; readonly publicKey: KeyObject }> {
  const privateKey = await sample(spec);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** Every key spec with every algorithm that signs under it. */
export const signers = allSpecs.flatMap((spec) =>
  keySpecs[spec].signing.map((algorithm): [KeySpec, SigningAlgorithm] => [spec, algorithm]),
);

/** Those that sign digests. */
export const digestSigners = signers.filter(
  ([, algorithm]) => digestBytes(algorithm) !== undefined,
);

/** `sha256` of `…_SHA_256`, as node:crypto takes it; `null` where the algorithm has a hash of its own. */
export function hashName(algorithm: SigningAlgorithm): string | null {
  return digestBytes(algorithm) === undefined ? null : `sha${algorithm.slice(-3)}`;
}

/** @param algorithm - One that signs digests. */
export function digestOf(algorithm: SigningAlgorithm, message: Uint8Array): Uint8Array {
  return createHash(String(hashName(algorithm)))
    .update(message)
    .digest();
}

/** A copy with one bit of a byte turned. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Plain bytes: a Buffer is not equal to them. */
export const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
export const hex = (text: string): Uint8Array => plain(Buffer.from(text, "hex"));
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
