/**
 * What the linter has to say of conditions.
 *
 * @module
 */
import { didYouMean } from "@env/core";
import type { Policy, Statement } from "./document.ts";
import type { ConditionElement } from "./elements.ts";
import { excerpt } from "./excerpt.ts";
import { conditionKey, conditionKeys, isFamily, type ConditionKey } from "./condition-keys.ts";
import type { Find } from "./find.ts";
import { actionsOf, hasStarInActions } from "./lint-statements.ts";
import type { Comparison } from "./operators.ts";
import { lowerCase } from "./values.ts";

export type ConditionRule =
  | "unknown-condition-key"
  | "condition-key-of-another-service"
  | "absent-in-key-policy"
  | "condition-never-holds"
  | "condition-key-not-for-action"
  | "set-operator-missing"
  | "set-operator-on-single-value"
  | "for-all-values-without-null"
  | "operator-type"
  | "wildcard-in-equals"
  | "alias-value"
  | "via-service-value"
  | "absent-key-not-denied"
  | "absent-key-allowed"
  | "variable-may-be-absent";

type Rule = (
  condition: ConditionElement,
  statement: Statement,
  policy: Policy,
  find: Find<ConditionRule>,
) => void;

/** A rule for keys that are known. */
type KnownRule = (
  condition: ConditionElement,
  key: ConditionKey,
  statement: Statement,
  find: Find<ConditionRule>,
) => void;

const known =
  (rule: KnownRule): Rule =>
  (condition, statement, _, find) => {
    const key = conditionKey(lowerCase(condition.key));
    if (key !== undefined) rule(condition, key, statement, find);
  };

/** Whether the condition holds for requests without the key. */
function holdsAbsent({ operator, values }: ConditionElement): boolean {
  const { comparison, set, ifExists } = operator;
  if (comparison === "Null") return values.some(({ text }) => text === "true");
  return ifExists || set === "all" || (set === undefined && comparison.negated);
}

const byKey = new WeakMap<readonly ConditionElement[], Map<string, ConditionElement[]>>();

/** The conditions of a statement that are about the same key, this one among them. */
function onSameKey(
  { key }: ConditionElement,
  conditions: readonly ConditionElement[],
): readonly ConditionElement[] {
  let found = byKey.get(conditions);
  if (found === undefined) {
    found = new Map();
    for (const each of conditions) {
      const name = lowerCase(each.key);
      const same = found.get(name);
      if (same === undefined) found.set(name, [each]);
      else same.push(each);
    }
    byKey.set(conditions, found);
  }
  return found.get(lowerCase(key)) ?? [];
}

const unknown: Rule = ({ key, keyNode }, _, __, find) => {
  if (conditionKey(lowerCase(key)) !== undefined) return;
  const service = lowerCase(key).split(":")[0];
  if (service === "kms") {
    const names = conditionKeys.filter((each) => !isFamily(each)).map(({ name }) => name);
    find(
      "unknown-condition-key",
      "error",
      keyNode,
      `There is no condition key ${excerpt(key)}.${didYouMean(key, names)}`,
    );
    return;
  }
  if (service === "aws") {
    const names = conditionKeys.map(({ name }) => name);
    find(
      "unknown-condition-key",
      "warning",
      keyNode,
      `Requests to this KMS never have ${excerpt(key)}.${didYouMean(key, names)}`,
    );
    return;
  }
  find(
    "condition-key-of-another-service",
    "warning",
    keyNode,
    `${excerpt(key)} is a condition key of another service: requests to this KMS never have it.`,
  );
};

const keyPolicy: Rule = (condition, { effect }, { kind }, find) => {
  const { key, keyNode } = condition;
  if (kind !== "key" || conditionKey(lowerCase(key))?.identityOnly !== true) return;
  const consequence = holdsAbsent(condition)
    ? "this condition always holds"
    : effect === "Allow"
      ? "this statement allows nothing"
      : "this statement denies nothing";
  find(
    "absent-in-key-policy",
    "error",
    keyNode,
    `${key} is always absent in key policies: ${consequence}. Use it in an IAM policy, and let the key policy name the account.`,
  );
};

const applicable = known((condition, key, statement, find) => {
  const all = actionsOf(statement);
  const can = all.filter(key.appliesTo);
  if (all.length === can.length || holdsAbsent(condition)) return;
  const cannot = all.filter((action) => !key.appliesTo(action)).map(({ name }) => name);
  if (can.length === 0) {
    find(
      "condition-never-holds",
      "error",
      condition.keyNode,
      `Requests for ${some(cannot)} never have ${condition.key}, so the statement never matches.`,
    );
    return;
  }
  // kms:* with a condition is common, and means those actions that have the key.
  if (hasStarInActions(statement)) return;
  find(
    "condition-key-not-for-action",
    "warning",
    condition.keyNode,
    `Requests for ${some(cannot)} never have ${condition.key}: the statement does not match them.`,
  );
});

/** What one operator wants absent, another wants to have a value. */
const contradiction: Rule = (condition, { conditions }, _, find) => {
  const { comparison } = condition.operator;
  if (comparison === "Null" || holdsAbsent(condition)) return;
  const wantedAbsent = onSameKey(condition, conditions).some(
    (other) =>
      other.operator.comparison === "Null" && other.values.every(({ text }) => text === "true"),
  );
  if (!wantedAbsent) return;
  find(
    "condition-never-holds",
    "error",
    condition.keyNode,
    `Null requires ${condition.key} to be absent, and ${condition.operator.name} needs a value: the statement never matches.`,
  );
};

const sets = known(({ operator, key: name, keyNode }, key, { effect }, find) => {
  if (operator.comparison === "Null") return;
  if (key.multi && operator.set === undefined) {
    const does = effect === "Allow" ? "never allows" : "always denies where there is one";
    find(
      "set-operator-missing",
      "error",
      keyNode,
      `${name} may have several values: put ForAnyValue: or ForAllValues: before ${operator.name}. Without it the condition ${does}.`,
    );
  }
  if (!key.multi && operator.set !== undefined) {
    find(
      "set-operator-on-single-value",
      "warning",
      keyNode,
      operator.set === "all"
        ? `${name} has one value or none: ForAllValues only adds that the condition holds without it.`
        : `${name} has one value or none: ForAnyValue adds nothing.`,
    );
  }
});

const forAll = known((condition, key, { conditions, effect }, find) => {
  const { operator, key: name, keyNode } = condition;
  if (operator.set !== "all" || !key.multi || effect === "Deny") return;
  if (onSameKey(condition, conditions).some((other) => !holdsAbsent(other))) return;
  find(
    "for-all-values-without-null",
    "warning",
    keyNode,
    `ForAllValues holds for requests without ${name}. Add "Null": { "${name}": "false" } to keep them out.`,
  );
});

/** Which operators make sense for which type. Text can be compared as text, whatever it is. */
const fitting: Readonly<Record<ConditionKey["type"], readonly Comparison["type"][]>> = {
  String: ["String", "Arn"],
  Arn: ["Arn", "String"],
  Bool: ["Bool"],
  Numeric: ["Numeric"],
  Date: ["Date", "Numeric"],
  IpAddress: ["IpAddress"],
};

const types = known(({ operator, key: name, keyNode }, key, _, find) => {
  const { comparison } = operator;
  if (comparison === "Null" || fitting[key.type].includes(comparison.type)) return;
  find(
    "operator-type",
    "warning",
    keyNode,
    `${name} is of type ${key.type}, which ${operator.name} does not compare correctly. Use ${suggested[key.type]}.`,
  );
});

const suggested: Readonly<Record<ConditionKey["type"], string>> = {
  String: "a String operator",
  Arn: "ArnLike",
  Bool: "Bool",
  Numeric: "a Numeric operator",
  Date: "a Date operator",
  IpAddress: "IpAddress or NotIpAddress",
};

const wildcards: Rule = ({ operator, values }, _, __, find) => {
  const { comparison, name } = operator;
  if (comparison === "Null" || comparison.type !== "String" || comparison.wildcards) return;
  for (const { text, node } of values.filter((each) =>
    /[*?]/.test(each.text.replaceAll(/\$\{[^{}]*\}/g, "")),
  )) {
    find(
      "wildcard-in-equals",
      "warning",
      node,
      `${name} compares the wildcards in "${excerpt(text)}" literally. Use ${name.replace(/Equals(?:IgnoreCase)?/, "Like")} for a pattern.`,
    );
  }
};

const aliasNames = known(({ key: name, values, operator }, key, _, find) => {
  if (operator.comparison === "Null") return;
  if (key.name !== "kms:ResourceAliases" && key.name !== "kms:RequestAlias") return;
  for (const { text, node } of values.filter(
    (each) => !/^(?:alias\/|[^/]*[*?$])/.test(each.text),
  )) {
    const bare = text.slice(text.lastIndexOf("/") + 1);
    find(
      "alias-value",
      "error",
      node,
      `Values of ${name} are names such as alias/${bare}, never ARNs: "${excerpt(text)}" never matches.`,
    );
  }
});

const viaService = known(({ key: name, values, operator }, key, _, find) => {
  if (key.name !== "kms:ViaService" || operator.comparison === "Null") return;
  const form = /^[a-z0-9*?-]+\.[a-z0-9*?-]+\.amazonaws\.com$|[*$]/;
  for (const { text, node } of values.filter((each) => !form.test(each.text))) {
    find(
      "via-service-value",
      "warning",
      node,
      `Values of ${name} include the region, as in s3.eu-west-1.amazonaws.com: "${excerpt(text)}" never matches.`,
    );
  }
});

/** What an absent key makes of a statement, where that is easily overlooked. */
const absence: Rule = (condition, { effect }, { kind }, find) => {
  const { key: name, keyNode, operator } = condition;
  const key = conditionKey(lowerCase(name));
  if (key === undefined || key.always || operator.comparison === "Null") return;
  if (kind === "key" && key.identityOnly) return;
  if (effect === "Deny" && !holdsAbsent(condition)) {
    find(
      "absent-key-not-denied",
      "note",
      keyNode,
      `This does not deny requests without ${excerpt(name)}.`,
    );
  }
  const negated = operator.set === undefined && operator.comparison.negated && !operator.ifExists;
  if (effect === "Allow" && negated) {
    find(
      "absent-key-allowed",
      "warning",
      keyNode,
      `${operator.name} holds for requests without ${name}, which this allows. Add "Null": { "${name}": "false" } to keep them out.`,
    );
  }
};

const variables: Rule = ({ values }, { effect }, _, find) => {
  if (effect === "Allow") return;
  for (const { variables: used, node } of values) {
    for (const { key, fallback } of used) {
      const found = conditionKey(key);
      if (fallback !== undefined || found?.always === true) continue;
      find(
        "variable-may-be-absent",
        "warning",
        node,
        `For requests without ${found === undefined || isFamily(found) ? key : found.name} this statement denies nothing. Give the variable a default: \${${key}, 'none'}.`,
      );
    }
  }
};

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} others` : shown;
}

export const conditionRules: readonly Rule[] = [
  unknown,
  keyPolicy,
  applicable,
  contradiction,
  sets,
  forAll,
  types,
  wildcards,
  aliasNames,
  viaService,
  absence,
  variables,
];
