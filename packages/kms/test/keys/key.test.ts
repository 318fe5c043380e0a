import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  currentVersion,
  isPresent,
  keyMaterialId,
  keyState,
  versionOf,
} from "../../src/keys/key.ts";
import type { KeyRecord } from "../../src/store/key-record.ts";
import { external, imported, keyId, pending, record, version } from "../support/records.ts";

it("encrypts with the last version and finds the others by number", () => {
  expect(currentVersion(record)).toMatchObject({ keyId, keyVersion: 2 });
  expect(versionOf(record, 1)?.key).toBe(record.versions[0]?.material);
  for (const unknown of [0, 3, -1, 2 ** 32 - 1]) expect(versionOf(record, unknown)).toBeUndefined();
  expect(versionOf(external, 2)).toBeUndefined();
  expect(() => currentVersion(external)).toThrow(RangeError);
});

it("names material by key and version", () => {
  const bytes = Buffer.from("0123abcd456789abcdef0123456789ab00000002", "hex");
  const hash = createHash("sha256").update("env/1/keymaterial\0").update(bytes);
  expect(keyMaterialId(keyId, 2)).toBe(hash.digest("hex"));
  expect(keyMaterialId(keyId, 1)).not.toBe(keyMaterialId(keyId, 2));
});

describe("keyState", () => {
  it.each<[string, KeyRecord, number, string]>([
    ["enabled", record, 0, "Enabled"],
    ["disabled", { ...record, enabled: false }, 0, "Disabled"],
    ["pending deletion", pending, 0, "PendingDeletion"],
    ["pending deletion, and without material", { ...pending, versions: [] }, 0, "PendingDeletion"],
    ["without material", { ...external, versions: [] }, 0, "PendingImport"],
    ["without the material of one version", external, 0, "PendingImport"],
    ["disabled, and without material", { ...external, enabled: false }, 0, "PendingImport"],
    [
      "with material that has not expired",
      { ...external, versions: [version(1, { imported })] },
      999,
      "Enabled",
    ],
    [
      "with material that expires now",
      { ...external, versions: [version(1, { imported })] },
      1000,
      "PendingImport",
    ],
  ])("of a key %s", (_, one, now, state) => {
    expect(keyState(one, now)).toBe(state);
  });
});

it("counts material that never expires as present, always", () => {
  expect(isPresent(version(1), Number.MAX_SAFE_INTEGER)).toBe(true);
  expect(isPresent(version(1, { imported: { ...imported, expires: undefined } }), 1e15)).toBe(true);
});
