/**
 * The steps of the decision.
 *
 * @module
 */
import {
  A,
  ALIAS_ARN,
  ALICE,
  alice,
  B,
  BOB,
  bob,
  closed,
  decrypt,
  delegating,
  forIam,
  forKey,
  general,
  iam,
  key,
  KEY_ARN,
  named,
  OTHER_KEY_ARN,
  OTHER_ROOT,
  otherRoot,
  policy,
  ROLE,
  role,
  root,
  ROOT,
  s3,
  SESSION,
  session,
  decides,
  type AccessRequest,
  type Cases,
} from "./case.ts";

const deny = { Effect: "Deny", Action: "kms:Decrypt" };
const forAlice = policy(forKey(ALICE, { Sid: "Allow use of the key" }));
const forRole = policy(forKey(ROLE));
const everything = named("all", policy(forIam()));
const nothing = named("none", policy(forIam({ Action: "s3:*" })));
const delegates = 'key policy, statement "Enable IAM User Permissions"';
const iamAllows = `${delegates} and identity policy "iam", statement 1`;

/** Actions that callers of other accounts may be allowed, and some that they may not. */
const across = [
  "Encrypt",
  "ReEncryptFrom",
  "ReEncryptTo",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateMac",
  "VerifyMac",
  "Sign",
  "Verify",
  "DeriveSharedSecret",
  "Encapsulate",
  "Decapsulate",
  "GetPublicKey",
  "DescribeKey",
  "GetKeyRotationStatus",
  "CreateGrant",
  "ListGrants",
  "RevokeGrant",
];
const notAcross = [
  "PutKeyPolicy",
  "GetKeyPolicy",
  "ScheduleKeyDeletion",
  "DisableKey",
  "TagResource",
  "CreateAlias",
  "ListKeyRotations",
];

const forBob = policy(forKey(BOB));
const ofBob = (action: string): AccessRequest =>
  decrypt(bob(iam(forIam())), key(forBob), { action: `kms:${action}` });

export const decisions: Cases = {
  "deny-in-key-policy": decides(
    "D1",
    "a Deny outweighs an Allow in the same policy, whichever comes first",
    decrypt(alice(), key(policy(forKey(ALICE), forKey("*", { ...deny, Sid: "No decryption" })))),
    'explicit-deny: key policy, statement "No decryption"',
  ),
  "deny-first-in-key-policy": decides(
    "D1",
    "the other order",
    decrypt(alice(), key(policy(forKey("*", deny), forKey(ALICE)))),
    "explicit-deny: key policy, statement 1",
  ),
  "deny-in-identity-policy": decides(
    "D1",
    "a Deny of IAM outweighs a key policy that names the caller",
    decrypt(alice(iam(forIam(deny))), key(forAlice)),
    'explicit-deny: identity policy "iam", statement 1',
  ),
  "deny-in-identity-policy-without-delegation": decides(
    "D1",
    "a Deny of IAM counts though the key policy does not delegate to the account",
    decrypt(alice(iam(forIam(deny))), key(closed)),
    'explicit-deny: identity policy "iam", statement 1',
  ),
  "deny-in-boundary": decides(
    "D1",
    "a Deny in a boundary counts where a missing Allow in it would not",
    decrypt(alice({ boundary: named("edge", policy(forIam(deny))) }), key(forAlice)),
    'explicit-deny: permissions boundary "edge", statement 1',
  ),
  "deny-in-session-policy": decides(
    "D1",
    "a Deny in a session policy",
    decrypt(
      session({ sessionPolicies: [everything, named("less", policy(forIam(deny)))] }),
      key(policy(forKey(SESSION))),
    ),
    'explicit-deny: session policy "less", statement 1',
  ),
  "deny-of-the-account": decides(
    "D1",
    "a Deny to the account's root is one to everybody in the account",
    decrypt(alice(), key(policy(forKey(ALICE), forKey(ROOT, deny)))),
    "explicit-deny: key policy, statement 2",
  ),
  "deny-of-the-root": decides(
    "D1",
    "and to the root itself",
    decrypt(root(), key(policy(forKey(ROOT), forKey(ROOT, deny)))),
    "explicit-deny: key policy, statement 2",
  ),
  "deny-of-another-account": decides(
    "D1",
    "a Deny to another account does not concern this one",
    decrypt(alice(), key(policy(forKey(ALICE), forKey(OTHER_ROOT, deny)))),
    "key-policy: key policy, statement 1",
  ),
  "deny-of-another-action": decides(
    "D1 M1",
    "a Deny of another action",
    decrypt(alice(iam(forIam({ ...deny, Action: "kms:Encrypt" }))), key(forAlice)),
    'key-policy: key policy, statement "Allow use of the key"',
  ),
  "deny-of-the-callers-account-elsewhere": decides(
    "D1 D9",
    "a Deny of the caller's own account, across accounts",
    decrypt(bob(iam(forIam(), forIam(deny))), key(forBob)),
    'explicit-deny: identity policy "iam", statement 2',
  ),
  "deny-and-grant": decides(
    "D1 D10",
    "no grant outweighs a Deny",
    decrypt(
      alice(iam(forIam(deny))),
      key(closed, {
        grants: [
          {
            grantId: "a".repeat(64),
            created: 0,
            effective: 0,
            grantee: ALICE,
            issuingAccount: ROOT,
            operations: ["Decrypt"],
            tokenHashes: [],
          },
        ],
      }),
    ),
    'explicit-deny: identity policy "iam", statement 1',
  ),

  "create-key-by-iam": decides(
    "D2",
    "no key yet: IAM decides",
    general(alice(iam(forIam({ Action: "kms:CreateKey" }))), "kms:CreateKey"),
    'iam: identity policy "iam", statement 1',
  ),
  "create-key-without-policy": decides(
    "D2 D11",
    "and without a policy that allows it, says no",
    general(alice(), "kms:CreateKey"),
    "no-identity-policy-allows",
  ),
  "create-key-by-root": decides(
    "D2",
    "the root needs no policy",
    general(root(), "kms:CreateKey"),
    "account-root",
  ),
  "create-key-beyond-boundary": decides(
    "D2 D11",
    "a boundary bounds",
    general(alice({ ...iam(forIam()), boundary: nothing }), "kms:CreateKey"),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "create-key-within-boundary": decides(
    "D2",
    "or lets pass",
    general(alice({ ...iam(forIam()), boundary: everything }), "kms:CreateKey"),
    'iam: identity policy "iam", statement 1',
  ),
  "create-key-beyond-session-policy": decides(
    "D2 D11",
    "a session may do nothing that no session policy allows",
    general(
      session({ ...iam(forIam()), sessionPolicies: [nothing, { ...nothing, name: "too" }] }),
      "kms:CreateKey",
    ),
    'no-session-policy-allows: session policy "none" and session policy "too"',
  ),
  "create-key-within-one-of-the-session-policies": decides(
    "D2",
    "and what one of several allows",
    general(session({ ...iam(forIam()), sessionPolicies: [nothing, everything] }), "kms:CreateKey"),
    'iam: identity policy "iam", statement 1',
  ),
  "boundary-before-session-policy": decides(
    "D2 D11",
    "of boundary and session policy the boundary is the reason",
    general(
      session({ ...iam(forIam()), boundary: nothing, sessionPolicies: [nothing] }),
      "kms:CreateKey",
    ),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "create-key-with-resource-of-keys": decides(
    "D2 M3",
    "CreateKey is asked for on *, which no pattern for keys matches",
    general(alice(iam(forIam({ Resource: `arn:aws:kms:*:${A}:key/*` }))), "kms:CreateKey"),
    "no-identity-policy-allows",
  ),
  "create-key-from-elsewhere": decides(
    "D2",
    "what is not a key is not for other accounts",
    general(bob(iam(forIam())), "kms:CreateKey"),
    "cross-account-not-possible",
  ),
  "create-key-by-service": decides(
    "D2 D11",
    "services have no policies of IAM",
    general(s3(), "kms:CreateKey"),
    "no-identity-policy-allows",
  ),
  "too-many-steps": decides(
    "D12",
    "thousands of patterns, each of which looks through a long value",
    decrypt(
      alice(),
      key(
        policy(
          forKey(ALICE, {
            Condition: {
              StringNotLike: {
                "kms:EncryptionContext:a": Array.from({ length: 3900 }, () => "*a?b*"),
              },
            },
          }),
        ),
      ),
      { encryptionContext: { a: "a".repeat(8000) } },
    ),
    "too-many-steps",
  ),
  "create-key-by-service-with-policies": decides(
    "D2 D11",
    "not even where the request says so",
    general(s3(iam(forIam())), "kms:CreateKey"),
    "no-identity-policy-allows",
  ),
  "tag-new-key": decides(
    "R2 D2",
    "the tags of CreateKey are asked for on the key that is to be made",
    general(alice(iam(forIam({ Resource: `arn:aws:kms:*:${A}:key/*` }))), "kms:TagResource", {
      resource: KEY_ARN,
    }),
    'iam: identity policy "iam", statement 1',
  ),
  "tag-new-key-denied": decides(
    "R2 D1",
    "a Deny on keys holds at their creation",
    general(
      alice(
        iam(
          forIam(),
          forIam({
            Effect: "Deny",
            Action: "kms:TagResource",
            Resource: `arn:aws:kms:*:${A}:key/*`,
            Condition: {
              StringEquals: { "kms:KeySpec": "RSA_2048", "aws:RequestTag/team": "red" },
            },
          }),
        ),
      ),
      "kms:TagResource",
      {
        resource: KEY_ARN,
        conditions: { "kms:keyspec": "RSA_2048", "aws:requesttag/team": "red" },
      },
    ),
    'explicit-deny: identity policy "iam", statement 2',
  ),
  "list-keys": decides(
    "D2",
    "ListKeys",
    general(alice(iam(forIam({ Action: "kms:List*" }))), "kms:ListKeys"),
    'iam: identity policy "iam", statement 1',
  ),
  "list-retirable-grants": decides(
    "D2",
    "ListRetirableGrants has the retiring principal for a resource",
    general(alice(iam(forIam({ Resource: ALICE }))), "kms:ListRetirableGrants", {
      resource: ALICE,
    }),
    'iam: identity policy "iam", statement 1',
  ),
  "alias-by-iam": decides(
    "R1 D2",
    "an alias is not a key: IAM decides, with the alias for a resource",
    general(
      alice(iam(forIam({ Action: "kms:CreateAlias", Resource: ALIAS_ARN }))),
      "kms:CreateAlias",
      { resource: ALIAS_ARN },
    ),
    'iam: identity policy "iam", statement 1',
  ),
  "alias-with-resource-of-keys": decides(
    "R1 M3",
    "a pattern for keys does not match it",
    general(
      alice(iam(forIam({ Action: "kms:CreateAlias", Resource: KEY_ARN }))),
      "kms:CreateAlias",
      { resource: ALIAS_ARN },
    ),
    "no-identity-policy-allows",
  ),
  "alias-on-the-key": decides(
    "R1 D8",
    "the key is asked for separately, and its policy counts",
    decrypt(alice(iam(forIam({ Resource: ALIAS_ARN }))), key(delegating), {
      action: "kms:CreateAlias",
    }),
    "no-identity-policy-allows",
  ),
  "key-by-its-own-arn": decides(
    "R2 M3",
    "a policy that names the alias does not allow the use of the key that it points at",
    decrypt(alice(iam(forIam({ Resource: ALIAS_ARN }))), key(delegating)),
    "no-identity-policy-allows",
  ),
  "decision-without-state": decides(
    "R3",
    "of a key's state nothing is known to the decision: there is no place for it in a request",
    decrypt(alice(), key(forAlice), { action: "kms:EnableKey" }),
    'key-policy: key policy, statement "Allow use of the key"',
  ),

  "user-in-key-policy": decides(
    "D6",
    "a key policy that names the user is enough",
    decrypt(alice(), key(forAlice)),
    'key-policy: key policy, statement "Allow use of the key"',
  ),
  "user-in-key-policy-beyond-boundary": decides(
    "D6",
    "neither boundary nor session policy limits what a key policy gives a user",
    decrypt(alice({ boundary: nothing, sessionPolicies: [nothing] }), key(forAlice)),
    'key-policy: key policy, statement "Allow use of the key"',
  ),
  "session-in-key-policy-beyond-boundary": decides(
    "D6",
    "nor what it gives a session by its own ARN",
    decrypt(
      session({ boundary: nothing, sessionPolicies: [nothing] }),
      key(policy(forKey(SESSION))),
    ),
    "key-policy: key policy, statement 1",
  ),
  "everyone-in-key-policy-beyond-boundary": decides(
    "D6",
    "nor what it gives everyone",
    decrypt(session({ boundary: nothing }), key(policy(forKey("*")))),
    "key-policy: key policy, statement 1",
  ),
  "service-in-key-policy": decides(
    "D6",
    "a service",
    decrypt(s3(), key(policy(forKey({ Service: "s3.amazonaws.com" })))),
    "key-policy: key policy, statement 1",
  ),
  "service-elsewhere": decides(
    "D4 D6",
    "a service that acts for another account is still no caller of another account",
    decrypt(s3({ accountId: B }), key(policy(forKey({ Service: "s3.amazonaws.com" }))), {
      action: "kms:PutKeyPolicy",
    }),
    "key-policy: key policy, statement 1",
  ),
  "service-and-delegation": decides(
    "D11",
    "a key policy that names the account does not name the services that act for it",
    decrypt(s3(), key(delegating)),
    "no-key-policy-allows",
  ),
  "role-in-key-policy": decides(
    "D7",
    "a role's session, without any policy of IAM",
    decrypt(session(), key(forRole)),
    "key-policy: key policy, statement 1",
  ),
  "role-itself-in-key-policy": decides(
    "D7",
    "the role itself",
    decrypt(role(), key(forRole)),
    "key-policy: key policy, statement 1",
  ),
  "role-in-key-policy-within-bounds": decides(
    "D7",
    "within boundary and session policies",
    decrypt(session({ boundary: everything, sessionPolicies: [everything] }), key(forRole)),
    "key-policy: key policy, statement 1",
  ),
  "role-in-key-policy-beyond-boundary": decides(
    "D7 D11",
    "what a key policy gives a role, its boundary limits",
    decrypt(session({ boundary: nothing }), key(forRole)),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "role-itself-beyond-boundary": decides(
    "D7 D11",
    "that of the role itself too",
    decrypt(role({ boundary: nothing }), key(forRole)),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "role-in-key-policy-beyond-session-policy": decides(
    "D7 D11",
    "and the session's policies",
    decrypt(session({ sessionPolicies: [nothing] }), key(forRole)),
    'no-session-policy-allows: session policy "none"',
  ),
  "role-and-session-in-key-policy": decides(
    "D5 D6",
    "named as role and as session, the session counts: nothing limits it",
    decrypt(session({ boundary: nothing }), key(policy(forKey(ROLE), forKey(SESSION)))),
    "key-policy: key policy, statement 2",
  ),
  "account-and-role-in-key-policy": decides(
    "D5 D7",
    "named as account and as role, the role counts: IAM is not needed",
    decrypt(session(), key(policy(forKey(ROOT), forKey(ROLE)))),
    "key-policy: key policy, statement 2",
  ),
  "first-of-equals": decides(
    "D5",
    "of two that are as strong, the first",
    decrypt(alice(), key(policy(forKey(ROOT), forKey(ALICE), forKey("*")))),
    "key-policy: key policy, statement 2",
  ),
  "first-of-accounts": decides(
    "D5 D8",
    "also of two that name the account",
    decrypt(root(), key(policy(forKey(A), forKey(ROOT)))),
    "account-root: key policy, statement 1",
  ),
  "first-of-roles": decides(
    "D5 D7",
    "and of two that name the role",
    decrypt(session(), key(policy(forKey(ROOT), forKey(ROLE), forKey({ AWS: [ROLE] })))),
    "key-policy: key policy, statement 2",
  ),
  "root-by-delegation": decides(
    "D8",
    "the root principal under the default key policy",
    decrypt(root(), key(delegating)),
    `account-root: ${delegates}`,
  ),
  "root-without-key-policy": decides(
    "D11",
    "the root has no permission of its own",
    decrypt(root(), key(forAlice)),
    "no-key-policy-allows",
  ),
  "delegation-and-iam": decides(
    "D8",
    "delegated to the account, allowed by IAM",
    decrypt(alice(iam(forIam({ Action: "kms:Decrypt", Resource: KEY_ARN }))), key(delegating)),
    `key-policy-and-iam: ${iamAllows}`,
  ),
  "delegation-alone": decides(
    "D8 D11",
    "delegated to the account, and nothing of IAM",
    decrypt(alice(), key(delegating)),
    "no-identity-policy-allows",
  ),
  "delegation-and-iam-for-another-key": decides(
    "D8 D11 M3",
    "a policy for another key",
    decrypt(alice(iam(forIam({ Resource: OTHER_KEY_ARN }))), key(delegating)),
    "no-identity-policy-allows",
  ),
  "iam-alone": decides(
    "D11",
    "IAM alone is never enough",
    decrypt(alice(iam(forIam())), key(closed)),
    "no-key-policy-allows",
  ),
  "delegation-of-other-actions": decides(
    "D8 D11",
    "delegated are these actions and no others",
    decrypt(
      alice(iam(forIam())),
      key(policy(forKey(ROOT, { Action: ["kms:Describe*", "kms:Get*"] }))),
    ),
    "no-key-policy-allows",
  ),
  "delegation-under-condition": decides(
    "D8 M6",
    "delegated under a condition that does not hold",
    decrypt(
      alice(iam(forIam())),
      key(
        policy(
          forKey(ROOT, {
            Condition: { StringEquals: { "kms:EncryptionContext:app": "billing" } },
          }),
        ),
      ),
    ),
    "no-key-policy-allows",
  ),
  "delegation-to-bounded-user": decides(
    "D8 D11",
    "the boundary limits what IAM allows",
    decrypt(alice({ ...iam(forIam()), boundary: nothing }), key(delegating)),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "delegation-to-bounded-session": decides(
    "D8 D11",
    "so does a session policy",
    decrypt(session({ ...iam(forIam()), sessionPolicies: [nothing] }), key(delegating)),
    'no-session-policy-allows: session policy "none"',
  ),
  "boundary-allows-nothing-by-itself": decides(
    "D8 D11",
    "a boundary is not a permission",
    decrypt(alice({ boundary: everything }), key(delegating)),
    "no-identity-policy-allows",
  ),
  "second-identity-policy": decides(
    "D8",
    "allowed is what any of them allows",
    decrypt(alice({ policies: [nothing, everything] }), key(delegating)),
    `key-policy-and-iam: ${delegates} and identity policy "all", statement 1`,
  ),
  "account-number-in-key-policy": decides(
    "D8",
    "the account's number is the account",
    decrypt(alice(iam(forIam())), key(policy(forKey(A)))),
    'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1',
  ),

  "elsewhere-neither": decides(
    "D9 D11",
    "another account: neither side allows",
    decrypt(bob(), key(closed)),
    "no-key-policy-allows",
  ),
  "elsewhere-key-policy-alone": decides(
    "D9 D11",
    "the key policy alone: it says who can, and nobody says who does",
    decrypt(bob(), key(forBob)),
    "no-identity-policy-allows",
  ),
  "elsewhere-iam-alone": decides(
    "D9 D11",
    "IAM alone",
    decrypt(bob(iam(forIam())), key(closed)),
    "no-key-policy-allows",
  ),
  "elsewhere-both": decides(
    "D9",
    "both",
    decrypt(bob(iam(forIam({ Resource: KEY_ARN }))), key(forBob)),
    'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1',
  ),
  "elsewhere-account-and-iam": decides(
    "D9",
    "the key policy names the other account",
    decrypt(bob(iam(forIam())), key(policy(forKey(OTHER_ROOT)))),
    'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1',
  ),
  "elsewhere-own-account-delegated": decides(
    "D9 D11",
    "delegation to the key's own account does not delegate to another",
    decrypt(bob(iam(forIam())), key(delegating)),
    "no-key-policy-allows",
  ),
  "elsewhere-everyone": decides(
    "D9 D11",
    "even where everyone is named, the other account has to allow it",
    decrypt(bob(), key(policy(forKey("*")))),
    "no-identity-policy-allows",
  ),
  "elsewhere-bounded": decides(
    "D9 D11",
    "the other account's boundary limits",
    decrypt(bob({ ...iam(forIam()), boundary: nothing }), key(forBob)),
    'no-boundary-allows: permissions boundary "none"',
  ),
  "elsewhere-root": decides(
    "D9",
    "the root of the other account needs no policy of IAM",
    decrypt(otherRoot(), key(policy(forKey(OTHER_ROOT)))),
    "account-root: key policy, statement 1",
  ),
  "elsewhere-root-not-named": decides(
    "D9 D11",
    "but the key policy has to name it",
    decrypt(otherRoot(), key(delegating)),
    "no-key-policy-allows",
  ),
  ...Object.fromEntries(
    across.map((action) => [
      `elsewhere-possible-${action.toLowerCase()}`,
      decides(
        "D4 D9",
        `${action} is possible across accounts`,
        ofBob(action),
        'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1',
      ),
    ]),
  ),
  ...Object.fromEntries(
    notAcross.map((action) => [
      `elsewhere-impossible-${action.toLowerCase()}`,
      decides(
        "D4",
        `${action} is not possible across accounts, though both sides allow it`,
        ofBob(action),
        "cross-account-not-possible",
      ),
    ]),
  ),
  "nobody-named": decides(
    "D11",
    "nothing matches",
    decrypt(alice(), key(closed)),
    "no-key-policy-allows",
  ),
};
