import { expect, it } from "vitest";
import {
  isMultiRegionKeyId,
  isRegion,
  keyIdFromBytes,
  keyIdToBytes,
  multiRegionForm,
  parseKeyReference,
  uuidOf,
  parsePrincipal,
  principalArn,
} from "../src/arn.ts";

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
  [
    "mrk-0123abcd456789abcdef0123456789ab",
    {
      kind: "key",
      keyId: "mrk-0123abcd456789abcdef0123456789ab",
      accountId: realm.accountId,
    },
  ],
  [
    "mrk-0123ABCD456789abcdef0123456789ab",
    "NotFoundException: Invalid keyId 'mrk-0123ABCD456789abcdef0123456789ab'",
  ],
  [`mrk-${keyId}`, `NotFoundException: Invalid keyId 'mrk-${keyId}'`],
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

it("knows what the name of a region may be", () => {
  const names = ["local", "eu-west-1", "", "a:b", "EU-WEST-1", "x".repeat(33), undefined];
  expect(names.map(isRegion)).toEqual([true, true, false, false, false, false, false]);
});

it("turns a key id into 16 bytes and back", () => {
  const bytes = keyIdToBytes(keyId);
  expect(Buffer.from(bytes).toString("hex")).toBe("0123abcd456789abcdef0123456789ab");
  expect(keyIdFromBytes(bytes)).toBe(keyId);
});

it("gives a multi-Region key the same 16 bytes as the UUID of its digits", () => {
  const multiRegion = multiRegionForm(keyId);
  expect(multiRegion).toBe("mrk-0123abcd456789abcdef0123456789ab");
  expect(keyIdToBytes(multiRegion)).toEqual(keyIdToBytes(keyId));
  expect([keyId, multiRegion].map(isMultiRegionKeyId)).toEqual([false, true]);
  expect([keyId, multiRegion].map(uuidOf)).toEqual([keyId, keyId]);
});

it("takes a bare name for one of the caller's own account", () => {
  expect(parseKeyReference(keyId, realm, "444455556666").accountId).toBe("444455556666");
  expect(parseKeyReference("alias/app", realm, "444455556666").accountId).toBe("444455556666");
});

it.each([
  ["root", "arn:aws:iam::111122223333:root"],
  ["user/alice", "arn:aws:iam::111122223333:user/alice"],
  ["assumed-role/app/me", "arn:aws:sts::111122223333:assumed-role/app/me"],
  ["arn:aws:iam::444455556666:user/bob", "arn:aws:iam::444455556666:user/bob"],
  ["group/g", "group/g"],
])("reads %s as a principal of the keystore's account", (short, arn) => {
  expect(principalArn(short, { accountId: "111122223333" })).toBe(arn);
});

it("reads who a principal is", () => {
  expect(parsePrincipal("arn:aws:sts::111122223333:assumed-role/app/me")).toEqual({
    type: "session",
    accountId: "111122223333",
    name: "me",
    roleArn: "arn:aws:iam::111122223333:role/app",
  });
  expect(parsePrincipal("arn:aws:iam::111122223333:root")?.type).toBe("root");
  expect(parsePrincipal("s3.amazonaws.com")).toMatchObject({
    type: "service",
    accountId: undefined,
  });
  for (const text of ["", "arn:aws:iam::111122223333:group/g", "arn:aws:iam::1:user/a", "s3"]) {
    expect(parsePrincipal(text)).toBeUndefined();
  }
});
