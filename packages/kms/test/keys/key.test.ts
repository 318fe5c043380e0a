import { createHash, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  currentVersion,
  decodeRecord,
  encodeRecord,
  isGone,
  isPresent,
  keyMaterialId,
  keyState,
  versionOf,
  type KeyRecord,
  type KeyVersion,
} from "../../src/keys/key.ts";

const keyId = "0123abcd-4567-89ab-cdef-0123456789ab";
const secret = (fill: number, length = 32): KeyObject =>
  createSecretKey(new Uint8Array(length).fill(fill));
const version = (fill: number, more: Partial<KeyVersion> = {}): KeyVersion => ({
  created: fill,
  rotation: undefined,
  material: secret(fill),
  imported: undefined,
  ...more,
});
const record: KeyRecord = {
  keyId,
  created: 1,
  description: "für Übungen \u{1F511}",
  keySpec: "SYMMETRIC_DEFAULT",
  keyUsage: "ENCRYPT_DECRYPT",
  origin: "AWS_KMS",
  manager: "CUSTOMER",
  enabled: true,
  deletion: undefined,
  policy: "{}",
  aliases: [{ name: "alias/app", created: 2, updated: 3 }],
  tags: JSON.parse('{"team":"blue","__proto__":"x"}') as Record<string, string>,
  grants: [
    {
      grantId: "0".repeat(64),
      name: "n",
      created: 4,
      effective: 5,
      grantee: "arn:aws:iam::000000000000:user/alice",
      issuingAccount: "arn:aws:iam::000000000000:root",
      operations: ["Decrypt"],
      constraints: { encryptionContextEquals: { tenant: "acme" } },
      tokenHashes: ["1".repeat(64)],
    },
  ],
  rotation: { periodInDays: 90, next: 6 },
  versions: [version(1), version(2, { rotation: "AUTOMATIC" })],
  pending: undefined,
};
const imported = { fingerprint: "f", expires: 1000, description: "d" };
const external: KeyRecord = {
  ...record,
  origin: "EXTERNAL",
  rotation: undefined,
  versions: [
    version(1, { imported }),
    version(2, { material: undefined, imported, rotation: "ON_DEMAND" }),
  ],
  pending: version(3, { imported: { ...imported, expires: undefined } }),
};
const pending = { ...record, enabled: false, deletion: { date: 1000, windowDays: 7 } };
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
    ["without aliases, tags and grants", { ...record, aliases: [], tags: {}, grants: [] }],
    ["with imported material", external],
    ["that waits for its material", { ...external, versions: [], pending: undefined }],
    ["asymmetric", signer],
    ["multi-Region", { ...record, keyId: "mrk-0123abcd456789abcdef0123456789ab" }],
  ])("read back a key %s, and wipe the bytes", (_, one: KeyRecord) => {
    const bytes = encodeRecord(one);
    const read = decodeRecord(keyId, bytes);
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
      head(text.replace('"multiRegion":false,', ""), 64),
      head(text.replace('"grants":[', '"grant":['), 64),
      head(text.replace('"periodInDays":90', '"periodInDays":"90"'), 64),
    ]) {
      expect(decodeRecord(keyId, bytes)).toBeUndefined();
    }
    expect(decodeRecord(keyId, head(text, 64))).toBeDefined();
  });
});

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

it("is gone from its deletion date on, to the millisecond", () => {
  expect(isGone(pending, 999)).toBe(false);
  expect(isGone(pending, 1000)).toBe(true);
  expect(isGone(record, Infinity)).toBe(false);
});
