/**
 * Principals.
 *
 * @module
 */
import {
  A,
  ALICE,
  alice,
  B,
  bob,
  decrypt,
  FEDERATED,
  federated,
  forIam,
  forKey,
  iam,
  key,
  named,
  OTHER_ROOT,
  policy,
  ROLE,
  role,
  root,
  ROOT,
  s3,
  SESSION,
  session,
  decides,
  type Caller,
  type Case,
  type Cases,
  type Circumstances,
} from "./case.ts";

const ok = "key-policy: key policy, statement 1";
const no = "no-key-policy-allows";

const allow = (
  rules: string,
  comment: string,
  caller: Caller,
  principal: unknown,
  expect: string,
  more: Circumstances = {},
): Case => decides(rules, comment, decrypt(caller, key(policy(forKey(principal))), more), expect);

/** Everyone is allowed, and all but `listed` denied. */
const denyAllBut = (
  comment: string,
  caller: Caller,
  listed: unknown,
  denied: boolean,
  more: Circumstances = {},
): Case =>
  decides(
    "P3 D1",
    comment,
    decrypt(
      caller,
      key(
        policy(forKey("*"), {
          Effect: "Deny",
          NotPrincipal: listed,
          Action: "kms:*",
          Resource: "*",
        }),
      ),
      more,
    ),
    denied ? "explicit-deny: key policy, statement 2" : ok,
  );

const allowAllBut = (comment: string, caller: Caller, listed: unknown, allowed: boolean): Case =>
  decides(
    "P4",
    comment,
    decrypt(
      caller,
      key(policy({ Effect: "Allow", NotPrincipal: listed, Action: "kms:*", Resource: "*" })),
    ),
    allowed ? ok : no,
  );

const everything = named("all", policy(forIam()));
const web = { "aws:federatedprovider": "accounts.example.com" };
const lacks = "no-identity-policy-allows";

export const principals: Cases = {
  "principal-star": allow("M5", "everyone", alice(), "*", ok),
  "principal-aws-star": allow("M5", "everyone, the other way", alice(), { AWS: "*" }, ok),
  "principal-star-and-service": allow("M5", "services are someone", s3(), "*", ok),
  "principal-user": allow("M5", "the user", alice(), ALICE, ok),
  "principal-other-user": allow("M5", "another", alice(), `arn:aws:iam::${A}:user/alice`, no),
  "principal-user-case": allow(
    "M5",
    "case counts",
    alice(),
    `arn:aws:iam::${A}:user/staff/Alice`,
    no,
  ),
  "principal-user-in-list": allow("P1", "one of several", alice(), { AWS: [ROLE, ALICE] }, ok),
  "principal-strongest-in-list": allow(
    "P1 D6",
    "named as account and as user at once",
    alice(),
    { AWS: [ROOT, ALICE] },
    ok,
  ),
  "principal-strongest-role-in-list": allow(
    "P1 D7",
    "named as account and as role at once",
    session(),
    { AWS: [A, ROLE] },
    ok,
  ),
  "principal-kinds-together": allow(
    "P1",
    "principals of several kinds",
    s3(),
    { AWS: ROOT, Service: ["ec2.amazonaws.com", "s3.amazonaws.com"] },
    ok,
  ),
  "principal-role": allow("M5 D7", "a session by its role", session(), ROLE, ok),
  "principal-role-without-path": allow(
    "M5",
    "a role's path is part of its name",
    session(),
    `arn:aws:iam::${A}:role/app`,
    no,
  ),
  "principal-session": allow("M5 D6", "a session by its own ARN", session(), SESSION, ok),
  "principal-other-session": allow(
    "M5",
    "another session of the role",
    session(),
    `arn:aws:sts::${A}:assumed-role/app/run-8`,
    no,
  ),
  "principal-session-is-not-the-role": allow(
    "M5",
    "the role is not its session",
    role(),
    SESSION,
    no,
  ),
  "principal-federated-user": allow("M5 D6", "a federated user", federated(), FEDERATED, ok),
  "principal-federated-user-by-account": allow(
    "M5 D8",
    "who is a principal of the account",
    federated(iam(forIam())),
    ROOT,
    'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1',
  ),
  "principal-federated-provider": allow(
    "M5 D6",
    "callers that an identity provider vouches for",
    session(),
    { Federated: "accounts.example.com" },
    ok,
    { conditions: web },
  ),
  "principal-other-federated-provider": allow(
    "M5",
    "another provider",
    session(),
    { Federated: "other.example.com" },
    no,
    { conditions: web },
  ),
  "principal-service": allow("M5", "a service", s3(), { Service: "s3.amazonaws.com" }, ok),
  "principal-other-service": allow(
    "M5",
    "another service",
    s3(),
    { Service: "ec2.amazonaws.com" },
    no,
  ),
  "principal-account": allow("M5 D8", "the account", alice(), ROOT, lacks),
  "principal-account-number": allow("M5 D8", "the account by its number", alice(), A, lacks),
  "principal-account-in-list": allow("M5 D8", "in a list", alice(), { AWS: [B, A] }, lacks),
  "principal-other-account": allow("M5", "another account", alice(), OTHER_ROOT, no),
  "principal-account-of-session": allow(
    "M5 D8",
    "a session is of the account",
    session(),
    A,
    lacks,
  ),
  "principal-account-and-service": allow("M5", "a service is not", s3(), A, no),
  "principal-group": allow(
    "P2 T10",
    "groups are not principals",
    alice(),
    `arn:aws:iam::${A}:group/staff`,
    "MalformedPolicyDocumentException",
  ),
  "principal-pattern": allow(
    "P2 W3 T10",
    "no wildcards in principals",
    alice(),
    `arn:aws:iam::${A}:user/*`,
    "MalformedPolicyDocumentException",
  ),
  "principal-pattern-by-condition": decides(
    "W3 M6",
    "patterns are for conditions on aws:PrincipalArn",
    decrypt(
      alice(),
      key(
        policy(
          forKey("*", {
            Condition: { ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${A}:user/staff/*` } },
          }),
        ),
      ),
    ),
    ok,
  ),

  "not-principal-user-and-account": denyAllBut(
    "user and account listed: spared",
    alice(),
    { AWS: [ALICE, ROOT] },
    false,
  ),
  "not-principal-user-alone": denyAllBut(
    "the account is missing: denied",
    alice(),
    { AWS: ALICE },
    true,
  ),
  "not-principal-account-alone": denyAllBut("the user is missing", alice(), { AWS: A }, true),
  "not-principal-other": denyAllBut("neither is listed", bob(), { AWS: [ALICE, ROOT] }, true),
  "not-principal-root": denyAllBut("the root is the account", root(), { AWS: ROOT }, false),
  "not-principal-session": denyAllBut(
    "account, role and session listed",
    session(),
    { AWS: [ROOT, ROLE, SESSION] },
    false,
  ),
  "not-principal-session-without-itself": denyAllBut(
    "account and role listed, the session not",
    session(),
    { AWS: [ROOT, ROLE] },
    true,
  ),
  "not-principal-session-without-role": denyAllBut(
    "account and session listed, the role not",
    session(),
    { AWS: [ROOT, SESSION] },
    true,
  ),
  "not-principal-federated": denyAllBut(
    "account and federated user listed",
    federated(),
    { AWS: [ROOT, FEDERATED] },
    false,
  ),
  "not-principal-service": denyAllBut(
    "a service is itself alone",
    s3(),
    { Service: "s3.amazonaws.com" },
    false,
  ),
  "not-principal-other-service": denyAllBut(
    "another service is listed",
    s3(),
    { Service: "ec2.amazonaws.com" },
    true,
  ),
  "not-principal-federated-provider": denyAllBut(
    "account and role listed, and the provider instead of the session",
    session(),
    { AWS: [ROOT, ROLE], Federated: "accounts.example.com" },
    false,
    { conditions: web },
  ),
  "not-principal-other-federated-provider": denyAllBut(
    "another provider",
    session(),
    { AWS: [ROOT, ROLE], Federated: "other.example.com" },
    true,
    { conditions: web },
  ),
  "not-principal-federated-provider-alone": denyAllBut(
    "the provider stands for the session and not for its account and role",
    session(),
    { Federated: "accounts.example.com" },
    true,
    { conditions: web },
  ),
  "not-principal-boundary": denyAllBut(
    "user and account listed, but the user has a permissions boundary: denied",
    alice({ boundary: everything }),
    { AWS: [ALICE, ROOT] },
    true,
  ),
  "not-principal-session-boundary": denyAllBut(
    "account, role and session listed, but the role has a permissions boundary",
    session({ boundary: everything }),
    { AWS: [ROOT, ROLE, SESSION] },
    true,
  ),
  "not-principal-everyone-boundary": denyAllBut(
    "all but everyone is whoever has a permissions boundary",
    alice({ boundary: everything }),
    "*",
    true,
  ),
  "not-principal-session-policy": denyAllBut(
    "a session policy is not a permissions boundary",
    session({ sessionPolicies: [everything] }),
    { AWS: [ROOT, ROLE, SESSION] },
    false,
  ),
  "not-principal-allow-boundary": decides(
    "P4",
    "for an Allow a permissions boundary makes no difference",
    decrypt(
      alice({ boundary: everything }),
      key(
        policy({
          Effect: "Allow",
          NotPrincipal: { AWS: ROLE },
          Action: "kms:*",
          Resource: "*",
        }),
      ),
    ),
    ok,
  ),
  "not-principal-everyone": denyAllBut("all but everyone is nobody", alice(), "*", false),
  "not-principal-allow": allowAllBut(
    "an Allow takes who is not listed",
    alice(),
    { AWS: ROLE },
    true,
  ),
  "not-principal-allow-user": allowAllBut("not who is", alice(), { AWS: ALICE }, false),
  "not-principal-allow-account": allowAllBut("not whose account is", alice(), { AWS: ROOT }, false),
  "not-principal-allow-role": allowAllBut("not whose role is", session(), { AWS: ROLE }, false),
};
