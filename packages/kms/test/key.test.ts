import { createHash, createSecretKey } from "node:crypto";
import { expect, it } from "vitest";
import {
  currentVersion,
  decodeRecord,
  encodeRecord,
  isGone,
  keyMaterialId,
  keyState,
  versionOf,
  type KeyRecord,
} from "../src/key.ts";

const keyId = "0123abcd-4567-89ab-cdef-0123456789ab";
const version = (fill: number): KeyRecord["versions"][number] => ({
  created: fill,
  key: createSecretKey(new Uint8Array(32).fill(fill)),
});
const record: KeyRecord = {
  keyId,
  created: 1,
  description: "für Übungen \u{1F511}",
  enabled: true,
  deletion: undefined,
  policy: "{}",
  aliases: [{ name: "alias/app", created: 2, updated: 3 }],
  versions: [version(1), version(2)],
};
const pending = { ...record, enabled: false, deletion: { date: 1000, windowDays: 7 } };

it("reads back what it wrote, and wipes the bytes", () => {
  for (const one of [record, pending, { ...record, aliases: [] }]) {
    const bytes = encodeRecord(one);
    const read = decodeRecord(keyId, bytes);
    const { versions, ...rest } = read ?? record;
    const { versions: written, ...expected } = one;
    expect(rest).toEqual(expected);
    expect(versions.map(({ key, created }) => [key.export(), created])).toEqual(
      written.map(({ key, created }) => [key.export(), created]),
    );
    expect(bytes).toEqual(new Uint8Array(bytes.length));
  }
});

it("keeps key material out of the head, as raw bytes at the end", () => {
  const bytes = encodeRecord(record);
  expect(bytes.subarray(-64, -32)).toEqual(new Uint8Array(32).fill(1));
  expect(bytes.subarray(-32)).toEqual(new Uint8Array(32).fill(2));
  const head: unknown = JSON.parse(Buffer.from(bytes.subarray(4, -64)).toString());
  expect(head).not.toHaveProperty("key");
  expect(head).toMatchObject({ versions: [{ created: 1 }, { created: 2 }] });
});

it("refuses bytes that no record has", () => {
  const whole = encodeRecord(record);
  const head = (text: string, material: number): Uint8Array<ArrayBuffer> => {
    const bytes = new TextEncoder().encode(text);
    const out = new Uint8Array(4 + bytes.length + material);
    new DataView(out.buffer).setUint32(0, bytes.length);
    out.set(bytes, 4);
    return out;
  };
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(3),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    whole.slice(0, -1),
    head("{", 32),
    head("null", 32),
    head('{"versions":[]}', 0),
    head('{"versions":[{"created":1}]}', 32),
  ]) {
    expect(decodeRecord(keyId, bytes)).toBeUndefined();
  }
});

it("encrypts with the last version and finds the others by number", () => {
  expect(currentVersion(record)).toMatchObject({ keyId, keyVersion: 2 });
  expect(versionOf(record, 1)?.key).toBe(record.versions[0]?.key);
  for (const unknown of [0, 3, -1, 2 ** 32 - 1]) expect(versionOf(record, unknown)).toBeUndefined();
});

it("names material by key and version", () => {
  const bytes = Buffer.from("0123abcd456789abcdef0123456789ab00000002", "hex");
  const hash = createHash("sha256").update("env/1/keymaterial\0").update(bytes);
  expect(keyMaterialId(keyId, 2)).toBe(hash.digest("hex"));
  expect(keyMaterialId(keyId, 1)).not.toBe(keyMaterialId(keyId, 2));
});

it("is gone from its deletion date on, to the millisecond", () => {
  expect(keyState(pending)).toBe("PendingDeletion");
  expect(isGone(pending, 999)).toBe(false);
  expect(isGone(pending, 1000)).toBe(true);
  expect(isGone(record, Infinity)).toBe(false);
});
