/**
 * Whether a statement matches a request: the four questions, each by itself.
 *
 * The decision asks them one after the other and stops at the first no; the explanation asks all of
 * them. Neither has an answer of its own.
 *
 * Source: spec/authorization.md#statements
 *
 * @module
 */
import { lowerAction } from "./actions.ts";
import type { CompiledCondition, CompiledStatement } from "./compile.ts";
import type { Meter } from "./meter.ts";
import { named, notNamed, type Named } from "./principal.ts";
import type { AccessRequest } from "./request.ts";
import type { Variable } from "./variables.ts";

/** How the statement takes the caller: policies of IAM take whom they are attached to. */
export function matches(statement: CompiledStatement, request: AccessRequest, meter: Meter): Named {
  meter.spend(STATEMENT_STEPS);
  if (!matchesAction(statement, request, meter)) return undefined;
  const how = matchesPrincipal(statement, request, meter);
  if (how === undefined) return undefined;
  if (!matchesResource(statement, request, meter)) return undefined;
  if (!hasVariables(statement, request, meter)) return undefined;
  if (request.supposed === true && statement.conditions.length > 0) {
    return statement.effect === "Allow" ? how : undefined;
  }
  for (const condition of statement.conditions) {
    if (!holds(condition, statement, request, meter)) return undefined;
  }
  return how;
}

/** The cost of looking at a statement, whatever it says. */
const STATEMENT_STEPS = 20;
/** The cost of comparing a value with a literal, or with the beginning of one. */
const COMPARISON_STEPS = 8;

export function matchesPrincipal(
  { effect, kind, principals }: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): Named {
  if (kind === "identity") return "direct";
  if (principals === undefined) return undefined;
  meter.spend(principals.principals.length * (principals.not ? IDENTITIES : 1) * COMPARISON_STEPS);
  if (!principals.not) return named(principals.principals, request);
  return notNamed(effect, principals.principals, request) ? "direct" : undefined;
}

/** What a caller can be at most, in NotPrincipal: an account's, a role's, a session. */
const IDENTITIES = 3;

/** A statement without Action takes none. */
export function matchesAction(
  { actions }: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): boolean {
  if (actions === undefined) return false;
  meter.spend(actions.patterns.length * COMPARISON_STEPS);
  const action = lowerAction(request.action);
  return actions.patterns.some((pattern) => pattern.matches(action, meter)) !== actions.not;
}

/**
 * A key policy needs a Resource in every statement. An Allow is for the key only if it names the key, a Deny is
 * whatever it names: a mistake there lets nobody in.
 */
export function matchesResource(
  { kind, effect, resources, variableValues }: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): boolean {
  // A trust policy is part of the role that it is about.
  if (resources === undefined) return kind === "trust";
  if (kind === "key" && effect === "Deny" && !resources.not) return true;
  meter.spend(resources.patterns.length * COMPARISON_STEPS);
  const fill = filler(variableValues, request);
  const { resource } = request;
  return resources.patterns.some((one) => one.matches(resource, fill, meter)) !== resources.not;
}

/** A variable stands for one value. Its fallback takes the place of none, and not of several. */
export function hasVariables(
  { variables }: Pick<CompiledStatement, "variables">,
  request: AccessRequest,
  meter: Meter,
): boolean {
  meter.spend(variables.length);
  for (const { value, fallback } of variables) {
    const found = value(request);
    if (found === undefined ? fallback === undefined : typeof found !== "string") return false;
  }
  return true;
}

export function holds(
  { test, value: valueOf }: CompiledCondition,
  { effect, variableValues }: CompiledStatement,
  request: AccessRequest,
  meter: Meter,
): boolean {
  meter.spend(CONDITION_STEPS);
  const value = valueOf(request);
  if ("absent" in test) return value === undefined ? test.absent : test.present;
  const { set, ifExists, negated, operands } = test;
  if (value === undefined) return ifExists || set === "all" || (set === undefined && negated);
  const fill = filler(variableValues, request);
  const fits = (one: string): boolean => {
    meter.spend(operands.length * COMPARISON_STEPS);
    return operands.some((operand) => operand(one, fill, meter)) !== negated;
  };
  if (typeof value === "string") return fits(value);
  if (set === "any") return value.some(fits);
  if (set === "all") return value.every(fits);
  // AWS leaves open what an operator for one value makes of several: here it never lets anybody in.
  return effect === "Deny";
}

/** The cost of finding the value of a condition key. */
const CONDITION_STEPS = 20;

/** Fills in variables, of statements for which {@link hasVariables} is true. */
function filler(
  values: CompiledStatement["variableValues"],
  request: AccessRequest,
): (variable: Variable) => string {
  return ({ key, fallback }) => {
    const found = values.get(key)?.(request);
    return typeof found === "string" ? found : (fallback ?? "");
  };
}
