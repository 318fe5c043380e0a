/**
 * Keys with several values: ForAnyValue, ForAllValues, and neither.
 *
 * @module
 */
import { condition } from "./operators.ts";
import {
  ALICE,
  alice,
  decrypt,
  delegating,
  forIam,
  forKey,
  iam,
  key,
  policy,
  decides,
  type Cases,
} from "./case.ts";

const any = "ForAnyValue:StringEquals";
const all = "ForAllValues:StringEquals";
const anyNot = "ForAnyValue:StringNotEquals";
const allNot = "ForAllValues:StringNotEquals";
const RB = ["red", "blue"];

export const sets: Cases = {
  "any-one-fits": condition("O5", "one fits", any, "red", ["red", "green"], true),
  "any-none-fits": condition("O5", "none fits", any, RB, ["green", "grey"], false),
  "any-empty": condition("O5", "no values", any, "red", undefined, false),
  "any-empty-list": condition("O5 K4", "a list without members", any, "red", [], false),
  "any-if-exists": condition(
    "O5 O4",
    "no values, and IfExists",
    "ForAnyValue:StringEqualsIfExists",
    "red",
    undefined,
    true,
  ),
  "any-if-exists-none-fits": condition(
    "O5 O4",
    "values, and IfExists",
    "ForAnyValue:StringEqualsIfExists",
    "red",
    ["green"],
    false,
  ),
  "any-like": condition("O5", "patterns", "ForAnyValue:StringLike", "r*", ["green", "red"], true),
  "any-like-fails": condition(
    "O5",
    "patterns that do not match",
    "ForAnyValue:StringLike",
    "r*",
    ["green", "grey"],
    false,
  ),
  "any-arn": condition(
    "O5",
    "ARNs",
    "ForAnyValue:ArnLike",
    "arn:aws:s3:::*",
    ["x", "arn:aws:s3:::b"],
    true,
  ),
  "any-not-one-differs": condition(
    "O5 O2",
    "one is not among those",
    anyNot,
    RB,
    ["red", "green"],
    true,
  ),
  "any-not-all-fit": condition("O5 O2", "all are among those", anyNot, RB, ["red", "blue"], false),
  "any-not-empty": condition(
    "O5 O3",
    "no values: not even negated",
    anyNot,
    "red",
    undefined,
    false,
  ),
  "any-not-like-if-exists": condition(
    "O5 O4",
    "negated, and IfExists",
    "ForAnyValue:StringNotLikeIfExists",
    "r*",
    undefined,
    true,
  ),
  "any-of-single": condition("O5", "a single value is one of one", any, "red", "red", true),
  "all-fit": condition("O6", "all fit", all, RB, ["red", "blue"], true),
  "all-but-one-fit": condition("O6", "one does not", all, RB, ["red", "green"], false),
  "all-empty": condition("O6", "no values", all, "red", undefined, true),
  "all-empty-list": condition("O6 K4", "a list without members", all, "red", [], true),
  "all-if-exists": condition(
    "O6 O4",
    "no values, and IfExists",
    "ForAllValues:StringEqualsIfExists",
    "red",
    undefined,
    true,
  ),
  "all-if-exists-fails": condition(
    "O6 O4",
    "values, and IfExists",
    "ForAllValues:StringEqualsIfExists",
    "red",
    ["green"],
    false,
  ),
  "all-like": condition(
    "O6",
    "patterns",
    "ForAllValues:StringLike",
    ["r*", "b*"],
    ["red", "blue"],
    true,
  ),
  "all-like-fails": condition(
    "O6",
    "patterns that do not match all",
    "ForAllValues:StringLike",
    "r*",
    ["red", "blue"],
    false,
  ),
  "all-numeric": condition("O6", "numbers", "ForAllValues:NumericLessThan", "10", ["1", "9"], true),
  "all-not-none-fits": condition(
    "O6 O2",
    "none is among those",
    allNot,
    RB,
    ["green", "grey"],
    true,
  ),
  "all-not-one-fits": condition("O6 O2", "one is", allNot, RB, ["green", "red"], false),
  "all-not-empty": condition("O6", "no values, negated", allNot, "red", undefined, true),
  "all-of-single": condition("O6", "a single value is all of one", all, "red", "blue", false),
  "list-without-prefix": condition(
    "O8",
    "an Allow without a prefix",
    "StringEquals",
    "red",
    ["red"],
    false,
  ),
  "list-without-prefix-negated": condition(
    "O8",
    "nor negated",
    "StringNotEquals",
    "green",
    ["red"],
    false,
  ),
  "list-without-prefix-if-exists": condition(
    "O8",
    "nor with IfExists",
    "StringEqualsIfExists",
    "red",
    ["red"],
    false,
  ),
  "list-without-prefix-in-deny": decides(
    "O8 D1",
    "in a Deny it denies, though the value is another",
    decrypt(
      alice(),
      key(
        policy(
          forKey(ALICE),
          forKey("*", { Effect: "Deny", Condition: { StringEquals: { "x:y": "red" } } }),
        ),
      ),
      { conditions: { "x:y": ["blue"] } },
    ),
    "explicit-deny: key policy, statement 2",
    ["StringEquals"],
  ),
  "list-without-prefix-in-deny-absent": decides(
    "O8 O3",
    "but not where there are no values",
    decrypt(
      alice(),
      key(
        policy(
          forKey(ALICE),
          forKey("*", { Effect: "Deny", Condition: { StringEquals: { "x:y": "red" } } }),
        ),
      ),
      { conditions: { "x:y": [] } },
    ),
    "key-policy: key policy, statement 1",
    ["StringEquals"],
  ),
  "all-values-of-no-aliases": decides(
    "O6 K4",
    "ForAllValues lets in to keys without any alias",
    decrypt(
      alice(
        iam(
          forIam({
            Condition: { "ForAllValues:StringLike": { "kms:ResourceAliases": "alias/app" } },
          }),
        ),
      ),
      key(delegating, { aliases: [] }),
    ),
    'key-policy-and-iam: key policy, statement "Enable IAM User Permissions" and identity policy "iam", statement 1',
    ["ForAllValues:StringLike"],
  ),
  "all-values-and-null": decides(
    "O6 O7",
    "unless Null keeps them out",
    decrypt(
      alice(
        iam(
          forIam({
            Condition: {
              "ForAllValues:StringLike": { "kms:ResourceAliases": "alias/app" },
              Null: { "kms:ResourceAliases": "false" },
            },
          }),
        ),
      ),
      key(delegating, { aliases: [] }),
    ),
    "no-identity-policy-allows",
    ["ForAllValues:StringLike", "Null"],
  ),
};
