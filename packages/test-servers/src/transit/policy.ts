/**
 * Policies: which requests a token's rules allow. Paths and parameters are matched as a real server
 * matches them, so that a policy that confines here confines there.
 *
 * Source: OpenBao vault/acl.go, NewACL and AllowOperation; vault/policy.go
 *
 * @module
 */
import type { Json } from "./answer.ts";
import { parsePolicy } from "./policy-text.ts";
import type { Operation } from "./mount.ts";

/** One `path` of a policy, in the words of HCL. */
export interface TransitPolicyRule {
  /**
   * A path such as `transit/decrypt/app`, with the namespace if there is one. `+` matches any one segment,
   * and a `*` at the end matches anything.
   */
  readonly path: string;
  readonly capabilities: readonly ("create" | "read" | "update" | "delete" | "list" | "deny")[];
  readonly required_parameters?: readonly string[];
  /** Values by parameter. An empty list allows every value. The name `*` matches every other parameter. */
  readonly allowed_parameters?: ParameterValues;
  readonly denied_parameters?: ParameterValues;
}

/** A text may begin or end with `*`. */
type ParameterValues = Readonly<Record<string, readonly unknown[]>>;

/** Rules, or the text of a policy in HCL. */
export type TransitPolicy = string | readonly TransitPolicyRule[];

export function rulesOf(policy: TransitPolicy): readonly TransitPolicyRule[] {
  return typeof policy === "string" ? parsePolicy(policy) : policy;
}

/** Whether rules, those of all of a token's policies, allow a request. */
export function allows(
  rules: readonly TransitPolicyRule[],
  path: string,
  operation: Operation,
  body: Json,
): boolean {
  const best = mostSpecific(rules, path);
  if (best === undefined) return false;
  return permits(merged(rules.filter((rule) => rule.path === best)), operation, body);
}

/** The path of the rules that decide: an exact one, or else the most specific pattern. */
function mostSpecific(rules: readonly TransitPolicyRule[], path: string): string | undefined {
  const paths = [...new Set(rules.map((rule) => rule.path))];
  if (paths.includes(path)) return path;
  return paths.filter((pattern) => fits(pattern, path)).toSorted(bySpecificity)[0];
}

function fits(pattern: string, path: string): boolean {
  const segments = pattern.replace(/\*$/, "").split("/");
  const given = path.split("/");
  const last = segments.length - 1;
  if (pattern.endsWith("*") ? given.length < segments.length : given.length !== segments.length) {
    return false;
  }
  return segments.every((segment, at) => {
    const own = given[at] ?? "";
    if (segment === "+") return own !== "";
    return at === last && pattern.endsWith("*") ? own.startsWith(segment) : own === segment;
  });
}

/** The more specific first: a later wildcard, no `*`, fewer `+`, a longer path. */
function bySpecificity(a: string, b: string): number {
  return (
    order(firstWildcard(b), firstWildcard(a)) ||
    order(Number(a.endsWith("*")), Number(b.endsWith("*"))) ||
    order(a.split("+").length, b.split("+").length) ||
    order(b.length, a.length) ||
    (a < b ? 1 : -1)
  );
}

function firstWildcard(path: string): number {
  const at = path.search(/\+|\*$/);
  return at === -1 ? Infinity : at;
}

/** `Infinity - Infinity` is not a number. */
function order(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** What several policies say of one path: capabilities and parameters add up, and `deny` wins. */
function merged(rules: readonly TransitPolicyRule[]): TransitPolicyRule {
  const [first = { path: "", capabilities: [] }, ...more] = rules;
  return more.reduce<TransitPolicyRule>(
    (sum, rule) => ({
      path: sum.path,
      capabilities: [...sum.capabilities, ...rule.capabilities],
      required_parameters: [
        ...(sum.required_parameters ?? []),
        ...(rule.required_parameters ?? []),
      ],
      allowed_parameters: union(sum.allowed_parameters, rule.allowed_parameters),
      denied_parameters: union(sum.denied_parameters, rule.denied_parameters),
    }),
    first,
  );
}

function union(a: ParameterValues = {}, b: ParameterValues = {}): ParameterValues {
  const all = { ...a };
  for (const [name, values] of Object.entries(b)) {
    const known = Object.hasOwn(all, name) ? all[name] : undefined;
    const every = values.length === 0 || known?.length === 0;
    all[name] = every ? [] : [...(known ?? []), ...values];
  }
  return all;
}

function permits(rule: TransitPolicyRule, operation: Operation, body: Json): boolean {
  if (rule.capabilities.includes("deny") || !rule.capabilities.includes(operation)) return false;
  if (operation !== "create" && operation !== "update") return true;
  const { required_parameters: required = [] } = rule;
  if (required.some((name) => !Object.hasOwn(body, name.toLowerCase()))) return false;
  const denied = lowerCased(rule.denied_parameters);
  const allowed = lowerCased(rule.allowed_parameters);
  const parameters = Object.entries(body);
  if (parameters.length > 0 && denied.has("*")) return false;
  return parameters.every(([given, value]) => {
    const name = given.toLowerCase();
    if (contains(denied.get(name), value)) return false;
    if (allowed.size === 0) return true;
    return allowed.has(name) ? contains(allowed.get(name), value) : allowed.has("*");
  });
}

function lowerCased(values: ParameterValues = {}): ReadonlyMap<string, readonly unknown[]> {
  return new Map(Object.entries(values).map(([name, list]) => [name.toLowerCase(), list]));
}

function contains(values: readonly unknown[] | undefined, value: unknown): boolean {
  if (values === undefined) return false;
  return values.length === 0 || values.some((one) => isLike(one, value));
}

function isLike(pattern: unknown, value: unknown): boolean {
  // As in real servers, a number in a policy has another type than one in a request, and never equals it.
  if (typeof pattern === "number") return false;
  if (typeof pattern !== "string" || typeof value !== "string") return pattern === value;
  const text = pattern.replace(/^\*|\*$/g, "");
  if (pattern.startsWith("*")) {
    return pattern.length > 1 && pattern.endsWith("*")
      ? value.includes(text)
      : value.endsWith(text);
  }
  return pattern.endsWith("*") ? value.startsWith(text) : value === pattern;
}
