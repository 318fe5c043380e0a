/**
 * Every operator: what fits, what does not, and what becomes of an absent key.
 *
 * @module
 */
import { alice, decrypt, forKey, key, policy, decides, type Case, type Cases } from "./case.ts";

type Values = string | number | boolean | readonly (string | number | boolean)[];

/** Everyone is allowed if `operator` holds for the key `x:y` of the request. */
export function condition(
  rules: string,
  comment: string,
  operator: string,
  expected: Values,
  actual: string | readonly string[] | undefined,
  holds: boolean,
): Case {
  return decides(
    rules,
    comment,
    decrypt(
      alice(),
      key(policy(forKey("*", { Condition: { [operator]: { "x:y": expected } } }))),
      actual === undefined ? {} : { conditions: { "x:y": actual } },
    ),
    holds ? "key-policy: key policy, statement 1" : "no-key-policy-allows",
    [operator],
  );
}

interface Sample {
  readonly operator: string;
  readonly expected: string;
  /** A value for which it holds, and one for which it does not. */
  readonly good: string;
  readonly bad: string;
  readonly negated?: boolean;
}

const samples: readonly Sample[] = [
  { operator: "StringEquals", expected: "red", good: "red", bad: "Red" },
  { operator: "StringNotEquals", expected: "red", good: "Red", bad: "red", negated: true },
  { operator: "StringEqualsIgnoreCase", expected: "Red", good: "rED", bad: "reds" },
  {
    operator: "StringNotEqualsIgnoreCase",
    expected: "Red",
    good: "blue",
    bad: "rED",
    negated: true,
  },
  { operator: "StringLike", expected: "r?d*", good: "red/1", bad: "rd" },
  { operator: "StringNotLike", expected: "r?d*", good: "rd", bad: "red", negated: true },
  {
    operator: "ArnEquals",
    expected: "arn:aws:s3:::logs-*",
    good: "arn:aws:s3:::logs-1",
    bad: "arn:aws:s3:::data",
  },
  {
    operator: "ArnLike",
    expected: "arn:aws:sns:*:111122223333:*",
    good: "arn:aws:sns:eu-west-1:111122223333:t",
    bad: "arn:aws:sns:eu-west-1:444455556666:t",
  },
  {
    operator: "ArnNotEquals",
    expected: "arn:aws:s3:::logs-*",
    good: "arn:aws:s3:::data",
    bad: "arn:aws:s3:::logs-1",
    negated: true,
  },
  {
    operator: "ArnNotLike",
    expected: "arn:aws:s3:::logs-*",
    good: "arn:aws:s3:::data",
    bad: "arn:aws:s3:::logs-1",
    negated: true,
  },
  { operator: "NumericEquals", expected: "7", good: "7.0", bad: "8" },
  { operator: "NumericNotEquals", expected: "7", good: "8", bad: "7", negated: true },
  { operator: "NumericLessThan", expected: "10", good: "9.5", bad: "10" },
  { operator: "NumericLessThanEquals", expected: "10", good: "10", bad: "10.5" },
  { operator: "NumericGreaterThan", expected: "10", good: "11", bad: "10" },
  { operator: "NumericGreaterThanEquals", expected: "10", good: "10", bad: "9" },
  {
    operator: "DateEquals",
    expected: "2026-01-01T00:00:00Z",
    good: "2026-01-01T01:00:00+01:00",
    bad: "2026-01-01T00:00:01Z",
  },
  {
    operator: "DateNotEquals",
    expected: "2026-01-01",
    good: "2026-01-02",
    bad: "2026-01-01T00:00Z",
    negated: true,
  },
  { operator: "DateLessThan", expected: "2026-01-01T00:00:00Z", good: "2025-12-31", bad: "2026" },
  { operator: "DateLessThanEquals", expected: "2026-01", good: "2026-01-01", bad: "2026-01-02" },
  {
    operator: "DateGreaterThan",
    expected: "2026-01-01",
    good: "2026-01-01T00:00:00.5Z",
    bad: "2026-01-01",
  },
  {
    operator: "DateGreaterThanEquals",
    expected: "2026-01-01",
    good: "2026-01-01",
    bad: "2025-12-31",
  },
  { operator: "Bool", expected: "true", good: "true", bad: "false" },
  { operator: "BinaryEquals", expected: "QmluYXJ5", good: "QmluYXJ5", bad: "QmluYXJ6" },
  { operator: "IpAddress", expected: "203.0.113.0/24", good: "203.0.113.255", bad: "203.0.114.0" },
  {
    operator: "NotIpAddress",
    expected: "203.0.113.0/24",
    good: "198.51.100.1",
    bad: "203.0.113.7",
    negated: true,
  },
];

/** Five cases for each operator. */
function basic({ operator, expected, good, bad, negated = false }: Sample): [string, Case][] {
  const name = operator.toLowerCase();
  const make = (
    suffix: string,
    rules: string,
    comment: string,
    rest: [operator: string, actual: string | undefined, holds: boolean],
  ): [string, Case] => [
    `operator-${name}-${suffix}`,
    condition(rules, comment, rest[0], expected, rest[1], rest[2]),
  ];
  const rule = negated ? "O2" : "O1";
  return [
    make("holds", rule, `${operator} holds`, [operator, good, true]),
    make("fails", rule, `${operator} fails`, [operator, bad, false]),
    make("absent", "O3", `${operator} on an absent key`, [operator, undefined, negated]),
    make("if-exists-absent", "O4", `${operator}IfExists on an absent key`, [
      `${operator}IfExists`,
      undefined,
      true,
    ]),
    make("if-exists-fails", "O4", `${operator}IfExists on a key that is there`, [
      `${operator}IfExists`,
      bad,
      false,
    ]),
  ];
}

const V6 = "2001:db8::/32";

export const operators: Cases = {
  ...Object.fromEntries(samples.flatMap(basic)),

  "string-equals-one-of-several": condition(
    "O1",
    "one value has to fit",
    "StringEquals",
    ["red", "blue"],
    "blue",
    true,
  ),
  "string-equals-star-is-none": condition(
    "O1 W1",
    "a star is a star",
    "StringEquals",
    "r*",
    "red",
    false,
  ),
  "string-equals-of-number": condition(
    "O1 T8",
    "a number in a policy is its text",
    "StringEquals",
    90,
    "90",
    true,
  ),
  "string-equals-of-truth": condition(
    "O1 T8",
    "so is a truth value",
    "StringEquals",
    true,
    "true",
    true,
  ),
  "string-ignore-case-star-is-none": condition(
    "O1 W1",
    "a star is a star in any case",
    "StringEqualsIgnoreCase",
    "R*",
    "red",
    false,
  ),
  "string-ignore-case-star": condition(
    "O1 W1",
    "that is the same as itself",
    "StringEqualsIgnoreCase",
    "R*",
    "r*",
    true,
  ),
  "string-not-equals-of-several": condition(
    "O2",
    "none may fit",
    "StringNotEquals",
    ["red", "blue"],
    "blue",
    false,
  ),
  "string-not-equals-of-several-holds": condition(
    "O2",
    "and none does",
    "StringNotEquals",
    ["red", "blue"],
    "green",
    true,
  ),
  "string-like-empty": condition("O1 W1", "a star and no text", "StringLike", "*", "", true),
  "string-like-case": condition("O1 W1", "case counts", "StringLike", "R*", "red", false),
  "string-like-two-stars": condition(
    "W1",
    "what two stars leave between them",
    "StringLike",
    "*ab*",
    "xaabx",
    true,
  ),
  "string-like-star-goes-back": condition(
    "W1",
    "a star takes more than the first that fits",
    "StringLike",
    "*ab",
    "abxab",
    true,
  ),
  "string-like-whole-value": condition("W1", "the whole value", "StringLike", "red", "reds", false),
  "string-like-line-break": condition(
    "W1",
    "a line break is a character like any other",
    "StringLike",
    "a*b",
    "a\nb",
    true,
  ),
  "string-like-question-mark": condition(
    "W1",
    "one character, of whatever size",
    "StringLike",
    "a?b",
    "a\u{1f600}b",
    true,
  ),
  "string-not-like-of-several": condition(
    "O2",
    "none may match",
    "StringNotLike",
    ["r*", "b*"],
    "blue",
    false,
  ),
  "arn-equals-has-wildcards": condition(
    "O1 W2",
    "ArnEquals is ArnLike",
    "ArnEquals",
    "arn:aws:*:*:*:*",
    "arn:aws:s3:::x",
    true,
  ),
  "arn-like-per-part": condition(
    "W2",
    "a wildcard does not reach over a colon",
    "ArnLike",
    "arn:aws:sns:*::topic",
    "arn:aws:sns:eu-west-1:111122223333:topic",
    false,
  ),
  "arn-like-last-part-has-colons": condition(
    "W2",
    "the last part may have colons",
    "ArnLike",
    "arn:aws:sns:*:*:a:*",
    "arn:aws:sns:eu-west-1:111122223333:a:b:c",
    true,
  ),
  "arn-like-no-arn": condition(
    "W2",
    "a value that is not an ARN",
    "ArnLike",
    "arn:aws:s3:*:*:*",
    "bucket",
    false,
  ),
  "arn-not-like-no-arn": condition(
    "O2 W2",
    "does not fit a negated operator's either",
    "ArnNotLike",
    "arn:aws:s3:*:*:*",
    "bucket",
    true,
  ),
  "numeric-text": condition(
    "O1",
    "a value that is not a number",
    "NumericEquals",
    "7",
    "seven",
    false,
  ),
  "numeric-text-negated": condition(
    "O2",
    "is not that number",
    "NumericNotEquals",
    "7",
    "seven",
    true,
  ),
  "numeric-number": condition("O1 T8", "a number in JSON", "NumericLessThan", 10, "9", true),
  "numeric-exponent": condition("O1", "with an exponent", "NumericEquals", "1e2", "100", true),
  "numeric-negative": condition("O1", "below zero", "NumericLessThan", "-1", "-1.5", true),
  "numeric-hexadecimal": condition(
    "O1",
    "hexadecimal is not a number",
    "NumericEquals",
    "16",
    "0x10",
    false,
  ),
  "numeric-empty": condition("O1", "neither is nothing", "NumericEquals", "0", "", false),
  "date-seconds": condition(
    "O1",
    "seconds since 1970 in the policy",
    "DateEquals",
    "1700000000",
    "2023-11-14T22:13:20Z",
    true,
  ),
  "date-seconds-of-request": condition(
    "O1",
    "seconds since 1970 in the request",
    "DateEquals",
    "2023-11-14T22:13:20Z",
    "1700000000",
    true,
  ),
  "date-text": condition(
    "O1",
    "a value that is not a time",
    "DateLessThan",
    "2026-01-01",
    "yesterday",
    false,
  ),
  "bool-of-json": condition("O1 T8", "true in JSON", "Bool", true, "true", true),
  "bool-false": condition("O1", "false is not absent", "Bool", "false", "false", true),
  "bool-case": condition("O1", "in any case", "Bool", "True", "true", true),
  "bool-other": condition("O1", "a value that is neither", "Bool", "false", "no", false),
  "ip-single": condition("O1", "a single address", "IpAddress", "203.0.113.7", "203.0.113.7", true),
  "ip-single-other": condition("O1", "another", "IpAddress", "203.0.113.7", "203.0.113.8", false),
  "ip-zero-bits": condition("O1", "every address", "IpAddress", "0.0.0.0/0", "203.0.113.7", true),
  "ip-odd-bits": condition(
    "O1",
    "a range that does not end with a byte",
    "IpAddress",
    "203.0.112.0/23",
    "203.0.113.7",
    true,
  ),
  "ip-odd-bits-outside": condition(
    "O1",
    "outside of it",
    "IpAddress",
    "203.0.112.0/23",
    "203.0.114.7",
    false,
  ),
  "ip-v6": condition("O1", "IPv6", "IpAddress", V6, "2001:DB8:0:1::7", true),
  "ip-v6-outside": condition("O1", "IPv6, outside", "IpAddress", V6, "2001:db9::7", false),
  "ip-v6-is-not-v4": condition(
    "O1",
    "every IPv6 address is not an IPv4 address",
    "IpAddress",
    "0.0.0.0/0",
    "2001:db8::7",
    false,
  ),
  "ip-v4-is-not-v6": condition("O1", "nor the reverse", "IpAddress", "::/0", "203.0.113.7", false),
  "ip-v4-in-v6": condition(
    "O1",
    "an IPv4 address within IPv6",
    "IpAddress",
    "203.0.113.0/24",
    "::ffff:203.0.113.7",
    true,
  ),
  "ip-v4-in-v6-range": condition(
    "O1",
    "a range of IPv4 addresses within IPv6",
    "IpAddress",
    "::ffff:203.0.113.0/120",
    "203.0.113.7",
    true,
  ),
  "ip-v4-in-v6-range-outside": condition(
    "O1",
    "outside of it",
    "IpAddress",
    "::ffff:203.0.113.0/120",
    "203.0.114.7",
    false,
  ),
  "ip-v4-in-v6-all": condition(
    "O1",
    "all IPv4 addresses within IPv6",
    "IpAddress",
    "::ffff:0:0/96",
    "::ffff:203.0.113.7",
    true,
  ),
  "ip-v4-in-v6-is-not-v6": condition(
    "O1",
    "and no IPv6 address",
    "IpAddress",
    "::ffff:0:0/96",
    "2001:db8::7",
    false,
  ),
  "ip-not-in-several": condition(
    "O2",
    "in none of several",
    "NotIpAddress",
    ["203.0.113.0/24", V6],
    "2001:db8::1",
    false,
  ),
  "ip-text": condition(
    "O1",
    "a value that is not an address",
    "IpAddress",
    "0.0.0.0/0",
    "localhost",
    false,
  ),
  "null-absent": condition("O7", "absent is wanted", "Null", "true", undefined, true),
  "null-absent-but-there": condition(
    "O7",
    "absent is wanted, and it is there",
    "Null",
    "true",
    "x",
    false,
  ),
  "null-present": condition("O7", "present is wanted", "Null", "false", "x", true),
  "null-present-but-absent": condition(
    "O7",
    "present is wanted, and it is not",
    "Null",
    false,
    undefined,
    false,
  ),
  "null-empty-text": condition("O7", "empty text is there", "Null", "false", "", true),
  "null-either": condition("O7 O1", "either", "Null", ["true", "false"], undefined, true),
  "null-list": condition("O7", "a list is there", "Null", "false", ["a", "b"], true),

  "all-operators-have-to-hold": decides(
    "O1 M6",
    "one of two operators fails",
    decrypt(
      alice(),
      key(
        policy(
          forKey("*", {
            Condition: { StringEquals: { "x:y": "red" }, Bool: { "x:z": "true" } },
          }),
        ),
      ),
      { conditions: { "x:y": "red", "x:z": "false" } },
    ),
    "no-key-policy-allows",
  ),
  "all-keys-have-to-hold": decides(
    "O1 M6",
    "one of two keys of one operator fails",
    decrypt(
      alice(),
      key(policy(forKey("*", { Condition: { StringEquals: { "x:y": "red", "x:z": "red" } } }))),
      { conditions: { "x:y": "red", "x:z": "blue" } },
    ),
    "no-key-policy-allows",
  ),
  "all-hold": decides(
    "O1 M6",
    "all of them hold",
    decrypt(
      alice(),
      key(
        policy(
          forKey("*", {
            Condition: {
              StringEquals: { "x:y": "red", "x:z": ["blue", "red"] },
              Bool: { "x:b": true },
              Null: { "x:none": true },
            },
          }),
        ),
      ),
      { conditions: { "x:y": "red", "x:z": "blue", "x:b": "true" } },
    ),
    "key-policy: key policy, statement 1",
  ),
  "no-conditions": decides(
    "O1 M6",
    "an empty condition",
    decrypt(alice(), key(policy(forKey("*", { Condition: {} })))),
    "key-policy: key policy, statement 1",
  ),
};
