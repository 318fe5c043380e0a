import { describe, expect, it } from "vitest";
import { isKeyOf, parseKeyName, parseVersionName } from "../src/name.ts";
import type { KeyName } from "../src/name.ts";

const path = "locations/europe-west1/keyRings/ring_1/cryptoKeys/Orders-2";
const byId = `projects/my-project/${path}`;
const byNumber = `projects/111122223333/${path}`;

function named(text: string): KeyName {
  const name = parseKeyName(text);
  if (name === undefined) throw new Error("it names no key");
  return name;
}

it.each([
  [byId, "my-project"],
  [byNumber, "111122223333"],
  [`projects/example.com:my-project/${path}`, "example.com:my-project"],
])("reads %s", (text, project) => {
  expect(parseKeyName(text)).toEqual({ project, path });
});

it.each([
  "",
  "alias/app",
  "orders",
  `/${byId}`,
  `//cloudkms.googleapis.com/${byId}`,
  `${byId}/`,
  `${byId}\n`,
  `${byId}/cryptoKeyVersions/1`,
  `projects//${path}`,
  `projects/my project/${path}`,
  `projects/a/b/${path}`,
  byId.replace("Orders-2", ""),
  byId.replace("Orders-2", ".."),
  byId.replace("Orders-2", "a:encrypt"),
  byId.replace("Orders-2", "a".repeat(64)),
  byId.replace("europe-west1", "Europe"),
  byId.replace("cryptoKeys", "cryptokeys"),
])("refuses %j", (text) => {
  expect(parseKeyName(text)).toBeUndefined();
});

describe("the name of a version", () => {
  it("is that of its key and a number", () => {
    expect(parseVersionName(`${byId}/cryptoKeyVersions/12`)).toEqual({ key: byId, version: "12" });
  });

  it.each([
    byId,
    `${byId}/cryptoKeyVersions/`,
    `${byId}/cryptoKeyVersions/a`,
    `${byId}/cryptoKeyVersions/1/x`,
    `other/cryptoKeyVersions/1`,
    `${byId}/cryptoKeyVersions/${"1".repeat(20)}`,
  ])("is not %j", (text) => {
    expect(parseVersionName(text)).toBeUndefined();
  });
});

describe("a key", () => {
  it("is the same by its project's id and number, and by nothing else", () => {
    expect(isKeyOf(named(byId), byId)).toBe(true);
    expect(isKeyOf(named(byId), byNumber)).toBe(true);
    expect(isKeyOf(named(byNumber), byId)).toBe(true);
    expect(isKeyOf(named(byNumber), byNumber)).toBe(true);
    expect(isKeyOf(named(byId), byId.replace("my-project", "p111"))).toBe(false);
    expect(isKeyOf(named(byId), byId.replace("my", "your"))).toBe(false);
    expect(isKeyOf(named(byNumber), byNumber.replace("1", "2"))).toBe(false);
    for (const part of ["europe-west1", "ring_1", "Orders-2"]) {
      expect(isKeyOf(named(byId), byId.replace(part, "other"))).toBe(false);
      expect(isKeyOf(named(byId), byNumber.replace(part, "other"))).toBe(false);
    }
    expect(isKeyOf(named(byId), `${byId}/cryptoKeyVersions/1`)).toBe(false);
  });
});
