import { createSecretKey } from "node:crypto";
import { expect, it } from "vitest";
import {
  isAccountId,
  openDescriptor,
  parseDescriptor,
  sealDescriptor,
  SEALED_ROOT_BYTES,
  type Descriptor,
} from "../../src/store/descriptor.ts";
import { random } from "../../src/material/seal.ts";

const descriptor: Descriptor = {
  keystoreId: "0123abcd-4567-89ab-cdef-0123456789ab",
  accountId: "000000000000",
  region: "local",
  created: 1,
  root: { kind: "key-file" },
};
const key = createSecretKey(random(32));
const root = createSecretKey(random(32));

it("opens to the root key under the source's key", () => {
  const sealed = sealDescriptor(descriptor, key, root);
  expect(sealed.root).toHaveLength(SEALED_ROOT_BYTES);
  expect(openDescriptor(sealed, key)?.equals(root)).toBe(true);
  expect(openDescriptor(sealed, root)).toBeUndefined();
});

it("does not open once a character or bit of it was changed", () => {
  const sealed = sealDescriptor(descriptor, key, root);
  expect(openDescriptor({ ...sealed, facts: sealed.facts.replace("local", "other") }, key)).toBe(
    undefined,
  );
  expect(openDescriptor({ ...sealed, facts: `${sealed.facts} ` }, key)).toBeUndefined();
  for (let bit = 0; bit < SEALED_ROOT_BYTES * 8; bit++) {
    const changed = sealed.root.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(openDescriptor({ ...sealed, root: changed }, key)).toBeUndefined();
  }
  expect(openDescriptor({ ...sealed, root: sealed.root.slice(1) }, key)).toBeUndefined();
});

it.each<Descriptor["root"]>([
  { kind: "key-file" },
  { kind: "environment" },
  { kind: "passphrase", n: 2 ** 17, salt: "AAAA" },
  { kind: "cmk", provider: "aws-kms", keyId: "arn:…", wrapped: "AAAA" },
])("reads what it wrote: %o", (source) => {
  const made = { ...descriptor, root: source };
  expect(parseDescriptor(sealDescriptor(made, key, root).facts)).toEqual(made);
});

// Requirements: F13
it("reads nothing else", () => {
  const text = (change: object): string => JSON.stringify({ ...descriptor, ...change });
  for (const facts of [
    "",
    "{",
    "null",
    "[]",
    text({ keystoreId: "x" }),
    text({ accountId: "1" }),
    text({ region: "Local" }),
    text({ created: "now" }),
    text({ root: undefined }),
    text({ root: { kind: "none" } }),
    text({ root: { kind: "passphrase", n: "131072", salt: "AAAA" } }),
    text({ root: { kind: "cmk", provider: "aws-kms", keyId: "", wrapped: "AAAA" } }),
    text({}) + " ".repeat(16_384),
  ]) {
    expect(parseDescriptor(facts)).toBeUndefined();
  }
});

it("knows accounts", () => {
  expect(["000000000000", "12345678901", "1234567890123", "x", 0].map(isAccountId)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});
