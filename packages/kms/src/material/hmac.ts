/**
 * HMAC with HMAC keys.
 *
 * Source: RFC 2104, FIPS 198-1
 *
 * @module
 */
import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import type { MacAlgorithm } from "../catalogue/key-specs.ts";
import { plainBytes } from "./material.ts";

const hashes: Readonly<Record<MacAlgorithm, string>> = {
  HMAC_SHA_224: "sha224",
  HMAC_SHA_256: "sha256",
  HMAC_SHA_384: "sha384",
  HMAC_SHA_512: "sha512",
};

/** The MAC, as long as the hash: 28, 32, 48 or 64 bytes. */
export function computeMac(key: KeyObject, algorithm: MacAlgorithm, message: Uint8Array): Bytes {
  return plainBytes(createHmac(hashes[algorithm], key).update(message).digest());
}

/** Whether it is the message's whole MAC; in constant time. */
export function verifyMac(
  key: KeyObject,
  algorithm: MacAlgorithm,
  message: Uint8Array,
  mac: Uint8Array,
): boolean {
  const expected = computeMac(key, algorithm, message);
  try {
    return expected.length === mac.length && timingSafeEqual(expected, mac);
  } finally {
    // With the message that was tried it would be a valid pair.
    expected.fill(0);
  }
}
