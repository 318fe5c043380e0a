import { expect, it } from "vitest";
import { closest, didYouMean } from "../src/closest.ts";

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

it("takes the first of those that are as near", () => {
  expect(closest("bat", ["cat", "rat"])).toBe("cat");
});

it("counts what is added and left out at the beginning", () => {
  expect(closest("kms:Sign", ["yykms:Sign", "xkms:Sign"])).toBe("xkms:Sign");
  expect(closest("yxkms:Sign", ["kms:Sign", "xkms:Sign"])).toBe("xkms:Sign");
  expect(closest("xkms:S", ["kms:Sign", "kms:S"])).toBe("kms:S");
});

it("treats differences of up to a third of a name as a typing mistake", () => {
  expect(closest("abcxyz", ["abcdez"])).toBe("abcdez");
  expect(closest("abxxyz", ["abcdez"])).toBeUndefined();
  expect(closest("abc", ["abcd"])).toBe("abcd");
});

it("looks at names of at most 100 characters", () => {
  expect(closest("a".repeat(100), ["a".repeat(99)])).toBeDefined();
  expect(closest("a".repeat(101), ["a".repeat(100)])).toBeUndefined();
});

it.each(["", "s3:GetObject", "kms:Decrypt".repeat(20)])("takes %j for nothing it knows", (name) => {
  expect(closest(name, names)).toBeUndefined();
  expect(didYouMean(name, names)).toBe("");
});
