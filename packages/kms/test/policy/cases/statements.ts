/**
 * Actions, resources and patterns.
 *
 * @module
 */
import {
  A,
  ALIAS_ARN,
  ALICE,
  alice,
  decrypt,
  delegating,
  forIam,
  forKey,
  general,
  iam,
  key,
  KEY_ARN,
  KEY_ID,
  OTHER_KEY_ARN,
  policy,
  decides,
  type Case,
  type Cases,
} from "./case.ts";

const ok = "key-policy: key policy, statement 1";
const no = "no-key-policy-allows";

/** A key policy that lets alice do `element`, asked for `action`. */
const action = (
  rules: string,
  comment: string,
  element: object,
  asked: `kms:${string}`,
  expect: string,
): Case =>
  decides(
    rules,
    comment,
    decrypt(
      alice(),
      key(policy({ Effect: "Allow", Principal: { AWS: ALICE }, Resource: "*", ...element })),
      { action: asked },
    ),
    expect,
  );

/** A delegating key policy, and a policy of IAM for `element`. */
const resource = (rules: string, comment: string, element: object, allowed: boolean): Case =>
  decides(
    rules,
    comment,
    decrypt(alice(iam({ Effect: "Allow", Action: "kms:Decrypt", ...element })), key(delegating)),
    allowed
      ? 'key-policy-and-iam: key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement 1'
      : "no-identity-policy-allows",
  );

export const statements: Cases = {
  "action-exact": action("M1", "the action", { Action: "kms:Decrypt" }, "kms:Decrypt", ok),
  "action-other": action("M1", "another", { Action: "kms:Encrypt" }, "kms:Decrypt", no),
  "action-case": action("M1", "case is nothing", { Action: "KMS:dECRYPT" }, "kms:Decrypt", ok),
  "action-list": action(
    "M1",
    "one of several",
    { Action: ["kms:Encrypt", "kms:Decrypt"] },
    "kms:Decrypt",
    ok,
  ),
  "action-star": action("M1 W1", "every action", { Action: "*" }, "kms:Decrypt", ok),
  "action-service-star": action("M1 W1", "all of KMS", { Action: "kms:*" }, "kms:Decrypt", ok),
  "action-prefix": action(
    "M1 W1",
    "ReEncrypt* is both halves of ReEncrypt",
    { Action: "kms:ReEncrypt*" },
    "kms:ReEncryptTo",
    ok,
  ),
  "action-prefix-other": action(
    "M1 W1",
    "and nothing else",
    { Action: "kms:ReEncrypt*" },
    "kms:Encrypt",
    no,
  ),
  "action-star-is-none-too": action(
    "W1",
    "a star stands for nothing as well",
    { Action: "kms:GenerateDataKey*" },
    "kms:GenerateDataKey",
    ok,
  ),
  "action-star-inside": action(
    "W1",
    "a star within",
    { Action: "kms:G*WithoutPlaintext" },
    "kms:GenerateDataKeyWithoutPlaintext",
    ok,
  ),
  "action-question-mark": action(
    "W1",
    "a question mark is one character",
    { Action: "kms:?ecrypt" },
    "kms:Decrypt",
    ok,
  ),
  "action-question-mark-is-not-none": action(
    "W1",
    "and never none",
    { Action: "kms:?Decrypt" },
    "kms:Decrypt",
    no,
  ),
  "action-no-re-encrypt": action(
    "M1",
    "there is no action ReEncrypt",
    { Action: "kms:ReEncrypt" },
    "kms:ReEncryptFrom",
    no,
  ),
  "action-of-another-service": action(
    "M1",
    "another service",
    { Action: "s3:*" },
    "kms:Decrypt",
    no,
  ),
  "not-action": action("M1", "all but", { NotAction: "kms:Encrypt" }, "kms:Decrypt", ok),
  "not-action-listed": action(
    "M1",
    "not what is listed, in any case",
    { NotAction: ["kms:encrypt", "kms:DECRYPT"] },
    "kms:Decrypt",
    no,
  ),
  "action-missing": action("M2 T5", "no action, no effect", {}, "kms:Decrypt", no),
  "action-missing-in-deny": decides(
    "M2 T5",
    "a Deny without an action has none either",
    decrypt(alice(), key(policy(forKey(ALICE), { Effect: "Deny", Principal: "*", Resource: "*" }))),
    ok,
  ),
  "resource-missing": decides(
    "M4 T5",
    "no resource, no effect",
    decrypt(alice(), key(policy({ Effect: "Allow", Principal: { AWS: ALICE }, Action: "kms:*" }))),
    no,
  ),
  "resource-missing-in-deny": decides(
    "M4 T5",
    "of a Deny neither",
    decrypt(
      alice(),
      key(policy(forKey(ALICE), { Effect: "Deny", Principal: "*", Action: "kms:*" })),
    ),
    ok,
  ),
  "resource-of-key-policy-other": decides(
    "M4",
    "an Allow in a key policy that names another key",
    decrypt(alice(), key(policy(forKey(ALICE, { Resource: OTHER_KEY_ARN })))),
    no,
  ),
  "resource-of-key-policy-own": decides(
    "M4",
    "an Allow that names the key itself",
    decrypt(alice(), key(policy(forKey(ALICE, { Resource: KEY_ARN })))),
    ok,
  ),
  "resource-of-key-policy-pattern": decides(
    "M4",
    "or has a pattern for it among others",
    decrypt(
      alice(),
      key(policy(forKey(ALICE, { Resource: [OTHER_KEY_ARN, `arn:aws:kms:*:${A}:key/*`] }))),
    ),
    ok,
  ),
  "resource-of-key-policy-key-id": decides(
    "M4 W2",
    "what is not an ARN names no key",
    decrypt(alice(), key(policy(forKey(ALICE, { Resource: KEY_ID })))),
    no,
  ),
  "resource-of-key-policy-alias": decides(
    "M4",
    "an alias is not the key it points at",
    decrypt(alice(), key(policy(forKey(ALICE, { Resource: ALIAS_ARN })))),
    no,
  ),
  "resource-of-key-policy-deny": decides(
    "M4 D1",
    "a Deny is about the key, whatever it names",
    decrypt(
      alice(),
      key(policy(forKey(ALICE), forKey("*", { Effect: "Deny", Resource: OTHER_KEY_ARN }))),
    ),
    "explicit-deny: key policy, statement 2",
  ),
  "not-resource-of-key-policy-other": decides(
    "M4",
    "NotResource that does not name the key",
    decrypt(
      alice(),
      key(
        policy({
          Effect: "Allow",
          Principal: { AWS: ALICE },
          Action: "kms:*",
          NotResource: "arn:aws:kms:us-east-1:444455556666:key/other",
        }),
      ),
    ),
    ok,
  ),
  "not-resource-of-key-policy": decides(
    "M4",
    "NotResource that does",
    decrypt(
      alice(),
      key(
        policy({
          Effect: "Allow",
          Principal: { AWS: ALICE },
          Action: "kms:*",
          NotResource: `arn:aws:kms:*:${A}:key/*`,
        }),
      ),
    ),
    no,
  ),

  "resource-exact": resource("M3", "the key's ARN", { Resource: KEY_ARN }, true),
  "resource-star": resource("M3 W2", "everything", { Resource: "*" }, true),
  "resource-all-keys": resource(
    "M3 W2",
    "all keys of the account",
    { Resource: `arn:aws:kms:*:${A}:key/*` },
    true,
  ),
  "resource-key-id": resource(
    "M3",
    "keys by the beginning of their id",
    { Resource: `arn:aws:kms:eu-west-1:${A}:key/1234abcd-*` },
    true,
  ),
  "resource-question-marks": resource(
    "W1",
    "a region pattern",
    { Resource: `arn:aws:kms:eu-west-?:${A}:key/${KEY_ID}` },
    true,
  ),
  "resource-case": resource(
    "M3",
    "case counts",
    { Resource: KEY_ARN.toUpperCase().replace("ARN", "arn") },
    false,
  ),
  "resource-multi-region": resource(
    "M3",
    "not a multi-Region key",
    { Resource: `arn:aws:kms:*:${A}:key/mrk-*` },
    false,
  ),
  "resource-other-account": resource(
    "M3",
    "keys of another account",
    { Resource: "arn:aws:kms:*:444455556666:key/*" },
    false,
  ),
  "resource-other-region": resource(
    "M3",
    "keys of another region",
    { Resource: `arn:aws:kms:us-east-1:${A}:key/*` },
    false,
  ),
  "resource-alias": resource(
    "M3",
    "an alias that points at the key",
    { Resource: ALIAS_ARN },
    false,
  ),
  "resource-all-aliases": resource(
    "M3",
    "all aliases",
    { Resource: `arn:aws:kms:*:${A}:alias/*` },
    false,
  ),
  "resource-one-of-several": resource(
    "M3",
    "one of several",
    { Resource: ["arn:aws:s3:::bucket/*", KEY_ARN] },
    true,
  ),
  "resource-star-does-not-reach-over-colons": resource(
    "W2",
    "a star for region and account together",
    { Resource: `arn:aws:kms:*::key/${KEY_ID}` },
    false,
  ),
  "resource-stars-per-part": resource(
    "W2",
    "a star for each part",
    { Resource: `arn:*:*:*:*:*/${KEY_ID}` },
    true,
  ),
  "resource-of-another-partition": resource(
    "W2",
    "another partition",
    { Resource: `arn:aws-cn:kms:*:${A}:key/*` },
    false,
  ),
  "not-resource": resource(
    "M3",
    "all but aliases",
    { NotResource: `arn:aws:kms:*:${A}:alias/*` },
    true,
  ),
  "not-resource-listed": resource("M3", "all but this key", { NotResource: KEY_ARN }, false),
  "not-resource-star": resource("M3", "all but everything", { NotResource: "*" }, false),
  "not-resource-for-general-actions": decides(
    "M3 D2",
    "what is asked for on * is not among keys",
    general(
      alice(iam({ Effect: "Allow", Action: "kms:*", NotResource: `arn:aws:kms:*:${A}:key/*` })),
      "kms:ListKeys",
    ),
    'iam: identity policy "iam", statement 1',
  ),
  "order-of-statements": decides(
    "M6",
    "statements that do not match stand in nobody's way",
    decrypt(
      alice(iam(forIam({ Action: "kms:Encrypt" }), forIam({ Resource: ALIAS_ARN }), forIam())),
      key(delegating),
    ),
    'key-policy-and-iam: key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement 3',
  ),
};
