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
import type { CompiledCondition, CompiledStatement, CompiledVariable } from "./compile.ts";
import { named, notNamed, type Named } from "./principal.ts";
import type { AccessRequest } from "./request.ts";
import type { Variable } from "./variables.ts";

/** How the statement takes the caller: statements of IAM take whom they are attached to. */
export function matches(statement: CompiledStatement, request: AccessRequest): Named {
  if (!matchesAction(statement, request)) return undefined;
  const how = matchesPrincipal(statement, request);
  if (how === undefined) return undefined;
  if (!matchesResource(statement, request)) return undefined;
  if (!hasVariables(statement, request)) return undefined;
  for (const condition of statement.conditions) {
    if (!holds(condition, statement, request)) return undefined;
  }
  return how;
}

export function matchesPrincipal(
  { effect, kind, principals }: CompiledStatement,
  request: AccessRequest,
): Named {
  if (kind === "identity") return "direct";
  if (principals === undefined) return undefined;
  if (!principals.not) return named(principals.principals, request);
  return notNamed(effect, principals.principals, request) ? "direct" : undefined;
}

/** A statement without Action takes none. */
export function matchesAction({ actions }: CompiledStatement, request: AccessRequest): boolean {
  if (actions === undefined) return false;
  const action = lowerAction(request.action);
  return actions.patterns.some((pattern) => pattern.matches(action)) !== actions.not;
}

/** A key policy's Resource is its key, whatever it says, but has to be there. */
export function matchesResource(
  { kind, resources, variables }: CompiledStatement,
  request: AccessRequest,
): boolean {
  if (resources === undefined) return false;
  if (kind === "key" && !resources.not) return true;
  const fill = filler(variables, request);
  const { resource } = request;
  return resources.patterns.some(({ matches: fits }) => fits(resource, fill)) !== resources.not;
}

/** A variable stands for one value. Its fallback takes the place of none, and not of several. */
export function hasVariables({ variables }: CompiledStatement, request: AccessRequest): boolean {
  for (const { value, fallback } of variables) {
    const found = value(request);
    if (found === undefined ? fallback === undefined : typeof found !== "string") return false;
  }
  return true;
}

export function holds(
  { test, value: valueOf }: CompiledCondition,
  { effect, variables }: CompiledStatement,
  request: AccessRequest,
): boolean {
  const value = valueOf(request);
  if ("absent" in test) return value === undefined ? test.absent : test.present;
  const { set, ifExists, negated, operands } = test;
  if (value === undefined) return ifExists || set === "all" || (set === undefined && negated);
  const fill = filler(variables, request);
  const fits = (one: string): boolean => operands.some((operand) => operand(one, fill)) !== negated;
  if (typeof value === "string") return fits(value);
  if (set === "any") return value.some(fits);
  if (set === "all") return value.every(fits);
  // AWS leaves open what an operator for one value makes of several: here it never lets anybody in.
  return effect === "Deny";
}

/** For statements whose variables are there, as {@link hasVariables} tells. */
function filler(
  variables: readonly CompiledVariable[],
  request: AccessRequest,
): (variable: Variable) => string {
  return ({ key, fallback }) => {
    const found = variables.find((each) => each.key === key)?.value(request);
    return typeof found === "string" ? found : (fallback ?? "");
  };
}
