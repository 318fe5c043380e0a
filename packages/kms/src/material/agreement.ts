/**
 * Key agreement: the raw shared secret of elliptic curve Diffie-Hellman.
 *
 * Source: NIST SP 800-56A revision 3, section 5.7.1.2 (the cofactor of these curves is 1)
 *
 * @module
 */
import { diffieHellman, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import type { KeySpec } from "../catalogue/key-specs.ts";
import { decodePublicKey, isOfSpec, plainBytes } from "./material.ts";

/**
 * The x coordinate of the shared point: 32, 48 or 66 bytes, the caller's to wipe.
 *
 * @param peer - SubjectPublicKeyInfo in DER.
 * @returns `undefined` for bytes that are not a public key on the curve of `keySpec`.
 */
export function deriveSharedSecret(
  privateKey: KeyObject,
  keySpec: KeySpec,
  peer: Uint8Array,
): Bytes | undefined {
  const publicKey = decodePublicKey(peer);
  if (publicKey === undefined || !isOfSpec(publicKey, keySpec)) return undefined;
  return plainBytes(diffieHellman({ privateKey, publicKey }));
}
