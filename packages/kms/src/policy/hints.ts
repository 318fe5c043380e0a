/**
 * What people trip over, told where it bears on the request at hand.
 *
 * Source: spec/authorization.md#explanation
 *
 * @module
 */
import type { CompiledStatement } from "./compile.ts";
import { isAllowed, policiesOf, statementsOf, type Verdict } from "./decide.ts";
import { grantAllows } from "./grant-match.ts";
import { holds, matches, matchesAction, matchesPrincipal } from "./match.ts";
import { EXPLANATION_STEPS, Meter, withinSteps } from "./meter.ts";
import type { AccessRequest } from "./request.ts";
import { isIdentityOnly, lowerCase } from "./values.ts";

export interface Hint {
  readonly code: HintCode;
  readonly message: string;
}

export type HintCode =
  | "iam-alone"
  | "account-delegates"
  | "cross-account-needs-both"
  | "cross-account-not-possible"
  | "deny-outweighs"
  | "no-effect"
  | "absent-in-key-policy"
  | "alias-not-attached"
  | "alias-resource"
  | "grant-token"
  | "grants-only-allow";

type Check = (request: AccessRequest, verdict: Verdict, meter: Meter) => string | undefined;

/**
 * What there is to say about a refused request. An allowed one needs no hints. A hint that takes more steps to find
 * than an explanation may is left out.
 */
export function hintsFor(request: AccessRequest, verdict: Verdict): Hint[] {
  if (isAllowed(verdict)) return [];
  const meter = new Meter(EXPLANATION_STEPS);
  return checks.flatMap(([code, check]) => {
    const message = withinSteps(() => check(request, verdict, meter), undefined);
    return message === undefined ? [] : [{ code, message }];
  });
}

const checks: readonly (readonly [HintCode, Check])[] = [
  [
    "deny-outweighs",
    (_, { because }) =>
      because === "explicit-deny"
        ? "A statement that denies outweighs every statement that allows, wherever it is: narrow it or remove it."
        : undefined,
  ],
  [
    "cross-account-not-possible",
    (_, { because }) =>
      because === "cross-account-not-possible"
        ? "This action is only possible from the key's own account, whatever policies say."
        : undefined,
  ],
  [
    "iam-alone",
    (request, { because }, meter) =>
      because === "no-key-policy-allows" && iamAllows(request, meter)
        ? "An IAM policy allows this, but IAM alone is never enough: the key policy has to name the caller or the caller's account."
        : undefined,
  ],
  [
    "account-delegates",
    ({ key, caller, resourceAccount }, { because }) =>
      because === "no-identity-policy-allows" &&
      key !== undefined &&
      caller.accountId === resourceAccount
        ? "The key policy names the account, which by itself allows nothing: the account's own policies decide, and none of the caller's policies allows this."
        : undefined,
  ],
  [
    "cross-account-needs-both",
    ({ caller, key, resourceAccount }, { because }) =>
      key !== undefined && caller.accountId !== resourceAccount && because.startsWith("no-")
        ? "A caller from another account needs both: a key policy that names the caller or the caller's account, and a policy of the caller's own account."
        : undefined,
  ],
  [
    "no-effect",
    (request, _, meter) => {
      const idle = statementsFor(request).find(
        (statement) =>
          statement.effect === "Allow" &&
          (statement.actions === undefined || statement.resources === undefined) &&
          (statement.actions === undefined || matchesAction(statement, request, meter)) &&
          matchesPrincipal(statement, request, meter) !== undefined,
      );
      return idle === undefined
        ? undefined
        : `Statement ${idle.index + 1} of the key policy has no ${idle.actions === undefined ? "Action" : "Resource"} and therefore no effect.`;
    },
  ],
  [
    "absent-in-key-policy",
    (request) => {
      const found = statementsFor(request)
        .filter(({ kind }) => kind === "key")
        .flatMap(({ conditions }) => conditions.map(({ key }) => key))
        .find(isIdentityOnly);
      return found === undefined
        ? undefined
        : `${found} is always absent in key policies. Put the condition into an IAM policy, and let the key policy name the account.`;
    },
  ],
  [
    "alias-not-attached",
    (request, _, meter) => {
      const failing = failingConditions(request, meter).some(
        ({ key }) => lowerCase(key) === "kms:resourcealiases",
      );
      const { key } = request;
      if (!failing || key === undefined) return undefined;
      const has = key.aliases.length === 0 ? "no alias" : `the aliases ${key.aliases.join(", ")}`;
      return `kms:ResourceAliases is about the aliases that point at the key now: this one has ${has}. Data that was encrypted before an alias moved is still under the key that it pointed at before.`;
    },
  ],
  [
    "alias-resource",
    (request, _, meter) => {
      if (request.key === undefined) return undefined;
      const named = statementsFor(request)
        .filter(
          (statement) => statement.kind === "identity" && matchesAction(statement, request, meter),
        )
        .flatMap(({ resources }) => resources?.patterns ?? [])
        .find(({ text }) => /^arn:[^:]*:kms:[^:]*:[^:]*:alias\//.test(text));
      return named === undefined
        ? undefined
        : `Resource ${named.text} means the alias itself, never the key it points at. Name the key, or use kms:ResourceAliases or kms:RequestAlias.`;
    },
  ],
  [
    "grant-token",
    (request, _, meter) =>
      (request.key?.grants ?? []).some(
        (grant) => missOf(grant, request, meter) === "not-yet-effective",
      )
        ? "A grant for this is not effective everywhere yet. Until it is, the request needs the grant token that CreateGrant returned."
        : undefined,
  ],
  [
    "grants-only-allow",
    (request, { because }, meter) =>
      because === "explicit-deny" &&
      (request.key?.grants ?? []).some((grant) => missOf(grant, request, meter) === undefined)
        ? "A grant allows this, but a grant does not outweigh a deny."
        : undefined,
  ],
];

function missOf(...args: Parameters<typeof grantAllows>): string | undefined {
  const answer = grantAllows(...args);
  return "miss" in answer ? answer.miss : undefined;
}

function iamAllows(request: AccessRequest, meter: Meter): boolean {
  return statementsFor(request).some(
    (statement) =>
      statement.kind === "identity" &&
      statement.effect === "Allow" &&
      matches(statement, request, meter) !== undefined,
  );
}

function statementsFor(request: AccessRequest): CompiledStatement[] {
  return policiesOf(request).flatMap(statementsOf);
}

/** Conditions that alone keep an Allow statement for this action from matching. */
function failingConditions(request: AccessRequest, meter: Meter): CompiledStatement["conditions"] {
  return statementsFor(request)
    .filter((statement) => statement.effect === "Allow" && matchesAction(statement, request, meter))
    .flatMap((statement) =>
      statement.conditions.filter((condition) => !holds(condition, statement, request, meter)),
    );
}
