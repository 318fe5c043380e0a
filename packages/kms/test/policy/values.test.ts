import fc from "fast-check";
import { expect, it } from "vitest";
import { accessor, conditionValues, isIdentityOnly, lowerCase } from "../../src/policy/values.ts";
import { alice, keyFacts, request } from "./support/requests.ts";

it("folds A to Z and nothing else", () => {
  expect(lowerCase("AbZ-09_\u00c9\u212a\u0130")).toBe("abz-09_\u00c9\u212a\u0130");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
      expect(lowerCase(text)).toBe(text.toLowerCase());
    }),
  );
});

it("takes conditions by their names in any case, those that differ in case alone together", () => {
  const named = {
    "aws:RequestTag/Team": "red",
    "aws:RequestTag/\u212a\u00c9": "x",
    "aws:RequestTag/team": "blue",
    "aws:RequestTag/TEAM": ["green"],
    "aws:TagKeys": ["a"],
    "kms:RetiringPrincipal": undefined,
  };
  expect([...conditionValues(named)]).toEqual([
    ["aws:requesttag/team", ["red", "blue", "green"]],
    ["aws:requesttag/\u212a\u00c9", "x"],
    ["aws:tagkeys", ["a"]],
  ]);
});

it("has one value per spelling of a name, and all of them for names that differ in case", () => {
  const value = accessor("kms:encryptioncontext:ab", "key");
  expect(value(request({ encryptionContext: { aB: "1" } }))).toBe("1");
  expect(value(request({ encryptionContext: { aB: "1", AB: "2", ab: "3", abc: "4" } }))).toEqual([
    "1",
    "2",
    "3",
  ]);
  expect(value(request({ encryptionContext: {} }))).toBeUndefined();
});

it("takes names that every object inherits for absent", () => {
  const asked = request({ caller: { ...alice, tags: {} } });
  for (const name of ["constructor", "tostring", "__proto__", "hasownproperty"]) {
    expect(accessor(`aws:principaltag/${name}`, "identity")(asked)).toBeUndefined();
    expect(accessor(`kms:encryptioncontext:${name}`, "identity")(asked)).toBeUndefined();
  }
});

it("finds a tag of the name __proto__", () => {
  const tags: Record<string, string> = Object.create(null);
  tags["__proto__"] = "x";
  const asked = request({ caller: { ...alice, tags } });
  expect(accessor("aws:principaltag/__proto__", "identity")(asked)).toBe("x");
});

it("hides from key policies what names and marks a key", () => {
  const asked = request({ key: keyFacts({ tags: { team: "red" } }) });
  expect(accessor("kms:resourcealiases", "identity")(asked)).toEqual(["alias/app"]);
  expect(accessor("kms:resourcealiases", "key")(asked)).toBeUndefined();
  expect(accessor("aws:resourcetag/team", "identity")(asked)).toBe("red");
  expect(accessor("aws:resourcetag/team", "key")(asked)).toBeUndefined();
  expect(isIdentityOnly("KMS:ResourceAliases")).toBe(true);
  expect(isIdentityOnly("kms:ResourceAliasesX")).toBe(false);
  expect(isIdentityOnly("aws:ResourceTag/")).toBe(true);
});

it("also gives the deprecated names of spec and usage", () => {
  expect(accessor("kms:customermasterkeyspec", "key")(request())).toBe("SYMMETRIC_DEFAULT");
  expect(accessor("kms:customermasterkeyusage", "key")(request())).toBe("ENCRYPT_DECRYPT");
});
