/**
 * What the linter has to say of a policy as a whole.
 *
 * @module
 */
import type { Policy, Statement } from "./document.ts";
import { excerpt } from "./excerpt.ts";
import type { Find } from "./find.ts";
import { actionsOf } from "./lint-statements.ts";

export type PolicyRule =
  | "lockout-risk"
  | "iam-not-enabled"
  | "duplicate-key-policy-sid"
  | "variable-in-old-version"
  | "aliases-decide"
  | "aliases-of-other-accounts";

type Rule = (policy: Policy, find: Find<PolicyRule>) => void;

const allows = ({ effect }: Statement): boolean => effect === "Allow";

/** A key whose policy nobody may change, and nobody may ever again. */
const lockout: Rule = ({ kind, statements }, find) => {
  const [first] = statements;
  if (kind !== "key" || first === undefined) return;
  if (statements.some(allowsChange)) return;
  find(
    "lockout-risk",
    "warning",
    first.node,
    "No statement allows anyone to call kms:PutKeyPolicy. The lockout safety check refuses such a policy; with BypassPolicyLockoutSafetyCheck nobody could change it again.",
  );
};

function allowsChange(statement: Statement): boolean {
  return (
    allows(statement) &&
    statement.resources !== undefined &&
    actionsOf(statement).some(({ name }) => name === "PutKeyPolicy")
  );
}

const delegation: Rule = ({ kind, statements }, find) => {
  const [first] = statements;
  if (kind !== "key" || first === undefined) return;
  const delegates = statements.some(
    (statement) =>
      allows(statement) &&
      statement.principals?.not === false &&
      statement.principals.principals.some((principal) => principal.kind === "account"),
  );
  if (delegates) return;
  find(
    "iam-not-enabled",
    "note",
    first.node,
    "No statement names an account, so IAM policies cannot give anybody access to this key.",
  );
};

const sids: Rule = ({ kind, statements }, find) => {
  if (kind !== "key") return;
  const seen = new Set<string>();
  for (const { sid, node } of statements) {
    if (sid !== undefined && sid !== "" && seen.has(sid)) {
      find(
        "duplicate-key-policy-sid",
        "warning",
        node,
        `Two statements have the Sid "${excerpt(sid)}": a decision that names it may mean either of them.`,
      );
    }
    seen.add(sid ?? "");
  }
};

const oldVersion: Rule = ({ kind, version, statements }, find) => {
  if (version !== "2008-10-17") return;
  for (const { conditions, resources } of statements) {
    const texts = [
      ...conditions.flatMap(({ values }) => values),
      ...(kind === "identity" ? (resources?.patterns ?? []) : []),
    ];
    for (const { text, node } of texts.filter((each) => each.text.includes("${"))) {
      find(
        "variable-in-old-version",
        "warning",
        node,
        `"${excerpt(text)}" is compared literally: only policies of Version 2012-10-17 have policy variables.`,
      );
    }
  }
};

/** An Allow whose resources take in keys of accounts that nobody named. */
function isOpenToOtherAccounts({ effect, resources, conditions }: Statement): boolean {
  return (
    effect === "Allow" &&
    resources?.patterns.some(({ text }) => /^\*$|^arn:[^:]*:kms:[^:]*:\*:/.test(text)) === true &&
    !conditions.some(({ key }) => /^aws:resourceaccount$/i.test(key))
  );
}

const aliases: Rule = ({ kind, statements }, find) => {
  if (kind !== "identity") return;
  const used = statements.flatMap((statement) =>
    statement.conditions
      .filter(({ key }) => /^kms:resourcealiases$/i.test(key))
      .map((condition) => ({ statement, condition })),
  );
  const [first] = used;
  if (first === undefined) return;
  find(
    "aliases-decide",
    "note",
    first.condition.keyNode,
    "Whoever may create, move or delete these aliases decides who has access. When an alias moves to another key, data that was encrypted before stays under the old key, which the condition no longer covers.",
  );
  const open = new Set(statements.filter(isOpenToOtherAccounts));
  for (const { statement, condition } of used) {
    if (!open.has(statement)) continue;
    find(
      "aliases-of-other-accounts",
      "warning",
      condition.keyNode,
      "This also matches keys of other accounts that have an alias of this name there. Name the account in Resource, or add a condition on aws:ResourceAccount.",
    );
  }
};

export const policyRules: readonly Rule[] = [lockout, delegation, sids, oldVersion, aliases];
