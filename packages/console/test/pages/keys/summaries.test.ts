import { expect, test } from "vitest";
import { isUnused, type Summary } from "../../../src/pages/keys/summaries.ts";

const DAY = 86_400_000;
const now = Date.parse("2026-11-30T00:00:00Z");

function key(created: number, used: number | null | undefined): Summary {
  return {
    KeyId: "id",
    KeyArn: "arn",
    Metadata: {
      AWSAccountId: "111122223333",
      KeyId: "id",
      Arn: "arn",
      CreationDate: new Date(now - created * DAY),
      Enabled: true,
      Description: "",
      KeyUsage: "ENCRYPT_DECRYPT",
      KeyState: "Enabled",
      Origin: "AWS_KMS",
      KeyManager: "CUSTOMER",
      CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
      KeySpec: "SYMMETRIC_DEFAULT",
      MultiRegion: false,
    },
    ...(used === undefined
      ? {}
      : {
          LastUse:
            used === null ? null : { Operation: "Decrypt", Time: new Date(now - used * DAY) },
        }),
  };
}

test.each([
  ["used yesterday", key(400, 1), false],
  ["used long ago", key(400, 90), true],
  ["never used, and old", key(90, null), true],
  ["never used, and new", key(89, null), false],
  ["of which the caller may not know it", key(400, undefined), false],
])("a key %s: unused for 90 days is %3$s", (_, summary, expected) => {
  expect(isUnused(summary, 90, now)).toBe(expected);
});
