import { expect, it } from "vitest";
import { closest, didYouMean } from "../../src/policy/closest.ts";

const names = ["kms:Decrypt", "kms:Encrypt", "kms:DescribeKey"];

it.each([
  ["kms:Decrytp", "kms:Decrypt"],
  ["KMS:DECRYPT", "kms:Decrypt"],
  ["kms:Encrpt", "kms:Encrypt"],
  ["kms:Describe", "kms:DescribeKey"],
])("takes %s for %s", (name, meant) => {
  expect(closest(name, names)).toBe(meant);
  expect(didYouMean(name, names)).toBe(` Did you mean ${meant}?`);
});

it.each(["", "s3:GetObject", "kms:Decrypt".repeat(20)])("takes %j for nothing it knows", (name) => {
  expect(closest(name, names)).toBeUndefined();
  expect(didYouMean(name, names)).toBe("");
});
