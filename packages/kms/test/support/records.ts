/** Keys' records in the states that a record can be in. */
import { createSecretKey, type KeyObject } from "node:crypto";
import type { ImportedFacts, KeyRecord, KeyVersion } from "../../src/store/key-record.ts";

export const keyId: string = "0123abcd-4567-89ab-cdef-0123456789ab";
const secret = (fill: number, length = 32): KeyObject =>
  createSecretKey(new Uint8Array(length).fill(fill));
export const version = (fill: number, more: Partial<KeyVersion> = {}): KeyVersion => ({
  created: fill,
  rotation: undefined,
  material: secret(fill),
  imported: undefined,
  ...more,
});
export const record: KeyRecord = {
  keyId,
  region: "local",
  regions: undefined,
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
  tags: new Map([
    ["team", "blue"],
    ["__proto__", "x"],
    ["7", ""],
  ]),
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
export const imported: ImportedFacts = { fingerprint: "f", expires: 1000, description: "d" };
export const external: KeyRecord = {
  ...record,
  origin: "EXTERNAL",
  rotation: undefined,
  versions: [
    version(1, { imported }),
    version(2, { material: undefined, imported, rotation: "ON_DEMAND" }),
  ],
  pending: version(3, { imported: { ...imported, expires: undefined } }),
};
export const pending: KeyRecord = {
  ...record,
  enabled: false,
  deletion: { date: 1000, windowDays: 7 },
};
