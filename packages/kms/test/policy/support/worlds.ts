/** Any policies and any requests that they have something to do with. */
import fc from "fast-check";
import { decide } from "../../../src/policy/decide.ts";
import type { AccessRequest, Caller, KeyFacts, NamedPolicy } from "../../../src/policy/request.ts";
import {
  A,
  ALICE,
  alice,
  B,
  BOB,
  bob,
  grant,
  KEY_ARN,
  keyFacts,
  NOW,
  policy,
  ROLE,
  ROOT,
  session,
  SESSION,
} from "./requests.ts";

type Statement = Readonly<Record<string, unknown>>;

const condition = fc.constantFrom<object>(
  {},
  {},
  {},
  { StringEquals: { "kms:EncryptionContext:app": "billing" } },
  { StringNotEquals: { "kms:EncryptionContext:app": "billing" } },
  { StringLikeIfExists: { "kms:ViaService": "s3.*" } },
  { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/a*" } },
  { "ForAllValues:StringLike": { "kms:ResourceAliases": "alias/a*" } },
  { StringEquals: { "kms:ResourceAliases": "alias/app" } },
  { StringEquals: { "aws:ResourceTag/team": "${aws:PrincipalTag/team}" } },
  { StringEquals: { "aws:username": "${aws:PrincipalTag/team, 'alice'}" } },
  { Null: { "kms:EncryptionContextKeys": "true" } },
  { Bool: { "aws:SecureTransport": "true" }, StringLike: { "aws:PrincipalArn": "*role*" } },
);
const action = fc.constantFrom<unknown>(
  "kms:*",
  "kms:Decrypt",
  "kms:De*",
  ["kms:Encrypt", "kms:Sign"],
  "s3:*",
);
const effect = fc.constantFrom("Allow", "Allow", "Allow", "Allow", "Allow", "Deny");
const rarely = fc.nat(9).map((n) => n === 9);
const resource = fc.constantFrom<unknown>("*", KEY_ARN, `arn:aws:kms:*:${A}:alias/*`, [
  `arn:aws:kms:*:${B}:key/*`,
  KEY_ARN,
]);
const principals = fc.constantFrom<unknown>(
  "*",
  { AWS: ROOT },
  { AWS: ALICE },
  { AWS: [ROLE, BOB] },
  { AWS: SESSION },
  { AWS: B },
  { Service: "s3.amazonaws.com" },
);

export const iamStatement: fc.Arbitrary<Statement> = fc
  .record({
    Effect: effect,
    action,
    resource,
    Condition: condition,
    notAction: rarely,
    notResource: rarely,
  })
  .map(({ action: actions, resource: resources, notAction, notResource, Effect, Condition }) => ({
    Effect,
    Condition,
    [notAction ? "NotAction" : "Action"]: actions,
    [notResource ? "NotResource" : "Resource"]: resources,
  }));
export const keyStatement: fc.Arbitrary<Statement> = fc
  .tuple(iamStatement, principals, rarely)
  .map(([statement, who, not]) =>
    Object.assign({ [not ? "NotPrincipal" : "Principal"]: who }, statement),
  );

export const some = (statement: fc.Arbitrary<Statement>) =>
  fc.array(statement, { minLength: 1, maxLength: 4 });

/** The statements of each policy of a request, to be changed. */
export interface World {
  readonly key: readonly Statement[];
  readonly iam: readonly Statement[];
  readonly boundary: readonly Statement[] | undefined;
  readonly session: readonly Statement[] | undefined;
  readonly caller: Caller;
  readonly tags: Readonly<Record<string, string>>;
  readonly grants: KeyFacts["grants"];
  readonly action: AccessRequest["action"];
  readonly encryptionContext: Readonly<Record<string, string>>;
  readonly aliases: readonly string[];
}

export const world: fc.Arbitrary<World> = fc.record({
  key: some(keyStatement),
  iam: some(iamStatement),
  boundary: fc.option(some(iamStatement), { nil: undefined, freq: 2 }),
  session: fc.option(some(iamStatement), { nil: undefined, freq: 2 }),
  caller: fc.constantFrom<Caller>(
    alice,
    session,
    bob,
    { arn: ROOT, accountId: A, type: "root" },
    { arn: "s3.amazonaws.com", accountId: A, type: "service" },
  ),
  tags: fc.constantFrom({}, { team: "red" }, { team: "red", Team: "blue" }),
  grants: fc.subarray([
    grant({ grantId: "00".repeat(32) }),
    grant({ grantId: "11".repeat(32), grantee: ROLE, operations: ["Encrypt", "Decrypt"] }),
    grant({ grantId: "22".repeat(32), grantee: BOB, effective: NOW + 1 }),
    grant({
      grantId: "33".repeat(32),
      grantee: ROOT,
      constraints: { encryptionContextSubset: { app: "billing" } },
    }),
  ]),
  action: fc.constantFrom(
    "kms:Decrypt" as const,
    "kms:Encrypt" as const,
    "kms:DescribeKey" as const,
    "kms:PutKeyPolicy" as const,
  ),
  encryptionContext: fc.constantFrom(
    {},
    { app: "billing" },
    { App: "shop" },
    { app: "a", APP: "b" },
  ),
  aliases: fc.subarray(["alias/app", "alias/other"]),
});

export const named = (name: string, statements: readonly Statement[]): NamedPolicy => ({
  name,
  text: policy(...statements),
});

export function toRequest(from: World): AccessRequest {
  const { caller, boundary, session: bounds, tags } = from;
  return {
    caller: {
      ...caller,
      tags,
      policies: [named("iam", from.iam)],
      ...(boundary && { boundary: named("boundary", boundary) }),
      ...(bounds && { sessionPolicies: [named("session", bounds)] }),
    },
    action: from.action,
    resource: KEY_ARN,
    resourceAccount: A,
    key: keyFacts({
      policy: policy(...from.key),
      tags: { team: "red" },
      aliases: from.aliases,
      grants: from.grants,
    }),
    encryptionContext: from.encryptionContext,
    conditions: new Map([["aws:securetransport", "true"]]),
    now: NOW,
  };
}

export const PLACES = ["key", "iam", "boundary", "session"] as const;
export const place = fc.constantFrom(...PLACES);

/** Puts statements in place of others, where there are any. */
export function changed(
  from: World,
  at: (typeof PLACES)[number],
  change: (of: readonly Statement[]) => readonly Statement[],
): World {
  const statements = from[at];
  return statements === undefined ? from : { ...from, [at]: change(statements) };
}

/** Matches nothing; a policy needs a statement. */
export const idle = (at: string): Statement => ({
  Effect: "Allow",
  ...(at === "key" ? { Principal: "*" } : {}),
  Action: "none:None",
  Resource: "*",
});

export const allowed = (from: World): boolean => decide(toRequest(from)).allowed;
