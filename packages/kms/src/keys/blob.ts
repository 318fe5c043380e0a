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
import { randomFillSync } from "node:crypto";
import { encodeEncryptionContext, type Bytes, type Context } from "@env/core";
import { keyIdFromBytes, keyIdToBytes } from "../arn.ts";
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
  randomFillSync(out, 21, SALT_BYTES);
  const header = out.subarray(0, HEADER_BYTES);
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
  blob: Uint8Array,
  context: Context,
): Bytes | undefined {
  const facts = describeCiphertextBlob(blob);
  const uuid = keyIdFromBytes(keyIdToBytes(keyId));
  if (facts?.keyId !== uuid || facts.keyVersion !== keyVersion) return undefined;
  const header = blob.subarray(0, HEADER_BYTES);
  const binding = { label: LABEL, header, aad: encodeEncryptionContext(context) };
  return open(key, binding, blob.subarray(HEADER_BYTES));
}

/**
 * Which key and version a blob says it was made under: for reports. Nothing is verified.
 *
 * @returns `undefined` for bytes that are not such a blob.
 */
export function describeCiphertextBlob(blob: Uint8Array): CiphertextBlobFacts | undefined {
  const length = blob.length - HEADER_BYTES - TAG_BYTES;
  if (blob[0] !== VERSION || length < 1 || length > MAX_PLAINTEXT_BYTES) return undefined;
  const keyVersion = new DataView(blob.buffer, blob.byteOffset).getUint32(17);
  return { keyId: keyIdFromBytes(blob.subarray(1, 17)), keyVersion };
}
