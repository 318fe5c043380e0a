/**
 * What is wrong with a policy, or probably not meant, with its place: what parsing refuses, and what it
 * takes and nobody should write.
 *
 * Source: spec/authorization.md; "Best practices for IAM policies" and "Using IAM policies with AWS KMS"
 * in the AWS KMS developer guide
 *
 * @module
 */
import { closest } from "@env/core";
import { readPolicy, type Policy } from "./document.ts";
import type { Find, Severity } from "./find.ts";
import { lineAndColumn } from "./json.ts";
import { conditionRules, type ConditionRule } from "./lint-conditions.ts";
import { statementRules, type StatementRule } from "./lint-statements.ts";
import { policyRules, type PolicyRule } from "./lint-policy.ts";
import { comparisonNames } from "./operators.ts";
import type { DocumentRule, Problem } from "./problem.ts";
import type { PolicyKind } from "./values.ts";

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly message: string;
  /** JSON pointer to the element. */
  readonly pointer: string;
  /** Both counted from 1; columns in UTF-16 units. */
  readonly line: number;
  readonly column: number;
}

export type FindingCode = DocumentRule | StatementRule | ConditionRule | PolicyRule;

/**
 * Looks through a policy. Never throws, whatever `text` is; findings are in the order of the text.
 *
 * @param kind - `identity` for all that IAM has.
 */
export function lintPolicy(text: string, kind: PolicyKind): readonly Finding[] {
  const found: Found[] = [];
  const policy = readPolicy(text, kind, (problem) => {
    const { rule, offset, pointer } = problem;
    found.push({
      code: rule,
      severity: "error",
      message: fullMessage(problem, text),
      pointer,
      offset,
    });
  });
  const find: Find<FindingCode> = (code, severity, { offset, pointer }, message) => {
    found.push({ code, severity, message, pointer, offset });
  };
  if (policy !== undefined) lint(policy, find);
  const place = lineAndColumn(text);
  return found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ code, severity, message, pointer, offset }) => {
      const { line, column } = place(offset);
      return { code, severity, message, pointer, line, column };
    });
}

type Found = Omit<Finding, "line" | "column"> & { readonly offset: number };

function lint(policy: Policy, find: Find<FindingCode>): void {
  for (const rule of policyRules) rule(policy, find);
  for (const statement of policy.statements) {
    for (const rule of statementRules) rule(statement, policy, find);
    for (const condition of statement.conditions) {
      for (const rule of conditionRules) rule(condition, statement, policy, find);
    }
  }
}

/** What AWS's words leave out. */
function fullMessage({ rule, message, detail, offset }: Problem, text: string): string {
  if (detail !== undefined) return `${message} ${detail}`;
  if (rule !== "unknown-operator") return message;
  const [, written = ""] = /^"([^"]*)"/.exec(text.slice(offset)) ?? [];
  return `There is no operator ${written}.${suggestion(written)}`;
}

/** An operator that was probably meant, with the prefix and suffix that were written. */
function suggestion(written: string): string {
  const [, prefix = "", base = "", suffix = ""] =
    /^((?:[A-Za-z]+:)?)([A-Za-z]*?)((?:IfExists)?)$/.exec(written) ?? [];
  const known = closest(base, comparisonNames);
  const set = prefix === "" ? "" : (closest(prefix, ["ForAnyValue:", "ForAllValues:"]) ?? "");
  if (known === undefined) return "";
  const meant = known === "Null" ? known : `${set}${known}${suffix}`;
  return meant === written ? "" : ` Did you mean ${meant}?`;
}
