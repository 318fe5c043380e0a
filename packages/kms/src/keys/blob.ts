/**
 * The ciphertext blob: what Encrypt and GenerateDataKey return and Decrypt takes.
 *
 *     01 || key uuid (16) || key version u32 || salt (24) || ciphertext (n) || tag (16)
 *
 * It names its key and version, so Decrypt works without a KeyId; both are bound through the header.
 * Whatever does not fit is one rejection: malformed, another key and a wrong context look alike.
 *
 * Source: spec/envelope-v1.md#local-wrap
 *
 * @module
 */
import { encodeEncryptionContext, type Bytes, type Context } from "@env/core";
import { cryptoBackend } from "@env/core/crypto";
import { keyIdFromBytes, keyIdToBytes, uuidOf } from "../arn.ts";
import type { UsableVersion } from "./key.ts";
import { label, open, SALT_BYTES, seal, TAG_BYTES } from "../material/seal.ts";

const VERSION = 1;
const HEADER_BYTES = 1 + 16 + 4 + SALT_BYTES;
const LABEL = label("env/1/localwrap");

/** Most bytes that one blob protects. */
export const MAX_PLAINTEXT_BYTES = 4096;

/** What a blob says of itself, unverified. */
export interface CiphertextBlobFacts {
  /** Lower-case UUID; for a multi-Region key the same 32 digits as after `mrk-`. */
  readonly keyId: string;
  /** Counted from 1. */
  readonly keyVersion: number;
}

/** A blob in its parts, unverified. */
export interface ReadBlob extends CiphertextBlobFacts {
  readonly header: Uint8Array;
  /** Ciphertext and tag. */
  readonly sealed: Uint8Array;
}

/** Encrypts 1 to 4096 bytes. `plaintext` stays the caller's. */
export function sealBlob(
  { keyId, keyVersion, key }: UsableVersion,
  plaintext: Uint8Array,
  context: Context,
): Bytes {
  const out = new Uint8Array(HEADER_BYTES + plaintext.length + TAG_BYTES);
  out[0] = VERSION;
  out.set(keyIdToBytes(keyId), 1);
  new DataView(out.buffer).setUint32(17, keyVersion);
  const header = out.subarray(0, HEADER_BYTES);
  header.set(cryptoBackend().randomPublic(SALT_BYTES), 21);
  const binding = { label: LABEL, header, aad: encodeEncryptionContext(context) };
  out.set(seal(key, binding, plaintext), HEADER_BYTES);
  return out;
}

/**
 * Decrypts a blob under the key that it names; the caller has looked that up.
 *
 * @returns The plaintext, the caller's to wipe; `undefined` for whatever does not fit.
 */
export function openBlob(
  { keyId, keyVersion, key }: UsableVersion,
  blob: ReadBlob,
  context: Context,
): Bytes | undefined {
  if (blob.keyId !== uuidOf(keyId) || blob.keyVersion !== keyVersion) return undefined;
  const { header, sealed } = blob;
  const binding = { label: LABEL, header, aad: encodeEncryptionContext(context) };
  return open(key, binding, sealed);
}

/**
 * Takes a blob apart. The parts are views of its bytes.
 *
 * @returns `undefined` for bytes that are not such a blob.
 */
export function readBlob(bytes: Uint8Array): ReadBlob | undefined {
  const length = bytes.length - HEADER_BYTES - TAG_BYTES;
  if (bytes[0] !== VERSION || length < 1 || length > MAX_PLAINTEXT_BYTES) return undefined;
  return {
    keyId: keyIdFromBytes(bytes.subarray(1, 17)),
    keyVersion: new DataView(bytes.buffer, bytes.byteOffset).getUint32(17),
    header: bytes.subarray(0, HEADER_BYTES),
    sealed: bytes.subarray(HEADER_BYTES),
  };
}

/**
 * Which key and version a blob says it was made under: for reports. Nothing is verified.
 *
 * @returns `undefined` for bytes that are not such a blob.
 */
export function describeCiphertextBlob(blob: Uint8Array): CiphertextBlobFacts | undefined {
  const read = readBlob(blob);
  return read && { keyId: read.keyId, keyVersion: read.keyVersion };
}
