import { expect, it } from "vitest";
import * as check from "../../src/requests/check.ts";

const at = (field: string, must: string, value = ""): string =>
  `ValidationException: 1 validation error detected: Value${value} at '${field}' failed to satisfy constraint: Member must ${must}`;

const text = (length: number): string => "x".repeat(length);

it.each<[string, () => unknown, string]>([
  ["no key id", () => check.requireKeyId(undefined), at("keyId", "not be null", " null")],
  [
    "an empty key id",
    () => check.requireKeyId(""),
    at("keyId", "have length greater than or equal to 1", " ''"),
  ],
  ["a number as key id", () => check.requireKeyId(5), at("keyId", "be well-formed text")],
  [
    "a key id of 2049 characters",
    () => check.requireKeyId(text(2049)),
    at("keyId", "have length less than or equal to 2048", ` '${text(1024)}…'`),
  ],
  ["a lone surrogate", () => check.description("\ud800"), at("description", "be well-formed text")],
  [
    "a description of 8193 characters",
    () => check.description(text(8193)),
    at("description", "have length less than or equal to 8192", ` '${text(1024)}…'`),
  ],
  [
    "a space in an alias",
    () => check.aliasName("alias/a b"),
    at("aliasName", "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", " 'alias/a b'"),
  ],
  [
    "an alias without the prefix",
    () => check.aliasName("app"),
    'ValidationException: Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
  ],
  [
    "a reserved alias",
    () => check.aliasName("alias/aws/s3"),
    "NotAuthorizedException: aliases under alias/aws/ are reserved",
  ],
  [
    "an alias that is only a prefix",
    () => check.aliasName("alias/"),
    "InvalidAliasNameException: an alias is alias/ and letters, digits, slashes, underscores and dashes",
  ],
  [
    "a colon in an alias",
    () => check.aliasName("alias/a:b"),
    "InvalidAliasNameException: an alias is alias/ and letters, digits, slashes, underscores and dashes",
  ],
  [
    "0 of 1 to 10",
    () => check.integer(0, "limit", 1, 10),
    at("limit", "have value greater than or equal to 1", " '0'"),
  ],
  [
    "11 of 1 to 10",
    () => check.integer(11, "limit", 1, 10),
    at("limit", "have value less than or equal to 10", " '11'"),
  ],
  ["a fraction", () => check.integer(1.5, "limit", 1, 10), at("limit", "be an integer")],
  ["text for a number", () => check.integer("5", "limit", 1, 10), at("limit", "be an integer")],
  [
    "a value not in a set",
    () => check.oneOf("C", "keySpec", ["A", "B"]),
    at("keySpec", "satisfy enum value set: [A, B]", " 'C'"),
  ],
  ["no plaintext", () => check.plaintext(undefined), at("plaintext", "not be null", " null")],
  ["text as plaintext", () => check.plaintext("secret"), at("plaintext", "be bytes")],
  [
    "empty plaintext",
    () => check.plaintext(new Uint8Array(0)),
    at("plaintext", "have length greater than or equal to 1"),
  ],
  [
    "4097 bytes",
    () => check.plaintext(new Uint8Array(4097)),
    at("plaintext", "have length less than or equal to 4096"),
  ],
  [
    "6145 bytes",
    () => check.ciphertextBlob(new Uint8Array(6145)),
    at("ciphertextBlob", "have length less than or equal to 6144"),
  ],
  [
    "neither key spec nor length",
    () => check.dataKeyBytes(undefined, undefined),
    "ValidationException: Please specify either number of bytes or key spec.",
  ],
  [
    "key spec and length",
    () => check.dataKeyBytes("AES_256", 32),
    "ValidationException: Please specify either number of bytes or key spec.",
  ],
  [
    "1025 bytes of data key",
    () => check.dataKeyBytes(undefined, 1025),
    at("numberOfBytes", "have value less than or equal to 1024", " '1025'"),
  ],
  [
    "a context value that is no text",
    () => check.encryptionContext({ a: 1 }),
    at("encryptionContext", "be a map of strings to strings"),
  ],
  ["a yes that is a text", () => check.flag("true", "dryRun"), at("dryRun", "be true or false")],
  ["no list", () => check.list(undefined, "tags", 0), at("tags", "not be null", " null")],
  ["a map for a list", () => check.list({}, "tags", 0), at("tags", "be a list")],
  [
    "a list of 0 of at least 1",
    () => check.list([], "tags", 1),
    at("tags", "have length greater than or equal to 1"),
  ],
  [
    "a list of 3 of at most 2",
    () => check.list([1, 2, 3], "tags", 1, 2),
    at("tags", "have length less than or equal to 2"),
  ],
  [
    "a grant token that is empty",
    () => check.grantTokens({ GrantTokens: ["a", ""] }),
    at("grantTokens.2.member", "have length greater than or equal to 1", " ''"),
  ],
  [
    "a control character in a policy",
    () => check.policy("{\u0007}"),
    at("policy", "satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"),
  ],
  ["a tag that is none", () => check.tags([5], 0), at("tags.1.member", "be a tag")],
  [
    "a principal that is none",
    () => check.principal("arn:aws:s3:::bucket", "granteePrincipal"),
    "InvalidArnException: arn:aws:s3:::bucket is not the ARN of a principal",
  ],
  [
    "a request that is none",
    () => check.requireObject("x"),
    "TypeError: the request must be an object",
  ],
  [
    "a member that would be ignored",
    () => check.requireMembers({ KeyId: "x", GrantTokens: [] }, ["KeyId"]),
    "UnsupportedOperationException: GrantTokens is not supported by this KMS",
  ],
])("refuses %s", (_, call, expected) => {
  let refused = "not refused";
  try {
    call();
  } catch (error) {
    refused = String(error);
  }
  expect(refused).toBe(expected);
});

it("refuses a context that is not text, or more of it than AWS would take", () => {
  const pairs = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${1000 + i}`, ""]));
  expect(Object.keys(check.encryptionContext(pairs(1024)))).toHaveLength(1024);
  for (const context of [
    { "\ud800": "" },
    { a: "\udfff" },
    { a: text(8188) },
    { [text(8189)]: "" },
    { a: "\u00e9".repeat(4094) },
    pairs(1025),
    pairs(40_000),
    "context",
  ]) {
    expect(() => check.encryptionContext(context)).toThrow(
      expect.objectContaining({ name: "ValidationException" }),
    );
  }
});

it("never repeats a context value", () => {
  for (const context of [{ a: "needle\ud800" }, { a: `needle${text(8192)}` }]) {
    expect(() => check.encryptionContext(context)).toThrow(/^(?!.*needle)/s);
  }
});

it("copies a context, whatever its keys", () => {
  const given = JSON.parse('{"__proto__":"a","constructor":"b","":""}') as object;
  const copy = check.encryptionContext(given);
  expect(Object.entries(copy)).toEqual(Object.entries(given));
  expect(check.encryptionContext({ a: text(8187) })["a"]).toHaveLength(8187);
  expect(Object.keys(check.encryptionContext(undefined))).toEqual([]);
});

it("lets members that are undefined pass, as if they were absent", () => {
  expect(() => check.requireMembers({ KeyId: "x", Tags: undefined }, ["KeyId"])).not.toThrow();
});

it("treats omitted members as false, empty or absent", () => {
  expect(check.flag(undefined, "dryRun")).toBe(false);
  expect(check.dryRun({})).toBe(false);
  expect(check.dryRun({ DryRun: true })).toBe(true);
  expect(check.grantTokens({})).toEqual([]);
  expect(check.grantName(undefined)).toBeUndefined();
});

it("keeps policies of tabs, line breaks and Latin-1 as they are", () => {
  const policy = '\t\r\n{"Sid": "\u00e9\u00ff"}';
  expect(check.policy(policy)).toBe(policy);
});
