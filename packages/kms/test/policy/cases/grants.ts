/**
 * Grants.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  A,
  ALICE,
  alice,
  BOB,
  bob,
  closed,
  decrypt,
  FEDERATED,
  federated,
  forIam,
  forKey,
  iam,
  key,
  KEY_ARN,
  named,
  NOW,
  otherRoot,
  OTHER_ROOT,
  policy,
  ROLE,
  role,
  ROOT,
  root,
  s3,
  SESSION,
  session,
  decides,
  type AccessRequest,
  type Caller,
  type Grant,
  type Case,
  type Cases,
  type Circumstances,
} from "./case.ts";

type Context = Readonly<Record<string, string>>;

const ID = "0f".repeat(32);
const no = "no-key-policy-allows";
const ok = `grant: grant ${ID}`;
const nothing = named("none", policy(forIam({ Action: "s3:*" })));
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const grant = (more: Partial<Grant> = {}): Grant => ({
  grantId: ID,
  created: NOW - 1000,
  effective: NOW - 1000,
  grantee: ALICE,
  issuingAccount: ROOT,
  operations: ["Decrypt", "DescribeKey"],
  tokenHashes: [sha256("token-1"), sha256("token-2")],
  ...more,
});

/** A key that only its grants let anybody in to. */
const by = (
  rules: string,
  comment: string,
  caller: Caller,
  grants: Grant | readonly Grant[],
  expect: string,
  more: Circumstances = {},
): Case =>
  decides(rules, comment, decrypt(caller, key(closed, { grants: [grants].flat() }), more), expect);

const equals = (context: Context): Partial<Grant> => ({
  constraints: { encryptionContextEquals: context },
});
const subset = (context: Context): Partial<Grant> => ({
  constraints: { encryptionContextSubset: context },
});
const inContext = (context: Context): Circumstances => ({ encryptionContext: context });

/** Creating `child` through `parent`. */
const child = (
  comment: string,
  parent: Partial<Grant>,
  newGrant: AccessRequest["newGrant"],
  allowed: boolean,
  source?: string,
): Case =>
  decides(
    "G4",
    comment,
    {
      caller: alice(),
      action: "kms:CreateGrant",
      resource: KEY_ARN,
      resourceAccount: A,
      key: key(closed, {
        grants: [grant({ operations: ["Decrypt", "Encrypt", "CreateGrant"], ...parent })],
      }),
      ...(newGrant && { newGrant }),
      ...(source && { conditions: new Map([["aws:sourcearn", source]]) }),
      now: NOW,
    },
    allowed ? ok : no,
  );

const decrypting = (
  constraints?: Grant["constraints"],
): Pick<Grant, "operations" | "constraints"> => ({
  operations: ["Decrypt"],
  ...(constraints && { constraints }),
});

const retire = (
  rules: string,
  comment: string,
  caller: Caller,
  theGrant: Partial<Grant>,
  expect: string,
  document: object = closed,
): Case =>
  decides(
    rules,
    comment,
    {
      caller,
      action: "kms:RetireGrant",
      resource: KEY_ARN,
      resourceAccount: A,
      key: key(document, { grants: [grant(theGrant)] }),
      now: NOW,
    },
    expect,
  );

const BUCKET = `arn:aws:s3:local:${A}:bucket/a`;
const forBucket = {
  grantee: "s3.amazonaws.com",
  granteeIsService: true,
  constraints: { sourceArn: BUCKET },
} as const;
const forAlice: Partial<Grant> = { constraints: forBucket.constraints };
const actingFor = (arn: string): Circumstances => ({ conditions: { "aws:sourcearn": arn } });
const listRetirable = (service: string): AccessRequest => ({
  caller: s3(),
  action: "kms:ListRetirableGrants",
  resource: service,
  resourceAccount: A,
  now: NOW,
});

export const grants: Cases = {
  "grant-to-user": by("G1 D10", "a grant is enough", alice(), grant(), ok),
  "grant-beside-key-policy": decides(
    "D6 D10",
    "a key policy that is enough by itself comes first",
    decrypt(alice(), key(policy(forKey(ALICE)), { grants: [grant()] })),
    "key-policy: key policy, statement 1",
  ),
  "grant-beside-role-in-key-policy": decides(
    "D7 D10",
    "a grant does for a session what its role's boundary keeps the key policy from",
    decrypt(
      session({ boundary: nothing }),
      key(policy(forKey(ROLE)), { grants: [grant({ grantee: SESSION })] }),
    ),
    ok,
  ),
  "grant-for-other-operation": by("G1", "not for other operations", alice(), grant(), no, {
    action: "kms:Encrypt",
  }),
  "grant-to-other": by("G1", "not for others", alice(), grant({ grantee: ROLE }), no),
  "grant-among-several": by(
    "G1",
    "one of several",
    alice(),
    [grant({ grantId: "aa".repeat(32), grantee: ROLE }), grant()],
    ok,
  ),
  "grant-to-role": by(
    "G1 D10",
    "a role's sessions have it",
    session(),
    grant({ grantee: ROLE }),
    ok,
  ),
  "grant-to-role-itself": by("G1", "and the role", role(), grant({ grantee: ROLE }), ok),
  "grant-to-session": by("G1", "a session", session(), grant({ grantee: SESSION }), ok),
  "grant-to-other-session": by(
    "G1",
    "another",
    session(),
    grant({ grantee: `arn:aws:sts::${A}:assumed-role/app/run-8` }),
    no,
  ),
  "grant-to-federated-user": by(
    "G1",
    "a federated user",
    federated(),
    grant({ grantee: FEDERATED }),
    ok,
  ),
  "grant-to-service": by("G1", "a service", s3(), grant({ grantee: "s3.amazonaws.com" }), ok),
  "grant-to-everyone": by("G1", "everyone is nobody", alice(), grant({ grantee: "*" }), no),
  "grant-elsewhere": by(
    "G1 D10",
    "across accounts a grant is enough",
    bob(),
    grant({ grantee: BOB }),
    ok,
  ),
  "grant-elsewhere-not-possible": by(
    "D4 D10",
    "but not for what is not possible across accounts",
    bob(),
    grant({ grantee: BOB, operations: ["ListKeyRotations"] }),
    "cross-account-not-possible",
    { action: "kms:ListKeyRotations" },
  ),

  "grant-to-account-root": by("G5", "an account's root", root(), grant({ grantee: ROOT }), ok),
  "grant-to-account-user": by(
    "G5 D11",
    "the account's users need a policy",
    alice(),
    grant({ grantee: ROOT }),
    "no-identity-policy-allows",
  ),
  "grant-to-account-user-with-policy": by(
    "G5",
    "that allows it",
    alice(iam(forIam())),
    grant({ grantee: ROOT }),
    `${ok} and identity policy "iam", statement 1`,
  ),
  "grant-to-other-account": by(
    "G5",
    "another account's root",
    otherRoot(),
    grant({ grantee: OTHER_ROOT }),
    ok,
  ),
  "grant-to-other-account-user": by(
    "G5 D11",
    "its users need a policy",
    bob(),
    grant({ grantee: OTHER_ROOT }),
    "no-identity-policy-allows",
  ),
  "grant-to-account-bounded": by(
    "G5 D11",
    "and a boundary that allows it",
    alice({ ...iam(forIam()), boundary: nothing }),
    grant({ grantee: ROOT }),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "grant-to-user-bounded": by(
    "G5 D10",
    "a boundary does not limit a grant to a user",
    alice({ boundary: nothing }),
    grant(),
    ok,
  ),
  "grant-to-role-bounded": by(
    "G5 D11",
    "one to a role it does",
    session({ boundary: nothing }),
    grant({ grantee: ROLE }),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "grant-to-role-in-session-policy": by(
    "G5 D11",
    "and so does a session policy",
    session({ sessionPolicies: [nothing] }),
    grant({ grantee: ROLE }),
    'no-session-policy-allows: session policy "none"',
  ),
  "grant-second-is-better": by(
    "G5",
    "another grant may do better",
    session({ boundary: nothing }),
    [grant({ grantId: "aa".repeat(32), grantee: ROLE }), grant({ grantee: SESSION })],
    ok,
  ),

  "grant-reason-of-role-first": by(
    "D11 G5",
    "of two that fall short the one to the role is the reason",
    session({ boundary: nothing }),
    [grant({ grantId: "aa".repeat(32), grantee: ROOT }), grant({ grantee: ROLE })],
    'no-boundary-allows: permissions boundary "none"',
  ),
  "grant-reason-after-key-policy": decides(
    "D11 G5",
    "the key policy's reason comes before those of grants",
    decrypt(
      session({ boundary: nothing }),
      key(policy(forKey(ROOT)), { grants: [grant({ grantee: ROLE })] }),
    ),
    "no-identity-policy-allows",
  ),

  "grant-not-yet-effective": by(
    "G2",
    "not effective yet",
    alice(),
    grant({ effective: NOW + 1 }),
    no,
  ),
  "grant-just-effective": by("G2", "effective from now on", alice(), grant({ effective: NOW }), ok),
  "grant-token": by("G2", "with its token", alice(), grant({ effective: NOW + 1 }), ok, {
    grantTokens: ["token-1"],
  }),
  "grant-second-token": by(
    "G2",
    "with another of its tokens",
    alice(),
    grant({ effective: NOW + 1 }),
    ok,
    {
      grantTokens: ["of another grant", "token-2"],
    },
  ),
  "grant-other-token": by(
    "G2",
    "with another's token",
    alice(),
    grant({ effective: NOW + 1 }),
    no,
    {
      grantTokens: ["token-3"],
    },
  ),
  "grant-token-of-another-principal": by(
    "G2 G1",
    "a token makes nobody the grantee",
    session(),
    grant({ effective: NOW + 1 }),
    no,
    { grantTokens: ["token-1"] },
  ),

  "constraint-source": by(
    "G1 G3",
    "a service that acts for the resource of the grant",
    s3(),
    grant(forBucket),
    ok,
    actingFor(BUCKET),
  ),
  "constraint-source-other": by(
    "G3",
    "for another resource",
    s3(),
    grant(forBucket),
    no,
    actingFor(`${BUCKET}-2`),
  ),
  "constraint-source-absent": by("G3", "for none", s3(), grant(forBucket), no),
  "constraint-source-pattern": by(
    "G3",
    "a star is no wildcard",
    s3(),
    grant({ ...forBucket, constraints: { sourceArn: BUCKET.replace("/a", "/*") } }),
    no,
    actingFor(BUCKET),
  ),
  "constraint-source-describe": by("G3", "DescribeKey as well", s3(), grant(forBucket), no, {
    action: "kms:DescribeKey",
  }),
  "constraint-source-and-context": by(
    "G3",
    "beside an encryption context, both are needed",
    s3(),
    grant({
      ...forBucket,
      constraints: { ...forBucket.constraints, ...equals({ a: "1" }).constraints },
    }),
    no,
    actingFor(BUCKET),
  ),
  "constraint-source-elsewhere": by(
    "G1 G3",
    "it does not matter for whom another service acts",
    alice(),
    grant(forBucket),
    no,
    actingFor(BUCKET),
  ),
  "child-grant-source": child(
    "with the source of its parent",
    forAlice,
    decrypting({ sourceArn: BUCKET }),
    true,
    BUCKET,
  ),
  "child-grant-without-source": child("without it", forAlice, decrypting(), false, BUCKET),
  "child-grant-source-elsewhere": child(
    "for which the request is not made",
    forAlice,
    decrypting({ sourceArn: BUCKET }),
    false,
  ),
  "retire-by-service": retire(
    "G6",
    "a service, for any resource",
    s3(),
    { ...forBucket, retiring: "s3.amazonaws.com", retiringIsService: true },
    ok,
  ),
  "list-retirable-by-service": decides("G7", "its own", listRetirable("s3.amazonaws.com"), "grant"),
  "list-retirable-by-other-service": decides(
    "D2 G7",
    "another's",
    listRetirable("rds.amazonaws.com"),
    "no-identity-policy-allows",
  ),

  "constraint-equals": by(
    "G3",
    "equal",
    alice(),
    grant(equals({ a: "1", b: "2" })),
    ok,
    inContext({ b: "2", a: "1" }),
  ),
  "constraint-equals-less": by(
    "G3",
    "a pair too few",
    alice(),
    grant(equals({ a: "1", b: "2" })),
    no,
    inContext({ a: "1" }),
  ),
  "constraint-equals-more": by(
    "G3",
    "a pair too many",
    alice(),
    grant(equals({ a: "1" })),
    no,
    inContext({ a: "1", b: "2" }),
  ),
  "constraint-equals-value": by(
    "G3",
    "another value",
    alice(),
    grant(equals({ a: "1" })),
    no,
    inContext({ a: "2" }),
  ),
  "constraint-equals-case": by(
    "G3",
    "another case of the name",
    alice(),
    grant(equals({ a: "1" })),
    ok,
    inContext({ A: "1" }),
  ),
  "constraint-equals-both-cases": by(
    "G3",
    "the name in both cases are two pairs",
    alice(),
    grant(equals({ a: "1" })),
    no,
    inContext({ a: "1", A: "1" }),
  ),
  "constraint-equals-swapped": by(
    "G3",
    "as many pairs, but not all of the constraint",
    alice(),
    grant(equals({ a: "1", A: "1" })),
    no,
    inContext({ a: "1", b: "1" }),
  ),
  "constraint-equals-case-of-value": by(
    "G3",
    "another case of the value",
    alice(),
    grant(equals({ a: "x" })),
    no,
    inContext({ a: "X" }),
  ),
  "constraint-subset": by(
    "G3",
    "at least these",
    alice(),
    grant(subset({ a: "1" })),
    ok,
    inContext({ a: "1", b: "2" }),
  ),
  "constraint-subset-equal": by(
    "G3",
    "just these",
    alice(),
    grant(subset({ a: "1" })),
    ok,
    inContext({ a: "1" }),
  ),
  "constraint-subset-less": by(
    "G3",
    "not these",
    alice(),
    grant(subset({ a: "1", b: "2" })),
    no,
    inContext({ a: "1" }),
  ),
  "constraint-subset-value": by(
    "G3",
    "not this value",
    alice(),
    grant(subset({ a: "1" })),
    no,
    inContext({ a: "2", b: "1" }),
  ),
  "constraint-subset-case": by(
    "G3",
    "in another case of the name",
    alice(),
    grant(subset({ a: "1" })),
    ok,
    inContext({ A: "1", b: "2" }),
  ),
  "constraint-without-context": by(
    "G3",
    "an empty encryption context",
    alice(),
    grant(subset({ a: "1" })),
    no,
  ),
  "constraint-prototype-name": by(
    "G3",
    "a name that every object knows",
    alice(),
    grant(subset({ toString: "x" })),
    no,
    inContext({ a: "1" }),
  ),
  "constraint-describe-key": decides(
    "G3",
    "DescribeKey has no encryption context",
    {
      caller: alice(),
      action: "kms:DescribeKey",
      resource: KEY_ARN,
      resourceAccount: A,
      key: key(closed, { grants: [grant(equals({ a: "1" }))] }),
      now: NOW,
    },
    ok,
  ),
  "constraint-no-context-at-all": decides(
    "G3",
    "an operation without encryption context meets no constraint",
    {
      caller: alice(),
      action: "kms:GetPublicKey",
      resource: KEY_ARN,
      resourceAccount: A,
      key: key(closed, {
        grants: [grant({ ...subset({ a: "1" }), operations: ["GetPublicKey"] })],
      }),
      now: NOW,
    },
    no,
  ),

  "child-same": child("some of the operations", {}, decrypting(), true),
  "child-create-grant": child(
    "CreateGrant among them",
    {},
    { operations: ["Decrypt", "CreateGrant"] },
    true,
  ),
  "child-more-operations": child(
    "an operation more",
    {},
    { operations: ["Decrypt", "Sign"] },
    false,
  ),
  "child-parent-without-create-grant": child(
    "the parent lacks CreateGrant",
    { operations: ["Decrypt"] },
    decrypting(),
    false,
  ),
  "child-unknown": child("not known what is to be granted", {}, undefined, false),
  "child-adds-constraint": child(
    "a constraint where there was none",
    {},
    decrypting({ encryptionContextSubset: { a: "1" } }),
    true,
  ),
  "child-drops-equals": child(
    "no constraint where there was one",
    equals({ a: "1" }),
    decrypting(),
    false,
  ),
  "child-drops-subset": child(
    "no constraint where there was a subset",
    subset({ a: "1" }),
    decrypting(),
    false,
  ),
  "child-equals-same": child(
    "the same equality",
    equals({ a: "1" }),
    decrypting({ encryptionContextEquals: { a: "1" } }),
    true,
  ),
  "child-equals-case": child(
    "the same equality in another case of the name",
    equals({ a: "1" }),
    decrypting({ encryptionContextEquals: { A: "1" } }),
    true,
  ),
  "child-equals-other": child(
    "another equality",
    equals({ a: "1" }),
    decrypting({ encryptionContextEquals: { a: "1", b: "2" } }),
    false,
  ),
  "child-equals-to-subset": child(
    "an equality never becomes a subset",
    equals({ a: "1" }),
    decrypting({ encryptionContextSubset: { a: "1" } }),
    false,
  ),
  "child-subset-same": child(
    "the same subset",
    subset({ a: "1" }),
    decrypting({ encryptionContextSubset: { a: "1" } }),
    true,
  ),
  "child-subset-more": child(
    "a subset with more pairs",
    subset({ a: "1" }),
    decrypting({ encryptionContextSubset: { a: "1", b: "2" } }),
    true,
  ),
  "child-subset-less": child(
    "a subset with fewer",
    subset({ a: "1", b: "2" }),
    decrypting({ encryptionContextSubset: { a: "1" } }),
    false,
  ),
  "child-subset-to-equals": child(
    "a subset becomes an equality",
    subset({ a: "1" }),
    decrypting({ encryptionContextEquals: { a: "1", b: "2" } }),
    true,
  ),
  "child-subset-to-equals-without-pairs": child(
    "an equality without these pairs",
    subset({ a: "1" }),
    decrypting({ encryptionContextEquals: { b: "2" } }),
    false,
  ),
  "child-with-context-of-request": decides(
    "G4",
    "the parent's constraint is not compared with the request",
    decrypt(
      alice(),
      key(closed, {
        grants: [grant({ ...subset({ a: "1" }), operations: ["Decrypt", "CreateGrant"] })],
      }),
      {
        action: "kms:CreateGrant",
        encryptionContext: { b: "2" },
        newGrant: decrypting({ encryptionContextSubset: { a: "1", b: "2" } }),
      },
    ),
    ok,
  ),
  "child-by-policy": decides(
    "G4 D6",
    "by a policy any grant may be created",
    {
      caller: alice(),
      action: "kms:CreateGrant",
      resource: KEY_ARN,
      resourceAccount: A,
      key: key(
        policy({
          Effect: "Allow",
          Principal: { AWS: ALICE },
          Action: "kms:CreateGrant",
          Resource: "*",
        }),
      ),
      newGrant: decrypting(),
      now: NOW,
    },
    "key-policy: key policy, statement 1",
  ),

  "retire-by-retiring-principal": retire(
    "G6 D3",
    "the retiring principal",
    session(),
    { retiring: ROLE },
    ok,
  ),
  "retire-by-grantee": retire(
    "G6 D3",
    "the grantee, if RetireGrant is granted",
    alice(),
    { operations: ["Decrypt", "RetireGrant"] },
    ok,
  ),
  "retire-by-grantee-without-operation": retire(
    "G6 D3",
    "not otherwise",
    bob(),
    { grantee: BOB },
    no,
  ),
  "retire-by-root-of-issuer": retire(
    "G6 D3",
    "the root of the account that issued it",
    root(),
    {},
    "account-root",
  ),
  "retire-by-user-of-issuer": retire(
    "G6 D3",
    "its users by policies of IAM",
    alice(iam(forIam({ Action: "kms:RetireGrant" }))),
    { grantee: ROLE },
    'iam: identity policy "iam", statement 1',
  ),
  "retire-by-user-of-issuer-without-policy": retire(
    "G6 D3",
    "and not without",
    alice(),
    { grantee: ROLE },
    "no-identity-policy-allows",
  ),
  "retire-by-issuer-elsewhere": retire(
    "G6 D3",
    "an issuer from another account",
    otherRoot(),
    { issuingAccount: OTHER_ROOT },
    "account-root",
  ),
  "retire-not-by-owner-of-the-key": retire(
    "G6 D3",
    "the key's account did not issue it",
    root(),
    { issuingAccount: OTHER_ROOT },
    no,
  ),
  "retire-not-by-key-policy": retire(
    "G6 D3",
    "no key policy lets anyone retire",
    bob(iam(forIam())),
    {},
    no,
    policy({ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }),
  ),
  "retire-not-by-another": retire(
    "G6 D3",
    "whom the grant does not name, no policy of IAM lets retire it",
    bob(iam(forIam())),
    { retiring: ROLE, operations: ["Decrypt", "RetireGrant"] },
    no,
  ),
  "retire-not-by-another-root": retire(
    "G6 D3",
    "nor the root of another account",
    otherRoot(),
    { retiring: ROLE },
    no,
  ),
  "retire-denied-by-key-policy": retire(
    "D1 G6",
    "but it can deny",
    alice(),
    { retiring: ALICE },
    "explicit-deny: key policy, statement 1",
    policy({ Effect: "Deny", Principal: "*", Action: "kms:RetireGrant", Resource: "*" }),
  ),
  "retire-before-effective": retire(
    "G6",
    "before it is effective",
    session(),
    { retiring: SESSION, effective: NOW + 1 },
    ok,
  ),
  "retire-with-constraint": retire(
    "G6 G3",
    "constraints mean nothing to it",
    alice(),
    { retiring: ALICE, ...equals({ a: "1" }) },
    ok,
  ),
  "retire-by-bounded-role": retire(
    "G6 G5",
    "a role within its boundary",
    session({ boundary: nothing }),
    { retiring: ROLE, issuingAccount: OTHER_ROOT },
    'no-boundary-allows: permissions boundary "none"',
  ),
};
