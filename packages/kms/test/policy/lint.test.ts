import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lintPolicy } from "../../src/policy/lint.ts";
import { cases, context, forAlice, onKeys, under } from "./support/lint-cases.ts";
import { ALIAS_ARN, allow, KEY_ARN, policy, ROOT } from "./support/requests.ts";

describe("lintPolicy", () => {
  it.each(cases)("finds %s (%s: %s)", (code, severity, says, kind, bad, good) => {
    const found = lintPolicy(bad, kind).filter((finding) => finding.code === code);
    expect(found.map((finding) => finding.severity)).toContain(severity);
    expect(found.map(({ message }) => message).join("\n")).toContain(says);
    expect(lintPolicy(good, kind).filter((finding) => finding.code === code)).toEqual([]);
  });

  it("gives pointer, line and column of what it found", () => {
    const text = `{
  "Version": "2012-10-17",
  "Statement": [
    { "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "${KEY_ARN}",
      "Condition": { "StringLike": { "kms:ResourceAlias": "alias/app" } } }
  ]
}`;
    expect(lintPolicy(text, "identity")).toEqual([
      {
        code: "unknown-condition-key",
        severity: "error",
        message: "There is no condition key kms:ResourceAlias. Did you mean kms:ResourceAliases?",
        pointer: "/Statement/0/Condition/StringLike/kms:ResourceAlias",
        line: 5,
        column: 38,
      },
    ]);
  });

  it("lists findings in the order of the text", () => {
    const text = onKeys({ Condition: { Strings: {}, Bools: {} }, Action: ["kms:X", "kms:Y"] });
    const places = lintPolicy(text, "identity").map(({ line, column }) => line * 10_000 + column);
    expect(places.length).toBeGreaterThan(3);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  it("keeps the prefix and suffix of a misspelt operator in what it suggests", () => {
    const message = (name: string): string =>
      lintPolicy(under({ [name]: { [context]: "x" } }), "identity")[0]?.message ?? "";
    expect(message("ForAnyValues:StringLikes")).toContain("Did you mean ForAnyValue:StringLike?");
    expect(message("StringEqualIfExists")).toContain("Did you mean StringEqualsIfExists?");
    expect(message("NullIfExists")).toContain("Did you mean Null?");
    expect(message("stringlike")).toContain("Did you mean StringLike?");
    expect(message("Contains")).toBe("There is no operator Contains.");
  });

  it("finds nothing in AWS's console policy", () => {
    const text = policy(
      { Sid: "Enable IAM User Permissions", ...allow({ Principal: { AWS: ROOT } }) },
      forAlice({
        Sid: "Allow access for Key Administrators",
        Action: [
          "kms:Create*",
          "kms:Describe*",
          "kms:Enable*",
          "kms:List*",
          "kms:Put*",
          "kms:TagResource",
          "kms:ScheduleKeyDeletion",
        ],
      }),
      forAlice({
        Sid: "Allow use of the key",
        Action: [
          "kms:Encrypt",
          "kms:Decrypt",
          "kms:ReEncrypt*",
          "kms:GenerateDataKey*",
          "kms:DescribeKey",
        ],
      }),
      forAlice({
        Sid: "Allow attachment of persistent resources",
        Action: ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
        Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
      }),
    );
    expect(lintPolicy(text, "key")).toEqual([]);
  });

  it("warns of all pitfalls of kms:ResourceAliases at once", () => {
    const text = under(
      { StringEquals: { "kms:ResourceAliases": ALIAS_ARN } },
      { Resource: [ALIAS_ARN, "*"], Action: ["kms:Decrypt", "kms:CreateKey"] },
    );
    expect(new Set(lintPolicy(text, "identity").map(({ code }) => code))).toEqual(
      new Set([
        "alias-resource",
        "aliases-decide",
        "aliases-of-other-accounts",
        "condition-key-not-for-action",
        "set-operator-missing",
        "alias-value",
      ]),
    );
  });

  it("never throws, whatever it is given", () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ Statement: value })),
    );
    fc.assert(
      fc.property(text, fc.constantFrom("key" as const, "identity" as const), (each, kind) => {
        for (const finding of lintPolicy(each, kind)) {
          expect(finding.line).toBeGreaterThan(0);
          expect(finding.column).toBeGreaterThan(0);
        }
      }),
    );
  });
});
