/**
 * Policy variables.
 *
 * @module
 */
import {
  A,
  ALICE,
  alice,
  decrypt,
  delegating,
  forIam,
  forKey,
  iam,
  key,
  KEY_ID,
  named,
  oldPolicy,
  policy,
  role,
  decides,
  type Caller,
  type Case,
  type Cases,
  type Circumstances,
} from "./case.ts";

const both =
  'key-policy-and-iam: key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement 1';
const lacks = "no-identity-policy-allows";

/** Allowed by IAM under a condition. */
const under = (
  rules: string,
  comment: string,
  condition: object,
  expect: string,
  caller: (policies: Pick<Caller, "policies">) => Caller = alice,
  more: Circumstances = {},
): Case =>
  decides(
    rules,
    comment,
    decrypt(caller(iam(forIam({ Condition: condition }))), key(delegating), more),
    expect,
  );

const tagged =
  (tags: Readonly<Record<string, string>>) =>
  (policies: Pick<Caller, "policies">): Caller =>
    alice({ ...policies, tags });

const inContext = (context: Readonly<Record<string, string>>): Circumstances => ({
  encryptionContext: context,
});

const user = { StringEquals: { "kms:EncryptionContext:user": "${aws:username}" } };
const like = (value: string): object => ({ StringLike: { "kms:EncryptionContext:path": value } });
const equal = (value: string): object => ({
  StringEquals: { "kms:EncryptionContext:path": value },
});
const path = (value: string): Circumstances => inContext({ path: value });

const resource = (rules: string, comment: string, text: string, expect: string, tags = {}): Case =>
  decides(
    rules,
    comment,
    decrypt(alice({ ...iam(forIam({ Resource: text })), tags }), key(delegating)),
    expect,
  );

export const variables: Cases = {
  "variable-matches": under(
    "V1",
    "the user's own name",
    user,
    both,
    alice,
    inContext({ user: "alice" }),
  ),
  "variable-does-not-match": under("V1", "another", user, lacks, alice, inContext({ user: "bob" })),
  "variable-within-text": under(
    "V1",
    "within a text, twice",
    equal("/${aws:username}/${aws:PrincipalTag/team}/"),
    both,
    tagged({ team: "red" }),
    path("/alice/red/"),
  ),
  "variable-case-of-key": under(
    "V1 K1",
    "the key of a variable in any case",
    equal("${AWS:principaltag/TEAM}"),
    both,
    tagged({ team: "red" }),
    path("red"),
  ),
  "variable-in-arn": under(
    "V1",
    "in an ARN",
    { ArnLike: { "aws:SourceArn": `arn:aws:s3:::\${aws:username}-*` } },
    both,
    alice,
    { conditions: { "aws:sourcearn": "arn:aws:s3:::alice-data" } },
  ),
  "variable-not-in-bool": under(
    "V1 T8",
    "elsewhere it is plain text, which is not a truth value",
    { Bool: { "aws:SecureTransport": "${aws:SecureTransport}" } },
    "MalformedPolicyDocumentException",
  ),
  "variable-in-old-version": decides(
    "V1",
    "in the older version it is plain text",
    decrypt(
      alice({
        policies: [named("iam", oldPolicy(forIam({ Condition: equal("${aws:username}") })))],
      }),
      key(delegating),
      path("alice"),
    ),
    lacks,
  ),
  "variable-in-old-version-literally": decides(
    "V1",
    "that matches itself",
    decrypt(
      alice({
        policies: [named("iam", oldPolicy(forIam({ Condition: equal("${aws:username}") })))],
      }),
      key(delegating),
      path("${aws:username}"),
    ),
    both,
  ),
  "variable-in-resource": resource(
    "V1",
    "in a resource",
    `arn:aws:kms:*:${A}:key/\${aws:PrincipalTag/key}`,
    both,
    { key: KEY_ID },
  ),
  "variable-in-resource-does-not-match": resource(
    "V1",
    "in a resource, for another key",
    `arn:aws:kms:*:${A}:key/\${aws:PrincipalTag/key}`,
    lacks,
    { key: "other" },
  ),
  "variable-in-resource-account": resource(
    "V1 T7",
    "not before the fifth colon",
    "arn:aws:kms:*:${aws:PrincipalAccount}:key/*",
    "MalformedPolicyDocumentException",
  ),
  "variable-star": under(
    "V2",
    "a star that is not a wildcard",
    like("a${*}"),
    lacks,
    alice,
    path("ab"),
  ),
  "variable-star-itself": under("V2", "but a star", like("a${*}"), both, alice, path("a*")),
  "variable-question-mark": under("V2", "no wildcard", like("a${?}"), lacks, alice, path("ab")),
  "variable-question-mark-itself": under(
    "V2",
    "but a question mark",
    like("a${?}"),
    both,
    alice,
    path("a?"),
  ),
  "variable-dollar": under(
    "V2",
    "a dollar sign before a brace",
    equal("${$}{aws:username}"),
    both,
    alice,
    path("${aws:username}"),
  ),
  "variable-value-is-literal": under(
    "V3",
    "a star in a value is a star",
    like("${aws:PrincipalTag/team}"),
    lacks,
    tagged({ team: "*" }),
    path("red"),
  ),
  "variable-value-is-literal-itself": under(
    "V3",
    "that matches itself",
    like("${aws:PrincipalTag/team}*"),
    both,
    tagged({ team: "*" }),
    path("*x"),
  ),
  "variable-value-is-no-variable": under(
    "V3",
    "and a variable in a value is text",
    equal("${aws:PrincipalTag/team}"),
    lacks,
    tagged({ team: "${aws:username}" }),
    path("alice"),
  ),
  "variable-default": under(
    "V4",
    "what takes the place of an absent value",
    equal("${aws:PrincipalTag/team, 'nobody'}"),
    both,
    alice,
    path("nobody"),
  ),
  "variable-default-not-needed": under(
    "V4",
    "and of no other",
    equal("${aws:PrincipalTag/team, 'nobody'}"),
    lacks,
    tagged({ team: "red" }),
    path("nobody"),
  ),
  "variable-absent": under(
    "V5",
    "no value, no match",
    equal("${aws:PrincipalTag/team}"),
    lacks,
    alice,
    path(""),
  ),
  "variable-absent-beside-a-match": under(
    "V5",
    "though another of the values would match",
    { StringEquals: { "kms:EncryptionContext:path": ["x", "${aws:PrincipalTag/team}"] } },
    lacks,
    alice,
    path("x"),
  ),
  "variable-absent-in-negation": under(
    "V5",
    "though the operator is negated",
    { StringNotEquals: { "kms:EncryptionContext:path": "${aws:PrincipalTag/team}" } },
    lacks,
    alice,
    path("x"),
  ),
  "variable-absent-if-exists": under(
    "V5",
    "though the operator would do without the key",
    { StringEqualsIfExists: { "kms:EncryptionContext:other": "${aws:PrincipalTag/team}" } },
    lacks,
    alice,
    path("x"),
  ),
  "variable-absent-in-deny": decides(
    "V5",
    "a Deny with such a variable denies nothing",
    decrypt(
      alice(),
      key(
        policy(
          forKey(ALICE),
          forKey("*", {
            Effect: "Deny",
            Condition: { StringNotEquals: { "aws:username": "${aws:PrincipalTag/name}" } },
          }),
        ),
      ),
    ),
    "key-policy: key policy, statement 1",
  ),
  "variable-of-several-values": under(
    "V5",
    "a key with several values has none for a variable",
    equal("${kms:ResourceAliases}"),
    lacks,
    alice,
    path("alias/app"),
  ),
  "variable-of-several-values-with-default": under(
    "V5",
    "not even with a default",
    equal("${kms:ResourceAliases, 'x'}"),
    lacks,
    alice,
    path("x"),
  ),
  "variable-user-of-role": under(
    "V5 K2",
    "a role has no user name",
    user,
    lacks,
    role,
    inContext({ user: "app" }),
  ),
  "variable-without-end": under(
    "V6",
    "a variable that does not end",
    equal("${aws:username"),
    "MalformedPolicyDocumentException",
  ),
  "variable-without-name": under(
    "V6",
    "one without a name",
    equal("${}"),
    "MalformedPolicyDocumentException",
  ),
  "variable-within-variable": under(
    "V6",
    "one within another",
    equal("${aws:PrincipalTag/${aws:username}}"),
    "MalformedPolicyDocumentException",
  ),
};
