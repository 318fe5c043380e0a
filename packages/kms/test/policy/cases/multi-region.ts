/**
 * Multi-Region keys: a primary key and its replicas have an id in common, and each has a policy, aliases and grants of its own.
 *
 * @module
 */
import {
  A,
  ALICE,
  alice,
  closed,
  decides,
  decrypt,
  forIam,
  forKey,
  general,
  iam,
  key,
  NOW,
  policy,
  ROOT,
  type Case,
  type Cases,
  type Circumstances,
  type Grant,
  type KeyFacts,
} from "./case.ts";

const ID = "mrk-1234abcd12ab34cd56ef1234567890ab";
const PRIMARY = `arn:aws:kms:eu-west-1:${A}:key/${ID}`;
const REPLICA = `arn:aws:kms:us-east-1:${A}:key/${ID}`;
const primary: Partial<KeyFacts> = { multiRegionKeyType: "PRIMARY" };
const replica: Partial<KeyFacts> = { multiRegionKeyType: "REPLICA" };

const byKey = "key-policy: key policy, statement 1";
const byBoth = 'key-policy-and-iam: key policy, statement 1 and identity policy "iam", statement 1';
const noKey = "no-key-policy-allows";
const noIam = "no-identity-policy-allows";
const denied = "explicit-deny: key policy, statement 2";
const is = (name: string, value: string): object => ({ StringEquals: { [name]: value } });

/** Decrypt with the replica, whose key policy is this. */
const onReplica = (document: object, more: Partial<KeyFacts> = {}, caller = alice()) =>
  decrypt(caller, key(document, { ...replica, ...more }), { resource: REPLICA });

/** Decrypt with the replica, whose account lets alice in by one statement of IAM. */
const byIam = (comment: string, statement: object, expected: string, more = {}): Case =>
  decides(
    "M3 K2 D9",
    comment,
    onReplica(policy(forKey(ROOT)), more, alice(iam(forIam({ ...statement })))),
    expected,
  );

/** An action on the primary key, with what its request says. */
const onPrimary = (
  comment: string,
  action: "ReplicateKey" | "UpdatePrimaryRegion",
  condition: object,
  values: Circumstances["conditions"],
  expected: string,
): Case =>
  decides(
    "K2 O3",
    comment,
    decrypt(alice(), key(policy(forKey(ALICE, { Condition: condition })), primary), {
      action: `kms:${action}`,
      resource: PRIMARY,
      ...(values && { conditions: values }),
    }),
    expected,
  );

const grant: Grant = {
  grantId: "0f".repeat(32),
  created: NOW - 1000,
  effective: NOW - 1000,
  grantee: ALICE,
  issuingAccount: ROOT,
  operations: ["Decrypt"],
  tokenHashes: [],
};

const outside = {
  Effect: "Deny",
  Condition: { StringNotEquals: { "kms:ReplicaRegion": ["eu-central-1", "eu-west-3"] } },
};

export const multiRegion: Cases = {
  "replica-own-policy": decides(
    "D6",
    "the policy of the primary key does not let anybody in to its replica",
    onReplica(closed),
    noKey,
  ),
  "replica-policy-of-primary": decides(
    "M4",
    "a policy that was copied with the ARN of the primary key lets nobody in",
    onReplica(policy(forKey(ALICE, { Resource: PRIMARY }))),
    noKey,
  ),
  "replica-arn-of-primary": byIam("the ARN of the primary key", { Resource: PRIMARY }, noIam),
  "replica-arn": byIam("its own", { Resource: REPLICA }, byBoth),
  "replica-arn-of-any-region": byIam(
    "that of any region",
    { Resource: REPLICA.replace("us-east-1", "*") },
    byBoth,
  ),
  "replica-any-multi-region": byIam(
    "that of any multi-Region key of a region",
    { Resource: `arn:aws:kms:us-*:${A}:key/mrk-*` },
    byBoth,
  ),
  "replica-alias": byIam(
    "an alias of its own",
    { Condition: { "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/us" } } },
    byBoth,
    { aliases: ["alias/us"] },
  ),
  "replica-alias-of-primary": byIam(
    "not one of the primary key",
    { Condition: { "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/app" } } },
    noIam,
    { aliases: ["alias/us"] },
  ),
  "replica-is-multi-region": byIam(
    "it is a multi-Region key",
    { Condition: { Bool: { "kms:MultiRegion": "true" } } },
    byBoth,
  ),
  "replica-is-not-primary": byIam(
    "and not a primary key",
    { Condition: is("kms:MultiRegionKeyType", "PRIMARY") },
    noIam,
  ),
  "replica-region": decides(
    "K2",
    "the region of the call",
    decrypt(
      alice(),
      key(policy(forKey(ALICE, { Condition: is("aws:RequestedRegion", "us-east-1") })), replica),
      {
        resource: REPLICA,
        conditions: { "aws:requestedregion": "us-east-1" },
      },
    ),
    byKey,
  ),
  "replica-grant": decides(
    "G1 D10",
    "a grant of its own",
    onReplica(closed, { grants: [grant] }),
    `grant: grant ${grant.grantId}`,
  ),
  "replica-grant-of-primary": decides("G1", "none of the primary key", onReplica(closed), noKey),

  "replicate-to-region": onPrimary(
    "into the region",
    "ReplicateKey",
    is("kms:ReplicaRegion", "eu-central-1"),
    { "kms:replicaregion": "eu-central-1" },
    byKey,
  ),
  "replicate-elsewhere": onPrimary(
    "into another one",
    "ReplicateKey",
    is("kms:ReplicaRegion", "eu-central-1"),
    { "kms:replicaregion": "us-east-1" },
    noKey,
  ),
  "replicate-primary-region-is-another-key": onPrimary(
    "the condition key of UpdatePrimaryRegion is absent",
    "ReplicateKey",
    is("kms:PrimaryRegion", "eu-central-1"),
    { "kms:replicaregion": "eu-central-1" },
    noKey,
  ),
  "replicate-of-primary-only": onPrimary(
    "primary keys",
    "ReplicateKey",
    is("kms:MultiRegionKeyType", "PRIMARY"),
    { "kms:replicaregion": "eu-central-1" },
    byKey,
  ),
  "replicate-denied-outside": decides(
    "D1 O2",
    "a deny of all regions but some",
    decrypt(alice(), key(policy(forKey(ALICE), forKey("*", outside)), primary), {
      action: "kms:ReplicateKey",
      resource: PRIMARY,
      conditions: { "kms:replicaregion": "us-east-1" },
    }),
    denied,
  ),
  "replicate-within": decides(
    "D1 O2",
    "one of those",
    decrypt(alice(), key(policy(forKey(ALICE), forKey("*", outside)), primary), {
      action: "kms:ReplicateKey",
      resource: PRIMARY,
      conditions: { "kms:replicaregion": "eu-west-3" },
    }),
    byKey,
  ),
  "replicate-deny-of-use": decides(
    "D1 O3",
    "the same deny without an action is for every call, since others have no such region",
    decrypt(alice(), key(policy(forKey(ALICE), forKey("*", outside)), primary), {
      resource: PRIMARY,
    }),
    denied,
  ),
  "update-primary-to-region": onPrimary(
    "to the region",
    "UpdatePrimaryRegion",
    is("kms:PrimaryRegion", "us-east-1"),
    { "kms:primaryregion": "us-east-1" },
    byKey,
  ),
  "update-primary-elsewhere": onPrimary(
    "to another one",
    "UpdatePrimaryRegion",
    is("kms:PrimaryRegion", "us-east-1"),
    { "kms:primaryregion": "eu-west-3" },
    noKey,
  ),

  "create-multi-region": creating("a key that is to be one", { "kms:multiregion": "true" }, "iam"),
  "create-single-region": creating("one that is not", { "kms:multiregion": "false" }, noIam),
  "create-replica": decides(
    "K2 D2",
    "a replica that is to be made",
    general(
      alice(iam(forIam({ Condition: is("kms:MultiRegionKeyType", "REPLICA") }))),
      "kms:CreateKey",
      {
        conditions: { "kms:multiregionkeytype": "REPLICA", "kms:multiregion": "true" },
      },
    ),
    'iam: identity policy "iam", statement 1',
  ),
};

function creating(comment: string, values: Record<string, string>, expected: string): Case {
  const caller = alice(iam(forIam({ Condition: { Bool: { "kms:MultiRegion": "true" } } })));
  return decides(
    "K2 D2",
    comment,
    general(caller, "kms:CreateKey", { conditions: values }),
    expected,
  );
}
