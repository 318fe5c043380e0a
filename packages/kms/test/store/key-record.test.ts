import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeRecord, encodeRecord, isGone, type KeyRecord } from "../../src/store/key-record.ts";
import { external, keyId, pending, record, version } from "../support/records.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const signer: KeyRecord = {
  ...record,
  keySpec: "ECC_NIST_P256",
  keyUsage: "SIGN_VERIFY",
  rotation: undefined,
  versions: [version(1, { material: privateKey })],
};

/** With the bytes of the material, so that records compare. */
function plain({ versions, pending: next, ...rest }: KeyRecord): unknown {
  const raw = (material: KeyObject | undefined): unknown =>
    material?.type === "private"
      ? material.export({ format: "der", type: "pkcs8" })
      : material?.export();
  const all = next === undefined ? versions : [...versions, next];
  return { ...rest, versions: all, raw: all.map(({ material }) => raw(material)) };
}

describe("encodeRecord, decodeRecord", () => {
  it.each([
    ["symmetric", record],
    ["pending deletion", pending],
    ["without aliases, tags and grants", { ...record, aliases: [], tags: new Map(), grants: [] }],
    ["with imported material", external],
    ["that waits for its material", { ...external, versions: [], pending: undefined }],
    ["asymmetric", signer],
    [
      "multi-Region",
      {
        ...record,
        keyId: "mrk-0123abcd456789abcdef0123456789ab",
        regions: ["eu-west-1", "local"],
        deletion: { date: undefined, windowDays: 7 },
      },
    ],
  ])("read back a key %s, and wipe the bytes", (_, one: KeyRecord) => {
    const bytes = encodeRecord(one);
    const read = decodeRecord(keyId, "local", bytes);
    expect(read && plain(read)).toEqual(plain(one));
    expect(bytes).toEqual(new Uint8Array(bytes.length));
  });

  it("keep key material out of the head, as raw bytes at the end", () => {
    const bytes = encodeRecord(record);
    expect(bytes.subarray(-64, -32)).toEqual(new Uint8Array(32).fill(1));
    expect(bytes.subarray(-32)).toEqual(new Uint8Array(32).fill(2));
    const head: unknown = JSON.parse(Buffer.from(bytes.subarray(4, -64)).toString());
    expect(head).toMatchObject({
      versions: [
        { created: 1, bytes: 32 },
        { created: 2, bytes: 32 },
      ],
    });
    expect(JSON.stringify(head)).not.toContain("material");
  });

  it("refuse bytes that no record has", () => {
    const whole = encodeRecord(record);
    const head = (text: string, material: number): Uint8Array<ArrayBuffer> => {
      const bytes = new TextEncoder().encode(text);
      const out = new Uint8Array(4 + bytes.length + material);
      new DataView(out.buffer).setUint32(0, bytes.length);
      out.set(bytes, 4);
      return out;
    };
    const text = Buffer.from(whole.subarray(4, -64)).toString();
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(3),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      whole.slice(0, -1),
      Uint8Array.of(...whole, 0),
      head("{", 64),
      head("null", 64),
      head("{}", 64),
      head(text.replace("SYMMETRIC_DEFAULT", "SYMMETRIC_OTHER"), 64),
      head(text.replace("SYMMETRIC_DEFAULT", "HMAC_512"), 64),
      head(text.replace('"bytes":32', '"bytes":31'), 64),
      head(text.replace('"enabled":true', '"enabled":1'), 64),
      head(text.replace('"enabled":true', '"enabled":true,"regions":1'), 64),
      head(text.replace('"grants":[', '"grant":['), 64),
      head(text.replace('"periodInDays":90', '"periodInDays":"90"'), 64),
    ]) {
      expect(decodeRecord(keyId, "local", bytes)).toBeUndefined();
    }
    expect(decodeRecord(keyId, "local", head(text, 64))).toBeDefined();
  });
});

it("is gone from its deletion date on, to the millisecond", () => {
  expect(isGone(pending, 999)).toBe(false);
  expect(isGone(pending, 1000)).toBe(true);
  expect(isGone(record, Infinity)).toBe(false);
});
