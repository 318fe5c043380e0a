import { createHmac, createSecretKey } from "node:crypto";
import { expect, it } from "vitest";
import {
  label,
  open,
  openRow,
  OVERHEAD_BYTES,
  random,
  seal,
  sealRow,
  secretKey,
} from "../../src/material/seal.ts";

const raw = Uint8Array.from({ length: 32 }, (_, i) => i);
const key = createSecretKey(raw);
const binding = {
  label: label("test"),
  header: Uint8Array.of(1, 2, 3),
  aad: Uint8Array.of(4, 5),
};
const plaintext = Uint8Array.of(9, 8, 7);

it("derives with one block of HKDF-Expand-SHA-512 and a zero nonce", async () => {
  const info = Uint8Array.of(...new TextEncoder().encode("test"), 0, 1, 2, 3, 1);
  const derived = createHmac("sha512", raw).update(info).digest().subarray(0, 32);
  const webKey = await crypto.subtle.importKey("raw", derived, "AES-GCM", false, ["decrypt"]);
  const algorithm = { name: "AES-GCM", iv: new Uint8Array(12), additionalData: binding.aad };
  const opened = await crypto.subtle.decrypt(algorithm, webKey, seal(key, binding, plaintext));
  expect(new Uint8Array(opened)).toEqual(plaintext);
});

it("opens what it sealed, also an empty plaintext", () => {
  expect(open(key, binding, seal(key, binding, plaintext))).toEqual(plaintext);
  expect(open(key, binding, seal(key, binding, new Uint8Array(0)))).toEqual(new Uint8Array(0));
});

it("does not open with one bit changed in label, header, aad or ciphertext", () => {
  const sealed = seal(key, binding, plaintext);
  for (const part of ["label", "header", "aad"] as const) {
    const changed = binding[part].slice();
    changed[0] = (changed[0] ?? 0) ^ 1;
    expect(open(key, { ...binding, [part]: changed }, sealed), part).toBeUndefined();
  }
  for (let i = 0; i < sealed.length * 8; i++) {
    const changed = sealed.slice();
    changed[i >> 3] = (changed[i >> 3] ?? 0) ^ (1 << (i & 7));
    expect(open(key, binding, changed)).toBeUndefined();
  }
});

it("does not open what is shorter than a tag", () => {
  expect(open(key, binding, new Uint8Array(15))).toBeUndefined();
  expect(open(key, binding, new Uint8Array(0))).toBeUndefined();
});

it("puts version and salt in front of what lies in a row", () => {
  const { label: name, aad } = binding;
  const row = sealRow(key, name, aad, plaintext);
  expect([row[0], row.length]).toEqual([1, plaintext.length + OVERHEAD_BYTES]);
  expect(openRow(key, name, aad, row)).toEqual(plaintext);
  expect(sealRow(key, name, aad, plaintext)).not.toEqual(row);
  for (let length = 0; length < row.length; length++) {
    expect(openRow(key, name, aad, row.subarray(0, length)), `${length}`).toBeUndefined();
  }
});

it("opens no row of another version, be it sealed as it should", () => {
  const { label: name, aad } = binding;
  const header = Uint8Array.of(2, ...random(24));
  const row = Buffer.concat([header, seal(key, { label: name, header, aad }, plaintext)]);
  expect(openRow(key, name, aad, row)).toBeUndefined();
});

it("wipes the bytes that become a key", () => {
  const bytes = random(32);
  const copy = bytes.slice();
  expect(secretKey(bytes).equals(createSecretKey(copy))).toBe(true);
  expect(bytes).toEqual(new Uint8Array(32));
});

it("gives random bytes over a buffer of their own", () => {
  const bytes = random(24);
  expect(bytes.buffer.byteLength).toBe(24);
  expect(bytes).not.toEqual(random(24));
});
