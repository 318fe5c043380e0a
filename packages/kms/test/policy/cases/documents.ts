/**
 * Documents that are refused, and some that are not.
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
  key,
  named,
  policy,
  decides,
  type PolicyJson,
  type Case,
  type Cases,
} from "./case.ts";

const BAD = "MalformedPolicyDocumentException";
const ok = "key-policy: key policy, statement 1";

const ofKey = (rules: string, comment: string, document: PolicyJson, expect = BAD): Case =>
  decides(rules, comment, decrypt(alice(), key(document)), expect);

const ofIam = (rules: string, comment: string, document: PolicyJson, expect = BAD): Case =>
  decides(
    rules,
    comment,
    decrypt(alice({ policies: [named("iam", document)] }), key(delegating)),
    expect,
  );

const both =
  'key-policy-and-iam: key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement 1';

/** The text of a policy that lets alice in, filled up with spaces. */
const padded = (bytes: number): string => {
  const text = JSON.stringify(policy(forKey(ALICE)));
  return text + " ".repeat(bytes - text.length);
};

const statement = (more: object): PolicyJson => policy({ ...forKey(ALICE), ...more });
const condition = (more: object): PolicyJson => statement({ Condition: more });
const without = (member: string): PolicyJson =>
  policy(Object.fromEntries(Object.entries(forKey(ALICE)).filter(([name]) => name !== member)));
const iamWithout = (member: string): PolicyJson =>
  policy(Object.fromEntries(Object.entries(forIam()).filter(([name]) => name !== member)));

export const documents: Cases = {
  "document-largest": ofKey("T1", "32,768 bytes", padded(32_768), ok),
  "document-too-large": ofKey("T1", "one byte more", padded(32_769), "LimitExceededException"),
  "document-two-byte-characters": ofKey(
    "T1",
    "bytes are counted, not characters",
    JSON.stringify(statement({ Sid: "\u00e9".repeat(16_384) })),
    "LimitExceededException",
  ),
  "document-latin": ofKey(
    "T2",
    "the last character that is allowed",
    statement({ Sid: "\u00ff" }),
    'key-policy: key policy, statement "\u00ff"',
  ),
  "document-beyond-latin": ofKey("T2", "and the next one", statement({ Sid: "\u0100" })),
  "document-control-character": ofKey(
    "T2",
    "a control character",
    `${JSON.stringify(policy(forKey(ALICE)))}\u000b`,
  ),
  "document-escaped-character": ofKey(
    "T2",
    "written as an escape it is fine",
    String.raw`{"Version":"2012-10-17","Statement":{"Sid":"\u0100","Effect":"Allow","Principal":{"AWS":"${ALICE}"},"Action":"kms:*","Resource":"*"}}`,
    'key-policy: key policy, statement "\u0100"',
  ),
  "document-line-breaks": ofKey(
    "T2",
    "tabs and line breaks",
    `\t\r\n${JSON.stringify(policy(forKey(ALICE)))}\n`,
    ok,
  ),
  "document-no-json": ofKey("T2", "no JSON", "{"),
  "document-empty": ofKey("T2", "nothing", ""),
  "document-list": ofKey("T2", "a list", "[]"),
  "document-comma": ofKey("T2", "a comma too many", '{"Statement":[],}'),
  "document-trailing": ofKey("T2", "text behind", `${JSON.stringify(policy(forKey(ALICE)))}x`),
  "document-twice": ofKey(
    "T2",
    "a member twice",
    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"${ALICE}"},"Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}},"Condition":{}}]}`,
  ),
  "document-deep": ofKey(
    "T2",
    "deeper than 32 levels",
    `{"Statement":${"[".repeat(40)}${"]".repeat(40)}}`,
  ),
  "document-one-statement": ofKey(
    "T3",
    "one statement without a list",
    { Version: "2012-10-17", Statement: forKey(ALICE) },
    ok,
  ),
  "document-id": ofKey(
    "T3",
    "an Id",
    { Version: "2012-10-17", Id: "any thing", Statement: [forKey(ALICE)] },
    ok,
  ),
  "document-without-version": ofKey("T3", "no version", { Statement: [forKey(ALICE)] }, ok),
  "document-old-version": ofKey(
    "T3",
    "the older version",
    { Version: "2008-10-17", Statement: [forKey(ALICE)] },
    ok,
  ),
  "document-other-version": ofKey("T3", "another version", {
    Version: "2012-10-18",
    Statement: [forKey(ALICE)],
  }),
  "document-other-member": ofKey("T3", "a member there is not", {
    Version: "2012-10-17",
    Statements: [],
    Statement: [forKey(ALICE)],
  }),
  "document-case-of-member": ofKey("T3", "case of members", {
    version: "2012-10-17",
    Statement: [forKey(ALICE)],
  }),
  "document-without-statement": ofKey("T3", "no statement", { Version: "2012-10-17" }),
  "document-no-statements": ofKey("T3", "an empty list of statements", policy()),
  "statement-other-member": ofKey("T4", "a member there is not", statement({ Actions: "kms:*" })),
  "statement-no-object": ofKey("T4", "a statement that is not an object", { Statement: ["Allow"] }),
  "statement-without-effect": ofKey("T4", "no effect", without("Effect")),
  "statement-effect": ofKey("T4", "another effect", statement({ Effect: "allow" })),
  "statement-action-and-not-action": ofKey(
    "T4",
    "Action and NotAction",
    statement({ NotAction: "kms:*" }),
  ),
  "statement-resource-and-not-resource": ofKey(
    "T4",
    "Resource and NotResource",
    statement({ NotResource: "*" }),
  ),
  "statement-principal-and-not-principal": ofKey(
    "T4",
    "Principal and NotPrincipal",
    statement({ NotPrincipal: "*" }),
  ),
  "statement-sid": ofKey("T4", "a Sid that is not text", statement({ Sid: 1 })),
  "statement-without-principal": ofKey(
    "T5",
    "a key policy without principal",
    without("Principal"),
  ),
  "iam-without-action": ofIam("T6", "no action", iamWithout("Action")),
  "iam-without-resource": ofIam("T6", "no resource", iamWithout("Resource")),
  "iam-principal": ofIam("T6", "a principal", policy(forIam({ Principal: "*" }))),
  "iam-not-principal": ofIam("T6", "or a NotPrincipal", policy(forIam({ NotPrincipal: "*" }))),
  "iam-sid": ofIam("T6", "a Sid with a space", policy(forIam({ Sid: "all keys" }))),
  "iam-sid-twice": ofIam("T6", "a Sid twice", policy(forIam({ Sid: "a" }), forIam({ Sid: "a" }))),
  "iam-sid-once": ofIam(
    "T6",
    "once",
    policy(forIam({ Sid: "a" })),
    both.replace("statement 1", 'statement "a"'),
  ),
  "action-without-service": ofKey(
    "T7",
    "an action without a service",
    statement({ Action: "Decrypt" }),
  ),
  "action-empty": ofKey("T7", "an empty action", statement({ Action: "" })),
  "action-list-empty": ofKey("T7", "an empty list of actions", statement({ Action: [] })),
  "action-no-text": ofKey("T7", "an action that is not text", statement({ Action: [1] })),
  "iam-resource-key-id": ofIam(
    "T7",
    "a key id is not a resource",
    policy(forIam({ Resource: "1234abcd-12ab-34cd-56ef-1234567890ab" })),
  ),
  "iam-resource-short": ofIam(
    "T7",
    "an ARN with five parts",
    policy(forIam({ Resource: "arn:aws:kms:*:*" })),
  ),
  "iam-resource-list-empty": ofIam(
    "T7",
    "an empty list of resources",
    policy(forIam({ Resource: [] })),
  ),
  "iam-resource-of-another-service": ofIam(
    "T7",
    "resources of other services",
    policy(forIam({ Resource: ["arn:aws:s3:::b/*", "*"] })),
    both,
  ),
  "condition-no-object": ofKey("T8", "a condition that is not an object", condition([])),
  "condition-operator": ofKey(
    "T8",
    "an operator there is not",
    condition({ StringEqual: { "aws:username": "x" } }),
  ),
  "condition-operator-case": ofKey(
    "T8",
    "case of operators",
    condition({ stringEquals: { "aws:username": "x" } }),
  ),
  "condition-prefix": ofKey(
    "T8",
    "a prefix there is not",
    condition({ "ForAny:StringEquals": { "aws:username": "x" } }),
  ),
  "condition-null-if-exists": ofKey(
    "T8 O7",
    "NullIfExists",
    condition({ NullIfExists: { "aws:username": "true" } }),
  ),
  "condition-any-null": ofKey(
    "T8 O7",
    "ForAnyValue:Null",
    condition({ "ForAnyValue:Null": { "aws:username": "true" } }),
  ),
  "condition-operand": ofKey("T8", "no keys for an operator", condition({ StringEquals: "x" })),
  "condition-key": ofKey(
    "T8",
    "a key without a prefix",
    condition({ StringEquals: { username: "x" } }),
  ),
  "condition-no-values": ofKey(
    "T8",
    "no values",
    condition({ StringEquals: { "aws:username": [] } }),
  ),
  "condition-value-null": ofKey(
    "T8",
    "null",
    condition({ StringEquals: { "aws:username": null } }),
  ),
  "condition-value-list": ofKey(
    "T8",
    "lists in lists",
    condition({ StringEquals: { "aws:username": [["x"]] } }),
  ),
  "condition-value-number": ofKey(
    "T8",
    "no number",
    condition({ NumericLessThan: { "kms:RotationPeriodInDays": "a year" } }),
  ),
  "condition-value-date": ofKey(
    "T8",
    "no time",
    condition({ DateLessThan: { "aws:CurrentTime": "tomorrow" } }),
  ),
  "condition-value-date-month": ofKey(
    "T8",
    "no month",
    condition({ DateLessThan: { "aws:CurrentTime": "2026-13-01" } }),
  ),
  "condition-value-date-day": ofKey(
    "T8",
    "a day that its month does not have",
    condition({ DateLessThan: { "aws:CurrentTime": "2026-02-30" } }),
  ),
  "condition-value-date-leap-day": ofKey(
    "T8",
    "a day that only leap years have",
    condition({ DateLessThan: { "aws:CurrentTime": "2024-02-29" } }),
    ok,
  ),
  "condition-value-number-long": ofKey(
    "T8",
    "a number of 101 characters",
    condition({ NumericLessThan: { "kms:RotationPeriodInDays": "9".repeat(101) } }),
  ),
  "condition-value-bool": ofKey(
    "T8",
    "no truth value",
    condition({ Bool: { "aws:SecureTransport": "yes" } }),
  ),
  "condition-value-binary": ofKey(
    "T8",
    "no base64",
    condition({ BinaryEquals: { "x:y": "QmluYXJ" } }),
  ),
  "condition-value-ip": ofKey(
    "T8",
    "no address",
    condition({ IpAddress: { "aws:SourceIp": "203.0.113.256" } }),
  ),
  "condition-value-ip-bits": ofKey(
    "T8",
    "33 bits",
    condition({ IpAddress: { "aws:SourceIp": "203.0.113.0/33" } }),
  ),
  "condition-value-ip-mapped-prefix": ofKey(
    "T8",
    "a range around the IPv4 addresses within IPv6",
    condition({ IpAddress: { "aws:SourceIp": "::ffff:10.0.0.0/8" } }),
  ),
  "condition-value-arn": ofKey(
    "T8",
    "an ARN of five parts",
    condition({ ArnLike: { "aws:PrincipalArn": "arn:aws:iam:*:*" } }),
  ),
  "condition-value-arn-star": ofKey(
    "T8 W2",
    "a lone star",
    condition({ ArnLike: { "aws:PrincipalArn": "*" } }),
    ok,
  ),
  "condition-value-null-operator": ofKey(
    "T8",
    "Null with neither",
    condition({ Null: { "aws:username": "yes" } }),
  ),
  "for-all-values-context": ofKey(
    "T9",
    "ForAllValues and the encryption context",
    condition({ "ForAllValues:StringEquals": { "kms:EncryptionContext:app": "billing" } }),
  ),
  "for-all-values-request-tag": ofKey(
    "T9",
    "ForAllValues and request tags",
    condition({ "ForAllValues:StringEquals": { "aws:RequestTag/team": "red" } }),
  ),
  "for-all-values-context-in-iam": ofIam(
    "T9 O6",
    "in identity policies it is allowed",
    policy(
      forIam({
        Condition: { "ForAllValues:StringEquals": { "kms:EncryptionContext:app": "billing" } },
      }),
    ),
    both,
  ),
  "principal-malformed-arn": ofKey(
    "T10",
    "text that begins like an ARN and is not one",
    statement({ Principal: { AWS: "arn:aws:iam::1111:user/alice" } }),
    "InvalidArnException",
  ),
  "principal-arn-of-a-key": ofKey(
    "T10",
    "an ARN of something else",
    statement({ Principal: { AWS: `arn:aws:kms:eu-west-1:${A}:key/x` } }),
    "InvalidArnException",
  ),
  "principal-name": ofKey("T10", "a name", statement({ Principal: { AWS: "alice" } })),
  "principal-text": ofKey("T10", "an ARN without its kind", statement({ Principal: ALICE })),
  "principal-kind": ofKey("T10", "a kind there is not", statement({ Principal: { Aws: ALICE } })),
  "principal-none": ofKey("T10", "no kind", statement({ Principal: {} })),
  "principal-list-empty": ofKey("T10", "an empty list", statement({ Principal: { AWS: [] } })),
  "principal-service-name": ofKey(
    "T10",
    "a name that is not a service's",
    statement({ Principal: { Service: "s3" } }),
  ),
  "principal-service-star": ofKey(
    "T10",
    "all services",
    statement({ Principal: { Service: "*" } }),
  ),
};
