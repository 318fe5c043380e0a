import { describe, expect, it } from "vitest";
import {
  inRegion,
  isKeyOf,
  isMultiRegion,
  parseKeyArn,
  parseKeyName,
  type KeyName,
} from "../src/arn.ts";

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
const arn = (id: string, region = "eu-west-1", account = "111122223333", partition = "aws") =>
  `arn:${partition}:kms:${region}:${account}:key/${id}`;
const aliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/app";

function name(text: string): KeyName {
  const parsed = parseKeyName(text);
  if (parsed === undefined) throw new Error(`${text} is no key name`);
  return parsed;
}

const place = { partition: "aws", region: "eu-west-1", account: "111122223333" };

it.each([
  [uuid, { place: undefined, kind: "key", id: uuid }],
  [mrk, { place: undefined, kind: "key", id: mrk }],
  ["alias/app", { place: undefined, kind: "alias", id: "app" }],
  ["alias/aws/s3", { place: undefined, kind: "alias", id: "aws/s3" }],
  [arn(uuid), { place, kind: "key", id: uuid }],
  [aliasArn, { place, kind: "alias", id: "app" }],
  [arn(uuid, "us-gov-west-1", "111122223333", "aws-us-gov"), { kind: "key", id: uuid }],
  [arn(uuid, "cn-north-1", "111122223333", "aws-cn"), { kind: "key", id: uuid }],
])("reads %s", (text, expected) => {
  expect(parseKeyName(text)).toMatchObject(expected);
});

it.each([
  "",
  "alias/",
  "alias/a b",
  "key/x",
  `${uuid}\n`,
  `arn:aws:kms:eu-west-1:111122223333:key/`,
  `arn:aws:kms:eu-west-1:111122223333:key/${uuid}/x`,
  `arn:aws:kms:eu-west-1:11112222333:key/${uuid}`,
  `arn:aws:kms::111122223333:key/${uuid}`,
  `arn:aws:s3:eu-west-1:111122223333:key/${uuid}`,
  `arn:gcp:kms:eu-west-1:111122223333:key/${uuid}`,
  `arn:aws:kms:eu-west-1:111122223333:grant/${uuid}`,
  ` ${arn(uuid)}`,
  `x${arn(uuid)}`,
])("finds no key name in %j", (text) => {
  expect(parseKeyName(text)).toBe(undefined);
});

it("tells an ARN of a key from every other name", () => {
  expect(parseKeyArn(arn(uuid))).toMatchObject({ id: uuid, place });
  for (const text of [uuid, "alias/app", aliasArn, "?"]) expect(parseKeyArn(text)).toBe(undefined);
});

it("knows a multi-Region key by its id, and not by an alias", () => {
  expect(isMultiRegion(name(mrk))).toBe(true);
  expect(isMultiRegion(name(arn(mrk)))).toBe(true);
  expect(isMultiRegion(name(uuid))).toBe(false);
  expect(isMultiRegion(name(`alias/${mrk}`))).toBe(false);
  expect(isMultiRegion(name(aliasArn.replace("app", mrk)))).toBe(false);
});

describe("isKeyOf", () => {
  it.each([
    ["its own ARN", arn(uuid), arn(uuid), true],
    ["the ARN of its id", uuid, arn(uuid), true],
    ["another id", arn(uuid), arn(uuid.replace("1", "2")), false],
    ["another id, asked by id", uuid, arn(uuid.replace("1", "2")), false],
    ["another region", arn(uuid), arn(uuid, "us-east-1"), false],
    ["another account", arn(uuid), arn(uuid, "eu-west-1", "444455556666"), false],
    ["another partition", arn(uuid), arn(uuid, "eu-west-1", "111122223333", "aws-cn"), false],
    ["a multi-Region key in another region", arn(mrk), arn(mrk, "us-east-1"), true],
    ["a multi-Region key by its id", mrk, arn(mrk, "us-east-1"), true],
    [
      "a multi-Region key of another account",
      arn(mrk),
      arn(mrk, "us-east-1", "444455556666"),
      false,
    ],
    ["another multi-Region key", arn(mrk), arn(mrk.replace("1", "2")), false],
    ["a key where the alias is", aliasArn, arn(uuid), true],
    ["a key anywhere for an alias without place", "alias/app", arn(uuid, "us-east-1"), true],
    ["a key in another region than the alias", aliasArn, arn(uuid, "us-east-1"), false],
    ["a multi-Region key in another region than the alias", aliasArn, arn(mrk, "us-east-1"), false],
    [
      "a key in another account than the alias",
      aliasArn,
      arn(uuid, "eu-west-1", "444455556666"),
      false,
    ],
    ["an alias instead of a key", aliasArn, aliasArn, false],
    ["an id instead of an ARN", uuid, uuid, false],
    ["nothing", arn(uuid), "", false],
  ])("%s", (_, asked, label, expected) => {
    expect(isKeyOf(name(asked), label)).toBe(expected);
  });
});

it("names a multi-Region key in another region", () => {
  const parsed = parseKeyArn(arn(mrk));
  if (parsed === undefined) throw new Error("no ARN");
  expect(inRegion(parsed, "us-east-1")).toBe(arn(mrk, "us-east-1"));
});
