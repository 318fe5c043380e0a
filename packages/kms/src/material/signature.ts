/**
 * Signatures over messages and over digests.
 *
 * node:crypto signs messages only: it always hashes. How digests are signed nevertheless is in rsa-digest.ts and
 * ecdsa-digest.ts. Ed25519 and ML-DSA hash the message together with secrets or the public key, so no digest of the
 * message alone takes its place.
 *
 * Source: RFC 8017, sections 8.1 and 8.2; FIPS 186-5; FIPS 204, algorithms 2 and 3, with an empty context
 *
 * @module
 */
import {
  constants,
  sign as signMessage,
  verify as verifyMessage,
  type KeyObject,
} from "node:crypto";
import type { Bytes } from "@env/core";
import type { SigningAlgorithm } from "../catalogue/key-specs.ts";
import { signEcdsaDigest, verifyEcdsaDigest } from "./ecdsa-digest.ts";
import { plainBytes } from "./material.ts";
import { signRsaDigest, verifyRsaDigest, type Hash } from "./rsa-digest.ts";

/** Whether the bytes to be signed are a message, or the digest of one. */
export type MessageType = "RAW" | "DIGEST";

type RsaScheme = { readonly kind: "pss" | "pkcs1"; readonly hash: Hash };
type Scheme =
  | RsaScheme
  | { readonly kind: "ecdsa"; readonly hash: Hash }
  /** Messages only, and the algorithm has a hash of its own. */
  | { readonly kind: "pure" };

const schemes: Readonly<Record<SigningAlgorithm, Scheme>> = {
  RSASSA_PSS_SHA_256: { kind: "pss", hash: "sha256" },
  RSASSA_PSS_SHA_384: { kind: "pss", hash: "sha384" },
  RSASSA_PSS_SHA_512: { kind: "pss", hash: "sha512" },
  RSASSA_PKCS1_V1_5_SHA_256: { kind: "pkcs1", hash: "sha256" },
  RSASSA_PKCS1_V1_5_SHA_384: { kind: "pkcs1", hash: "sha384" },
  RSASSA_PKCS1_V1_5_SHA_512: { kind: "pkcs1", hash: "sha512" },
  ECDSA_SHA_256: { kind: "ecdsa", hash: "sha256" },
  ECDSA_SHA_384: { kind: "ecdsa", hash: "sha384" },
  ECDSA_SHA_512: { kind: "ecdsa", hash: "sha512" },
  ED25519_SHA_512: { kind: "pure" },
  ML_DSA_SHAKE_256: { kind: "pure" },
};

const digestLengths: Readonly<Record<Hash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** Length of the digests that an algorithm signs; `undefined`: it signs messages only. */
export function digestBytes(algorithm: SigningAlgorithm): number | undefined {
  const scheme = schemes[algorithm];
  return scheme.kind === "pure" ? undefined : digestLengths[scheme.hash];
}

/**
 * Signs with a private key that fits the algorithm. The signature of an ECDSA key is DER.
 *
 * @param message - Of type `DIGEST`: {@link digestBytes} of them.
 * @returns `undefined` for a digest that is 0 modulo the order of an elliptic curve.
 * @throws RangeError for a digest where the algorithm signs none.
 */
export function sign(
  key: KeyObject,
  algorithm: SigningAlgorithm,
  message: Uint8Array,
  type: MessageType,
): Bytes | undefined {
  const scheme = schemes[algorithm];
  if (type === "RAW") {
    return plainBytes(signMessage(hashOf(scheme), message, { key, ...padding(scheme) }));
  }
  if (isRsa(scheme)) return signRsaDigest(key, scheme.kind, scheme.hash, message);
  if (scheme.kind === "ecdsa") return signEcdsaDigest(key, scheme.hash, message);
  throw new RangeError(`${algorithm} signs no digests`);
}

/** Whether a signature is what {@link sign} could have made. `key` is private; for messages, it may be public. */
export function verify(
  key: KeyObject,
  algorithm: SigningAlgorithm,
  message: Uint8Array,
  type: MessageType,
  signature: Uint8Array,
): boolean {
  const scheme = schemes[algorithm];
  if (type === "RAW") {
    return verifyMessage(hashOf(scheme), message, { key, ...padding(scheme) }, signature);
  }
  if (isRsa(scheme)) return verifyRsaDigest(key, scheme.kind, scheme.hash, message, signature);
  if (scheme.kind === "ecdsa") return verifyEcdsaDigest(key, scheme.hash, message, signature);
  throw new RangeError(`${algorithm} signs no digests`);
}

function isRsa(scheme: Scheme): scheme is RsaScheme {
  return scheme.kind === "pss" || scheme.kind === "pkcs1";
}

function hashOf(scheme: Scheme): Hash | null {
  return scheme.kind === "pure" ? null : scheme.hash;
}

/** AWS's salts are as long as the hash, and no other length verifies. */
function padding({ kind }: Scheme): { padding?: number; saltLength?: number } {
  if (kind === "pkcs1") return { padding: constants.RSA_PKCS1_PADDING };
  if (kind !== "pss") return {};
  return {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
}
