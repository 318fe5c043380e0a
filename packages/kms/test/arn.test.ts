import { expect, it } from "vitest";
import { keyIdFromBytes, keyIdToBytes, parseKeyReference } from "../src/arn.ts";

const realm = { accountId: "111122223333", region: "local" };
const keyId = "0123abcd-4567-89ab-cdef-0123456789ab";
const parse = (text: string): unknown => {
  try {
    return parseKeyReference(text, realm);
  } catch (error) {
    return String(error);
  }
};

it.each([
  [keyId, { kind: "key", keyId, accountId: realm.accountId }],
  ["alias/app", { kind: "alias", name: "alias/app", accountId: realm.accountId }],
  [
    `arn:aws:kms:local:111122223333:key/${keyId}`,
    { kind: "key", keyId, accountId: "111122223333" },
  ],
  [
    "arn:aws:kms:local:444455556666:alias/team/app",
    { kind: "alias", name: "alias/team/app", accountId: "444455556666" },
  ],
  [`arn:aws:kms:eu-west-1:111122223333:key/${keyId}`, "NotFoundException: Invalid arn eu-west-1"],
  ["arn:aws:kms:local:111122223333:key/alias/app", "NotFoundException: Invalid keyId 'alias/app'"],
  ["arn:aws:s3:::bucket", "NotFoundException: Invalid keyId 'arn:aws:s3:::bucket'"],
  ["app", "NotFoundException: Invalid keyId 'app'"],
  [keyId.toUpperCase(), `NotFoundException: Invalid keyId '${keyId.toUpperCase()}'`],
  [keyId.replaceAll("-", ""), `NotFoundException: Invalid keyId '${keyId.replaceAll("-", "")}'`],
])("reads %s", (text, expected) => {
  expect(parse(text)).toEqual(expected);
});

it("turns a key id into 16 bytes and back", () => {
  const bytes = keyIdToBytes(keyId);
  expect(Buffer.from(bytes).toString("hex")).toBe("0123abcd456789abcdef0123456789ab");
  expect(keyIdFromBytes(bytes)).toBe(keyId);
});
