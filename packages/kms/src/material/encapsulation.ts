/**
 * ML-KEM: a shared secret, and its encapsulated form.
 *
 * Source: FIPS 203, algorithms 20 and 21
 *
 * @module
 */
import * as crypto from "node:crypto";
import type { Bytes } from "@env/core";
import { keySpecs, type KeySpec } from "../catalogue/key-specs.ts";
import { plainBytes } from "./material.ts";

/** What Node.js 22 lacks, and so do its types. No key to call these with is available there. */
interface Encapsulation {
  readonly encapsulate: (key: crypto.KeyObject) => {
    readonly sharedKey: Buffer<ArrayBuffer>;
    readonly ciphertext: Buffer<ArrayBuffer>;
  };
  readonly decapsulate: (key: crypto.KeyObject, ciphertext: Uint8Array) => Buffer<ArrayBuffer>;
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const { encapsulate, decapsulate } = crypto as unknown as Encapsulation;

/** A new secret of 32 bytes, the caller's to wipe, for the owner of a key. */
export function encapsulateSecret(key: crypto.KeyObject): {
  readonly secret: Bytes;
  readonly ciphertext: Bytes;
} {
  const { sharedKey, ciphertext } = encapsulate(key);
  return { secret: plainBytes(sharedKey), ciphertext: plainBytes(ciphertext) };
}

/**
 * The secret of 32 bytes, the caller's to wipe. A ciphertext that was altered, or made for another key, gives another
 * secret: it is rejected implicitly.
 *
 * @returns `undefined` for a ciphertext of another length than the key's.
 */
export function decapsulateSecret(
  key: crypto.KeyObject,
  keySpec: KeySpec,
  ciphertext: Uint8Array,
): Bytes | undefined {
  const { material } = keySpecs[keySpec];
  if (!("ciphertextBytes" in material) || ciphertext.length !== material.ciphertextBytes) {
    return undefined;
  }
  return plainBytes(decapsulate(key, ciphertext));
}
