import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lintPolicy } from "../../src/policy/lint.ts";
import type { PolicyKind } from "../../src/policy/values.ts";
import { stepsOf } from "../support/steps.ts";
import {
  aliases,
  cases,
  context,
  deny,
  forAlice,
  inKey,
  inKeyAllBut,
  onKeys,
  under,
} from "./support/lint-cases.ts";
import {
  A,
  ALIAS_ARN,
  ALICE,
  allow,
  B,
  KEY_ARN,
  policy,
  ROOT,
  SESSION,
} from "./support/requests.ts";

/** Policies with all that is found in them, and nothing else. */
const exact: readonly (readonly [
  name: string,
  kind: PolicyKind,
  text: string,
  codes: readonly string[],
])[] = [
  [
    "a key policy without actions",
    "key",
    policy({ Effect: "Allow", Principal: "*", Resource: "*" }),
    ["missing-action", "lockout-risk", "iam-not-enabled"],
  ],
  [
    "an identity policy without an action",
    "identity",
    policy({ Effect: "Allow", Resource: "*" }),
    ["missing-element"],
  ],
  [
    "actions of other services in an identity policy",
    "identity",
    onKeys({ Action: ["kms:Decrypt", "s3:GetObject"] }),
    [],
  ],
  [
    "a resource beside * in a key policy",
    "key",
    inKey({}, { Resource: ["*", KEY_ARN] }),
    ["key-policy-resource"],
  ],
  [
    "an alias for a resource in a key policy",
    "key",
    inKey({}, { Resource: ALIAS_ARN }),
    ["key-policy-resource"],
  ],
  [
    "a bucket for a resource in a key policy, and CreateKey",
    "key",
    inKey({}, { Resource: "arn:aws:s3:::b", Action: "kms:CreateKey" }),
    ["key-policy-resource"],
  ],
  [
    "CreateKey beside a pattern",
    "identity",
    onKeys({ Action: ["kms:CreateKey", "kms:De*"] }),
    ["general-action-resource"],
  ],
  ["an unknown action alone", "identity", onKeys({ Action: "kms:Decript" }), ["unknown-action"]],
  [
    "an Allow for all but everyone",
    "key",
    policy(allow({ Principal: { AWS: ROOT } }), {
      Effect: "Allow",
      NotPrincipal: "*",
      Action: "kms:Decrypt",
      Resource: "*",
    }),
    ["not-principal-allows"],
  ],
  [
    "Null both ways for a key that the action never has",
    "identity",
    under({ Null: { [context]: ["true", "false"] } }, { Action: "kms:PutKeyPolicy" }),
    [],
  ],
  [
    "nothing but actions on no key, by a pattern",
    "identity",
    onKeys({ Action: "kms:CreateK*" }),
    ["never-matches"],
  ],
  [
    "CreateKey beside actions of another service",
    "identity",
    onKeys({ Action: ["kms:CreateKey", "s3:*"] }),
    ["general-action-resource"],
  ],
  [
    "all actions but some",
    "identity",
    onKeys({
      Action: undefined,
      NotAction: "kms:Decrypt",
      Effect: "Deny",
      Resource: "arn:aws:s3:::b",
    }),
    [],
  ],
  ["a bucket beside a key", "identity", onKeys({ Resource: ["arn:aws:s3:::b/*", KEY_ARN] }), []],
  [
    "grants that somebody may retire",
    "identity",
    onKeys({ Resource: ALICE, Action: ["kms:ListRetirableGrants", "kms:Decrypt"] }),
    [],
  ],
  ["a Deny for everyone", "key", inKey({}, { ...deny, Principal: "*" }), []],
  [
    "everyone and somebody",
    "key",
    inKey({}, { Principal: { AWS: ["*", ALICE] } }),
    ["public-principal"],
  ],
  [
    "everyone and somebody, without a condition",
    "key",
    policy(allow({ Principal: { AWS: [ROOT, "*"] } })),
    ["public-principal"],
  ],
  [
    "a session and another role spared",
    "key",
    inKeyAllBut([A, SESSION, `arn:aws:iam::${A}:role/other`]),
    ["not-principal-incomplete"],
  ],
  [
    "a session and its role of another account spared",
    "key",
    inKeyAllBut([A, SESSION, `arn:aws:iam::${B}:role/app`, B]),
    ["not-principal-incomplete"],
  ],
  ["all but everyone", "key", inKeyAllBut("*"), []],
  [
    "keys of KMS in capitals",
    "identity",
    under({ StringEquals: { "KMS:nothing": "x" } }),
    ["unknown-condition-key"],
  ],
  [
    "Null for a key that key policies never have",
    "key",
    inKey({ Null: { "kms:ResourceAliases": ["true", "false"] } }),
    ["absent-in-key-policy"],
  ],
  [
    "Null for a key that the action never has",
    "identity",
    under({ Null: { [context]: "false" } }, { Action: "kms:PutKeyPolicy" }),
    ["condition-never-holds"],
  ],
  [
    "Null true for a key that the action never has",
    "identity",
    under({ Null: { [context]: "true" } }, { Action: "kms:PutKeyPolicy" }),
    [],
  ],
  [
    "Null both ways beside a value",
    "identity",
    under({ Null: { [context]: ["true", "false"] }, StringEquals: { [context]: "x" } }),
    [],
  ],
  [
    "Null true beside what does without",
    "identity",
    under({ Null: { [context]: "true" }, StringEqualsIfExists: { [context]: "x" } }),
    [],
  ],
  [
    "two Nulls of one key",
    "identity",
    under({ Null: { [context]: "true", "kms:EncryptionContext:App": "false" } }),
    [],
  ],
  [
    "Null for a key of several values",
    "identity",
    under({ Null: { "kms:ResourceAliases": "false" } }),
    ["aliases-decide"],
  ],
  [
    "ForAllValues of one value",
    "identity",
    under({ "ForAllValues:StringEquals": { "aws:username": "x" } }),
    ["set-operator-on-single-value"],
  ],
  [
    "ForAllValues in a Deny",
    "identity",
    under({ "ForAllValues:StringLike": { "kms:EncryptionContextKeys": "x" } }, deny),
    [],
  ],
  [
    "ForAnyValue in an Allow",
    "identity",
    under({ "ForAnyValue:StringLike": { "kms:EncryptionContextKeys": "x" } }),
    [],
  ],
  [
    "a pattern in an ARN operator",
    "identity",
    under({ ArnLike: { "aws:PrincipalArn": "arn:aws:iam::*:role/*" } }),
    [],
  ],
  [
    "an action beside a pattern that has the key",
    "identity",
    under({ StringEquals: { [context]: "x" } }, { Action: ["kms:PutKeyPolicy", "kms:De*"] }),
    [],
  ],
  [
    "a Deny on tags of the key in a key policy",
    "key",
    inKey({ StringEquals: { "aws:ResourceTag/a": "b" } }, deny),
    ["absent-in-key-policy"],
  ],
  [
    "a Deny on tags of the key",
    "identity",
    under({ StringEquals: { "aws:ResourceTag/a": "b" } }, deny),
    ["absent-key-not-denied"],
  ],
  [
    "a Deny on an encryption context in a key policy",
    "key",
    inKey({ StringEquals: { [context]: "b" } }, deny),
    ["absent-key-not-denied"],
  ],
  [
    "a variable in an Allow",
    "identity",
    under({ StringEquals: { [context]: "${aws:PrincipalTag/team}" } }),
    [],
  ],
  ["an account beside a user", "key", policy(allow({ Principal: { AWS: [ALICE, ROOT] } })), []],
  [
    "one Sid twice in an identity policy",
    "identity",
    policy(allow({ Sid: "a" }), allow({ Sid: "a" })),
    ["duplicate-sid"],
  ],
  [
    "a variable in a resource of the older version",
    "identity",
    onKeys({ Resource: `arn:aws:kms:*:${A}:key/\${aws:username}` }).replace("2012", "2008"),
    ["variable-in-old-version"],
  ],
  [
    "a variable in a resource of a key policy of the older version",
    "key",
    inKey({}, { Resource: "${aws:username}" }).replace("2012", "2008"),
    ["key-policy-resource"],
  ],
  [
    "aliases of other accounts in a Deny",
    "identity",
    under(aliases, { ...deny, Resource: "*" }),
    ["aliases-decide", "absent-key-not-denied"],
  ],
  [
    "a condition that is always there",
    "identity",
    under({
      StringEquals: { "kms:CallerAccount": A },
      StringNotEquals: { "kms:KeyOrigin": "EXTERNAL" },
    }),
    [],
  ],
];

describe("lintPolicy", () => {
  it.each(exact)("finds the expected problems in %s, and no others", (_, kind, text, codes) => {
    expect(
      lintPolicy(text, kind)
        .map(({ code }) => code)
        .toSorted(byText),
    ).toEqual(codes.toSorted(byText));
  });

  it("names three actions at most that a key is not for, and counts the others", () => {
    const message = (Action: readonly string[]): string | undefined =>
      lintPolicy(under({ StringEquals: { [context]: "x" } }, { Action }), "identity")[0]?.message;
    expect(message(["kms:EnableKey", "kms:DisableKey", "kms:PutKeyPolicy"])).toContain(
      "Requests for DisableKey, EnableKey, PutKeyPolicy never have",
    );
    expect(
      message(["kms:EnableKey", "kms:DisableKey", "kms:PutKeyPolicy", "kms:Sign", "kms:Verify"]),
    ).toContain("for Sign, Verify, DisableKey and 2 others");
  });

  it("says what to add for a negated operator, and to a variable", () => {
    const messages = (text: string): string =>
      lintPolicy(text, "identity")
        .map((each) => each.message)
        .join("\n");
    expect(messages(under({ StringNotEquals: { [context]: "x" } }))).toContain(
      `Add "Null": { "${context}": "false" }`,
    );
    const team = { StringNotEquals: { [context]: "${aws:PrincipalTag/team}" } };
    expect(messages(under(team, deny))).toContain("requests without aws:principaltag/team");
    const name = { StringNotEquals: { [context]: "${aws:userName}" } };
    expect(messages(under(name, deny))).toContain("requests without aws:username");
    const other = { StringNotEquals: { [context]: "${x:y}" } };
    expect(messages(under(other, deny))).toContain("requests without x:y");
  });

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

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

describe("the cost of linting", () => {
  const times = (count: number, one: (name: string) => object): object[] =>
    Array.from({ length: count }, (_, i) => one(String(i).padStart(3, "0")));
  const list = (count: number, one: (name: string) => string): string[] =>
    Array.from({ length: count }, (_, i) => one(String(i).padStart(3, "0")));
  const members = (count: number, one: (name: string) => string): Record<string, string> =>
    Object.fromEntries(list(count, one).map((name) => [name, "x"]));

  it.each<[string, PolicyKind, (count: number) => string]>([
    [
      "statements with conditions",
      "identity",
      (count) =>
        policy(
          ...times(count, (name) =>
            allow({ Sid: name, Condition: { StringEquals: { "kms:KeySpec": "x" } } }),
          ),
        ),
    ],
    [
      "statements of one Sid",
      "key",
      (count) => policy(...times(count, () => allow({ Sid: "one", Principal: { AWS: ROOT } }))),
    ],
    [
      "statements with aliases in conditions",
      "identity",
      (count) => {
        const Condition = { "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/a" } };
        return policy(...times(count, () => allow({ Condition })));
      },
    ],
    [
      "statements that lack everything",
      "identity",
      (count) => "\n".repeat(count) + policy(...times(count, () => ({}))),
    ],
    ["actions", "identity", (count) => policy(allow({ Action: list(count, () => "kms:Decrypt") }))],
    [
      "actions, and condition keys that are for some of them",
      "identity",
      (count) => {
        const Action = ["kms:DescribeKey", ...list(count, () => "kms:Decrypt")];
        const StringEquals = members(count, (name) => `kms:EncryptionContext:${name}`);
        return policy(allow({ Action, Condition: { StringEquals } }));
      },
    ],
    [
      "actions that do not exist",
      "identity",
      (count) => policy(allow({ Action: list(count, (name) => `kms:Decryp${name}`) })),
    ],
    [
      "resources",
      "identity",
      (count) => policy(allow({ Resource: list(count, (name) => ALIAS_ARN + name) })),
    ],
    [
      "principals",
      "key",
      (count) => {
        const AWS = list(count, (name) => `arn:aws:sts::${A}:assumed-role/${name}/run`);
        return policy({ Effect: "Deny", NotPrincipal: { AWS }, Action: "kms:*", Resource: "*" });
      },
    ],
    [
      "condition keys",
      "identity",
      (count) => {
        const StringEquals = members(count, (name) => `kms:EncryptionContext:${name}`);
        const sets = members(count, (name) => `kms:EncryptionContext:${name}`);
        const Condition = { StringEquals, "ForAllValues:StringLike": sets };
        return policy(allow({ Condition }));
      },
    ],
    [
      "condition keys that do not exist",
      "identity",
      (count) => {
        const StringEquals = members(count, (name) => `kms:EncryptionAlgorith${name}`);
        return policy(allow({ Condition: { StringEquals } }));
      },
    ],
    [
      "values with wildcards and variables",
      "identity",
      (count) => {
        const values = list(count, (name) => `\${aws:PrincipalTag/${name}}*`);
        return policy({
          ...deny,
          Action: "kms:*",
          Resource: "*",
          Condition: { StringEquals: { "aws:userid": values } },
        });
      },
    ],
    [
      "operators that do not exist",
      "identity",
      (count) => {
        const names = list(count, (name) => `StringEqual${name}`);
        const Condition = Object.fromEntries(names.map((name) => [name, { "aws:userid": "x" }]));
        return policy(allow({ Condition }));
      },
    ],
  ])("grows as the policy does: %s", (_, kind, make) => {
    const [one, two] = [make(50), make(100)].map((text) => {
      lintPolicy(text, kind);
      return stepsOf(() => lintPolicy(text, kind));
    });
    expect(one).toBeGreaterThan(500);
    expect(two).toBeLessThan(2.1 * (one ?? 0));
  });
});
