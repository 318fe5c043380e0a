/**
 * The decision, explained: every policy, statement and condition with what it made of the request, every
 * grant, what decided, and what could be added.
 *
 * It asks the same questions as the decision (match.ts, grant-match.ts), only all of them, and takes the
 * decision itself from decide.ts, so the two cannot disagree. An explanation shows the values of the
 * request, those of the encryption context among them: it is for those who may see them.
 *
 * Source: spec/authorization.md#explanation
 *
 * @module
 */
import { smallestAdditions, type Suggestion, type Suggestions } from "./additions.ts";
import type { CompiledCondition, CompiledStatement } from "./compile.ts";
import {
  describe,
  judge,
  policiesOf,
  statementsOf,
  toDecision,
  type Deciding,
  type PolicyReference,
} from "./decide.ts";
import { grantAllows, meetsSource, namedBy, retirers, type GrantMiss } from "./grant-match.ts";
import { hintsFor, type Hint } from "./hints.ts";
import {
  hasVariables,
  holds,
  matches,
  matchesAction,
  matchesPrincipal,
  matchesResource,
} from "./match.ts";
import { EXPLANATION_STEPS, Meter, withinSteps } from "./meter.ts";
import type { Named } from "./principal.ts";
import type { AccessRequest, Decision, Grant } from "./request.ts";
import { isIdentityOnly, type Value } from "./values.ts";

export interface Explanation {
  /** The answer of `decide`. */
  readonly decision: Decision;
  readonly caller: string;
  readonly action: string;
  readonly resource: string;
  /** The policies in the order in which they are asked. */
  readonly policies: readonly ExplainedPolicy[];
  readonly grants: readonly ExplainedGrant[];
  /** Statements that allow nothing here for one reason only, and that reason. */
  readonly nearMisses: readonly string[];
  /** All statements that deny. Nothing that is added outweighs them. */
  readonly deniedBy: readonly string[];
  /** Each of them would allow the request, once nothing denies it. The smallest come first. */
  readonly suggestions: readonly Suggestion[];
  /** Whether there may be more suggestions: not every grant that waits for its token was tried. */
  readonly suggestionsTruncated: boolean;
  readonly hints: readonly Hint[];
}

export interface ExplainedPolicy {
  readonly policy: PolicyReference;
  readonly statements: readonly ExplainedStatement[];
}

export interface ExplainedStatement {
  /** `key policy, statement "Allow use of the key"`. */
  readonly title: string;
  /** Counted from 0. */
  readonly index: number;
  readonly sid?: string;
  readonly effect: "Allow" | "Deny";
  readonly matched: boolean;
  /** Whether this is what decided. */
  readonly deciding: boolean;
  /** Whether the statement is about the caller; IAM policies always are. */
  readonly principal: Check;
  readonly action: Check;
  readonly resource: Check;
  /** Only for statements with policy variables. */
  readonly variables?: Check;
  readonly conditions: readonly ExplainedCondition[];
}

export interface Check {
  readonly matched: boolean;
  readonly why: string;
  /** Present where to compare takes more steps than an explanation may. `matched` is then false. */
  readonly tooManySteps?: true;
}

export interface ExplainedCondition extends Check {
  readonly operator: string;
  readonly key: string;
  /** The values of the policy. */
  readonly expected: readonly string[];
  /** What the request has; absent if it has none. */
  readonly actual?: string | readonly string[];
}

export interface ExplainedGrant extends Check {
  readonly grantId: string;
  readonly name?: string;
  readonly deciding: boolean;
  readonly miss?: GrantMiss;
}

/**
 * Explains what `decide` answers.
 *
 * @throws {@link KmsError} as `decide` does.
 */
export function explain(request: AccessRequest): Explanation {
  const verdict = judge(request);
  const decision = toDecision(verdict, request);
  const ofStatements = new Meter(EXPLANATION_STEPS);
  const policies = policiesOf(request).map((policy) => ({
    policy: policy.reference,
    statements: statementsOf(policy).map((statement) =>
      explainStatement(statement, policy.reference, verdict.deciding, request, ofStatements),
    ),
  }));
  const ofGrants = new Meter(EXPLANATION_STEPS);
  const grants = (request.key?.grants ?? []).map((grant) =>
    explainGrant(grant, verdict.deciding, request, ofGrants),
  );
  const statements = policies.flatMap((policy) => policy.statements);
  const { suggestions, truncated } = decision.allowed ? NOTHING : smallestAdditions(request);
  return {
    decision,
    caller: request.caller.arn,
    action: request.action,
    resource: request.resource,
    policies,
    grants,
    nearMisses: decision.allowed ? [] : statements.flatMap(nearMiss),
    deniedBy: statements
      .filter(({ effect, matched }) => effect === "Deny" && matched)
      .map(({ title }) => title),
    suggestions,
    suggestionsTruncated: truncated,
    hints: hintsFor(request, verdict),
  };
}

const NOTHING: Suggestions = { suggestions: [], truncated: false };

function explainStatement(
  statement: CompiledStatement,
  policy: PolicyReference,
  deciding: readonly Deciding[],
  request: AccessRequest,
  meter: Meter,
): ExplainedStatement {
  const { index, sid, effect } = statement;
  return {
    title: describe({ policy, statement }),
    index,
    ...(sid === undefined ? {} : { sid }),
    effect,
    matched: withinSteps(() => matches(statement, request, meter) !== undefined, false),
    deciding: deciding.some((one) => "policy" in one && isStatement(one, policy, statement)),
    principal: checked(() =>
      explainPrincipal(matchesPrincipal(statement, request, meter), statement, request),
    ),
    action: checked(() => explainAction(statement, request, meter)),
    resource: checked(() => explainResource(statement, request, meter)),
    ...(statement.variables.length === 0
      ? {}
      : { variables: checked(() => explainVariables(statement, request, meter)) }),
    conditions: statement.conditions.map((condition) =>
      explainCondition(condition, statement, request, meter),
    ),
  };
}

function checked(check: () => Check): Check {
  return withinSteps(check, NOT_COMPARED);
}

const NOT_COMPARED: Check = {
  matched: false,
  why: `to compare takes more than the ${EXPLANATION_STEPS} steps of an explanation`,
  tooManySteps: true,
};

/** Two policies of one text share their statements, so the policy also has to be the same. */
function isStatement(
  one: Extract<Deciding, { policy: PolicyReference }>,
  { type, name }: PolicyReference,
  statement: CompiledStatement,
): boolean {
  return one.statement === statement && one.policy.type === type && one.policy.name === name;
}

function explainPrincipal(
  how: Named,
  { kind, principals }: CompiledStatement,
  { caller }: AccessRequest,
): Check {
  const matched = how !== undefined;
  if (kind === "identity") return { matched, why: "the policy is attached to the caller" };
  if (principals?.not === true) {
    const why = matched
      ? `NotPrincipal applies to ${caller.arn}`
      : `NotPrincipal exempts ${caller.arn}`;
    return { matched, why };
  }
  const ways = {
    direct: `names ${caller.arn}`,
    role: `names the caller's role ${caller.roleArn ?? caller.arn}`,
    account: `names the caller's account ${caller.accountId}`,
  };
  return { matched, why: how === undefined ? `does not name ${caller.arn}` : ways[how] };
}

function explainAction(statement: CompiledStatement, request: AccessRequest, meter: Meter): Check {
  const matched = matchesAction(statement, request, meter);
  const { actions } = statement;
  if (actions === undefined) {
    return { matched, why: "the statement has no Action, so it has no effect" };
  }
  const texts = actions.patterns.map(({ text }) => text);
  return { matched, why: listed("Action", actions.not, texts, request.action, matched) };
}

function explainResource(
  statement: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): Check {
  const matched = matchesResource(statement, request, meter);
  const { resources, kind } = statement;
  if (kind === "trust") return { matched, why: "a trust policy is about its role" };
  if (resources === undefined) {
    return { matched, why: "the statement has no Resource, so it has no effect" };
  }
  if (kind === "key" && !resources.not && statement.effect === "Deny") {
    return { matched, why: "in a key policy a Deny is about the key, whatever Resource says" };
  }
  const texts = resources.patterns.map(({ text }) => text);
  return { matched, why: listed("Resource", resources.not, texts, request.resource, matched) };
}

function explainVariables(
  { variables }: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): Check {
  const missing = variables.filter(
    (variable) => !hasVariables({ variables: [variable] }, request, meter),
  );
  if (missing.length === 0) {
    return { matched: true, why: "the request has a value for each policy variable" };
  }
  const names = missing.map(({ key }) => `\${${key}}`).join(", ");
  const why = `the request does not have exactly one value for ${names}, so the statement does not match`;
  return { matched: false, why };
}

function listed(
  element: string,
  not: boolean,
  texts: readonly string[],
  value: string,
  matched: boolean,
): string {
  const includes = matched !== not ? "includes" : "does not include";
  return `${not ? "Not" : ""}${element} ${texts.join(", ")} ${includes} ${value}`;
}

function explainCondition(
  condition: CompiledCondition,
  statement: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): ExplainedCondition {
  const { operator, key, texts } = condition;
  const actual = condition.value(request);
  const check = checked(() => {
    const matched = holds(condition, statement, request, meter);
    return { matched, why: conditionWhy(condition, statement, actual, matched) };
  });
  return { operator, key, expected: texts, ...(actual === undefined ? {} : { actual }), ...check };
}

function conditionWhy(
  { key, operator, test, texts }: CompiledCondition,
  { kind, effect }: CompiledStatement,
  actual: Value,
  matched: boolean,
): string {
  const verb = matched ? "holds" : "fails";
  const wanted = `${operator} ${texts.join(", ")}`;
  if (actual === undefined) {
    const absent = `${key} is absent`;
    if ("absent" in test) return `${verb}: ${absent}`;
    if (kind === "key" && isIdentityOnly(key)) {
      return `${verb}: ${key} is always absent in key policies; only IAM policies have it`;
    }
    return `${verb}: ${absent}, and ${absenceRule(test)}`;
  }
  const shown = typeof actual === "string" ? actual : `[${actual.join(", ")}]`;
  if ("absent" in test) return `${verb}: ${key} is ${shown}`;
  if (typeof actual !== "string" && test.set === undefined) {
    return `${verb}: ${key} has several values, and without ForAnyValue or ForAllValues such a condition never allows and always denies; this is ${effect === "Allow" ? "an Allow" : "a Deny"}`;
  }
  return `${verb}: ${key} is ${shown}, expected is ${wanted}`;
}

function absenceRule({
  set,
  ifExists,
  negated,
}: Exclude<CompiledCondition["test"], { absent: boolean }>): string {
  if (ifExists) return "IfExists matches an absent key";
  if (set === "all") return "ForAllValues matches an absent key";
  if (set === "any") return "ForAnyValue needs a value";
  return negated ? "a negated operator matches an absent key" : "the operator needs a value";
}

function explainGrant(
  grant: Grant,
  deciding: readonly Deciding[],
  request: AccessRequest,
  meter: Meter,
): ExplainedGrant {
  const { grantId, name } = grant;
  const head = {
    grantId,
    ...(name === undefined ? {} : { name }),
    deciding: deciding.some((one) => "grant" in one && one.grant === grant),
  };
  if (request.action === "kms:RetireGrant") return { ...head, ...explainRetiring(grant, request) };
  const answer = withinSteps(() => grantAllows(grant, request, meter), undefined);
  if (answer === undefined) return { ...head, ...NOT_COMPARED };
  if ("how" in answer) {
    const why = `lets ${grant.grantee} ${request.action.slice("kms:".length)}`;
    return { ...head, matched: true, why };
  }
  return { ...head, matched: false, miss: answer.miss, why: missWhy(answer.miss, grant, request) };
}

function explainRetiring(grant: Grant, request: AccessRequest): Check {
  const principal = retirers(grant).find((one) => namedBy(one, request) !== undefined);
  if (principal !== undefined) return { matched: true, why: `may be retired by ${principal}` };
  const issued = namedBy(grant.issuingAccount, request) !== undefined;
  return {
    matched: false,
    why: issued
      ? `was issued by ${grant.issuingAccount}, so IAM policies decide`
      : `may be retired by ${[...retirers(grant), grant.issuingAccount].join(", ")}`,
  };
}

function missWhy(miss: GrantMiss, grant: Grant, request: AccessRequest): string {
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } =
    grant.constraints ?? {};
  const constraint = equals === undefined ? "EncryptionContextSubset" : "EncryptionContextEquals";
  const source = request.conditions?.get("aws:sourcearn");
  const why: Readonly<Record<GrantMiss, string>> = {
    operation: `is for ${grant.operations.join(", ")}`,
    grantee: `is for ${grant.grantee}`,
    "not-yet-effective": `takes effect at ${new Date(grant.effective).toISOString()}; until then a request needs its grant token`,
    "child-grant":
      "lets its grantee create only grants with some of its own operations, and constraints as strict as its own",
    constraint: meetsSource(grant, request)
      ? `${constraint} is ${pairs(equals ?? subset)}, the encryption context is ${pairs(request.encryptionContext)}`
      : `SourceArn is ${grant.constraints?.sourceArn}, aws:SourceArn is ${source?.toString() ?? "absent"}`,
  };
  return why[miss];
}

function pairs(context: Readonly<Record<string, string>> | undefined): string {
  return context === undefined ? "absent" : JSON.stringify(context);
}

/** What one change would make an Allow statement match; nothing if it would take more. */
function nearMiss(statement: ExplainedStatement): string[] {
  const { effect, title, principal, action, resource, variables, conditions } = statement;
  if (effect === "Deny") return [];
  const checks = [principal, action, resource, ...(variables ? [variables] : []), ...conditions];
  const failed = checks.filter(({ matched }) => !matched);
  const [only] = failed;
  if (only === undefined || only.tooManySteps || failed.length > 1) return [];
  return [`${title} would match, but ${only.why}`];
}
