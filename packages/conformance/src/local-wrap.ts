/**
 * Opens ciphertext blobs of the local KMS, from the specification alone: this file and `@env/kms` share
 * no code, so that the vectors check one against the other. Needs Node.
 *
 * Source: spec/envelope-v1.md#local-wrap
 *
 * @module
 */
import { createDecipheriv, createHmac, createSecretKey } from "node:crypto";
import type { Bytes } from "@env/core";
import { concat, fromHex } from "./bytes.ts";

/** A CMK of the local KMS: its UUID, and its version keys in hex, by decimal version number. */
export interface LocalKey {
  readonly keyId: string;
  readonly versions: Readonly<Record<string, string>>;
}

const FORMAT = 1;
const HEADER_BYTES = 1 + 16 + 4 + 24;
const TAG_BYTES = 16;
const MAX_PLAINTEXT_BYTES = 4096;
const LABEL = new TextEncoder().encode("env/1/localwrap\0");

/**
 * @param aad - The canonical encoding of the encryption context.
 * @returns 1 to 4096 bytes, or `undefined` for an invalid ciphertext.
 */
export function openLocalBlob(key: LocalKey, blob: Uint8Array, aad: Uint8Array): Bytes | undefined {
  const length = blob.length - HEADER_BYTES - TAG_BYTES;
  if (length < 1 || length > MAX_PLAINTEXT_BYTES || blob[0] !== FORMAT) return undefined;
  const header = Buffer.from(blob.subarray(0, HEADER_BYTES));
  if (header.toString("hex", 1, 17) !== key.keyId.replaceAll("-", "")) return undefined;
  const versionKey = key.versions[String(header.readUInt32BE(17))];
  if (versionKey === undefined) return undefined;
  // HKDF-Expand for one block: HMAC(PRK, info || 01), cut to 32 bytes.
  const expanded = createHmac("sha512", createSecretKey(fromHex(versionKey)))
    .update(concat(LABEL, header, Uint8Array.of(1)))
    .digest();
  const wrappingKey = createSecretKey(expanded.subarray(0, 32));
  const decipher = createDecipheriv("aes-256-gcm", wrappingKey, new Uint8Array(12), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad).setAuthTag(blob.subarray(-TAG_BYTES));
  const plaintext = new Uint8Array(decipher.update(blob.subarray(HEADER_BYTES, -TAG_BYTES)));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}
