/**
 * The decision: may this caller do this? A function of the request alone.
 *
 * An explicit deny anywhere ends it. Otherwise the key's policy decides: by itself where it names the
 * caller, together with the policies of IAM where it names the account. A grant is enough by itself.
 * IAM alone never is, except for what is not a key.
 *
 * Source: spec/authorization.md#decision
 *
 * @module
 */
import { isCrossAccount } from "./actions.ts";
import { compiled, type CompiledStatement } from "./compile.ts";
import { grantAllows, namedBy, retirers } from "./grant-match.ts";
import { matches } from "./match.ts";
import { DECISION_STEPS, Meter, withinSteps } from "./meter.ts";
import type { Named } from "./principal.ts";
import type { PolicyKind } from "./values.ts";
import type { AccessRequest, Because, Decision, Grant, KeyFacts, NamedPolicy } from "./request.ts";

/** What sort of policy, and which of them. The key's policy does not have a `name`. */
export interface PolicyReference {
  readonly type:
    | "key policy"
    | "trust policy"
    | "identity policy"
    | "permissions boundary"
    | "session policy";
  readonly name?: string;
}

/** What decided. */
export type Deciding =
  | { readonly policy: PolicyReference; readonly statement?: CompiledStatement }
  | { readonly grant: Grant };

export interface Verdict {
  readonly because: Because;
  /** Two where key policy and IAM decided together. */
  readonly deciding: readonly Deciding[];
}

/**
 * Decides.
 *
 * @throws {@link KmsError} as `parsePolicy` does, if a policy of the request is malformed: nothing is
 * allowed by what cannot be read.
 */
export function decide(request: AccessRequest): Decision {
  return toDecision(judge(request), request);
}

export function toDecision(verdict: Verdict, request: AccessRequest): Decision {
  const { because, deciding } = verdict;
  const allowed = isAllowed(verdict);
  return {
    allowed,
    because,
    ...(deciding.length === 0 ? {} : { deciding: deciding.map(describe).join(" and ") }),
    reason: allowed ? "" : reasonOf(verdict, request),
  };
}

export function isAllowed({ because }: Verdict): boolean {
  return allows.has(because);
}

const allows: ReadonlySet<Because> = new Set<Because>([
  "key-policy",
  "key-policy-and-iam",
  "trust-policy",
  "trust-policy-and-iam",
  "account-root",
  "grant",
  "iam",
]);

/** The decision with what decided as values. */
export function judge(request: AccessRequest, meter: Meter = new Meter(DECISION_STEPS)): Verdict {
  return withinSteps(
    () => explicitDeny(request, meter) ?? new Evaluation(request, meter).withoutDenies(),
    tooManySteps,
  );
}

/** The decision as it would be if no statement denied. */
export function judgeWithoutDenies(request: AccessRequest): Verdict {
  const meter = new Meter(DECISION_STEPS);
  return withinSteps(() => new Evaluation(request, meter).withoutDenies(), tooManySteps);
}

/** What takes more steps than a decision may is refused. */
const tooManySteps: Verdict = { because: "too-many-steps", deciding: [] };

/** All policies that concern a request, in the order in which they are asked. */
export function policiesOf(request: AccessRequest): PolicyOfRequest[] {
  const { key, trust, caller } = request;
  const all: PolicyOfRequest[] = [];
  if (key !== undefined) all.push({ reference: { type: "key policy" }, text: key.policy });
  if (trust !== undefined) all.push({ reference: { type: "trust policy" }, text: trust });
  for (const policy of caller.policies ?? []) all.push(ofIam("identity policy", policy));
  all.push(...boundsOf(request).flat());
  return all;
}

/**
 * The permissions boundary, and the session policies together: what IAM allows, one policy of each list has to allow as
 * well.
 */
export function boundsOf({ caller }: AccessRequest): PolicyOfRequest[][] {
  const { boundary, sessionPolicies = [] } = caller;
  return [
    boundary === undefined ? [] : [ofIam("permissions boundary", boundary)],
    sessionPolicies.map((policy) => ofIam("session policy", policy)),
  ].filter((policies) => policies.length > 0);
}

/** Whether a policy has a statement that allows the request. */
export function allowsIn(policy: PolicyOfRequest, request: AccessRequest, meter: Meter): boolean {
  return strongestAllow(policy, request, meter) !== undefined;
}

export interface PolicyOfRequest {
  readonly reference: PolicyReference;
  readonly text: string;
}

function ofIam(type: PolicyReference["type"], { name, text }: NamedPolicy): PolicyOfRequest {
  return { reference: { type, name }, text };
}

export function statementsOf({ reference, text }: PolicyOfRequest): readonly CompiledStatement[] {
  return compiled(text, kinds[reference.type] ?? "identity").statements;
}

/** The kinds of policies that name principals. */
const kinds: Partial<Record<PolicyReference["type"], PolicyKind>> = {
  "key policy": "key",
  "trust policy": "trust",
};

function explicitDeny(request: AccessRequest, meter: Meter): Verdict | undefined {
  for (const policy of policiesOf(request)) {
    for (const statement of statementsOf(policy)) {
      if (statement.effect !== "Deny") continue;
      if (matches(statement, request, meter) === undefined) continue;
      return { because: "explicit-deny", deciding: [{ policy: policy.reference, statement }] };
    }
  }
  return undefined;
}

/** One decision. What several grants ask of IAM is asked once. */
class Evaluation {
  readonly #request: AccessRequest;
  readonly #meter: Meter;
  #iam: Verdict | undefined;
  #bounds: { readonly exceeded: Verdict | undefined } | undefined;

  constructor(request: AccessRequest, meter: Meter) {
    this.#request = request;
    this.#meter = meter;
  }

  withoutDenies(): Verdict {
    const { key, trust, action } = this.#request;
    if (trust !== undefined) return this.#judgeByPolicyOf("trust", trust);
    if (key === undefined) return this.#judgeByIam();
    return action === "kms:RetireGrant" ? this.#judgeRetiring(key) : this.#judgeKey(key);
  }

  /** What is not a key has no policy of its own, and nothing is known here of other accounts' IAM. */
  #judgeByIam(): Verdict {
    const { caller, action, resource, resourceAccount } = this.#request;
    // A service has no policies, but may ask which grants it may retire.
    const isRetiring = action === "kms:ListRetirableGrants" && resource === caller.arn;
    if (isRetiring && caller.type === "service") return { because: "grant", deciding: [] };
    if (caller.accountId === resourceAccount) return this.#askIam();
    return { because: "cross-account-not-possible", deciding: [] };
  }

  #judgeKey(key: KeyFacts): Verdict {
    const { caller, resourceAccount, action } = this.#request;
    const own = caller.accountId === resourceAccount;
    if (!own && caller.type !== "service" && !isCrossAccount(action)) {
      return { because: "cross-account-not-possible", deciding: [] };
    }
    const byPolicy = this.#judgeByPolicyOf("key", key.policy);
    if (isAllowed(byPolicy)) return byPolicy;
    let nearest: Verdict | undefined;
    for (const grant of key.grants) {
      const answer = grantAllows(grant, this.#request, this.#meter);
      if (!("how" in answer)) continue;
      const byGrant = this.#judgeByGrant(answer.how, grant);
      if (byGrant.because === "grant") return byGrant;
      if (nearest === undefined || answer.how === "role") nearest = byGrant;
    }
    return byPolicy.because === "no-key-policy-allows" ? (nearest ?? byPolicy) : byPolicy;
  }

  /** What the policy of a key, or of who may assume a role, makes of the request. */
  #judgeByPolicyOf(what: "key" | "trust", text: string): Verdict {
    const reference: PolicyReference = { type: `${what} policy` };
    const found = this.#strongestAllow({ reference, text });
    if (found === undefined) return { because: `no-${what}-policy-allows`, deciding: [] };
    const deciding: Deciding = { policy: reference, statement: found.statement };
    const { caller, resourceAccount } = this.#request;
    // For callers of another account the key's policy says who can, and their own who does.
    if (caller.accountId === resourceAccount || caller.type === "service") {
      const alone: Verdict = { because: `${what}-policy`, deciding: [deciding] };
      if (found.how === "direct") return alone;
      if (found.how === "role") return this.#exceeded() ?? alone;
    }
    const iam = this.#askIam();
    if (iam.because === "account-root") return { because: "account-root", deciding: [deciding] };
    if (iam.because !== "iam") return iam;
    return { because: `${what}-policy-and-iam`, deciding: [deciding, ...iam.deciding] };
  }

  #judgeByGrant(how: Exclude<Named, undefined>, grant: Grant): Verdict {
    const byGrant: Verdict = { because: "grant", deciding: [{ grant }] };
    if (how === "direct") return byGrant;
    if (how === "role") return this.#exceeded() ?? byGrant;
    const iam = this.#askIam();
    if (iam.because === "account-root") return byGrant;
    if (iam.because !== "iam") return iam;
    return { because: "grant", deciding: [{ grant }, ...iam.deciding] };
  }

  /** Who may retire a grant is for the grant to say, and for the account that issued it. */
  #judgeRetiring({ grants: [grant] }: KeyFacts): Verdict {
    let refusal: Verdict = { because: "no-key-policy-allows", deciding: [] };
    if (grant === undefined) return refusal;
    for (const principal of retirers(grant)) {
      const how = namedBy(principal, this.#request);
      if (how === undefined) continue;
      const verdict = this.#judgeByGrant(how, grant);
      if (verdict.because === "grant") return verdict;
      if (refusal.because === "no-key-policy-allows") refusal = verdict;
    }
    const issued = namedBy(grant.issuingAccount, this.#request) !== undefined;
    return issued ? this.#askIam() : refusal;
  }

  /**
   * What IAM says: some policy of the caller allows it, and boundary and session policies do as well.
   * The root principal of an account needs no policy. A service has none, whatever the request says.
   */
  #askIam(): Verdict {
    return (this.#iam ??= this.#judgeIam());
  }

  #judgeIam(): Verdict {
    const { type, policies = [] } = this.#request.caller;
    if (type === "root") return { because: "account-root", deciding: [] };
    for (const named of type === "service" ? [] : policies) {
      const policy = ofIam("identity policy", named);
      const found = this.#strongestAllow(policy);
      if (found === undefined) continue;
      const deciding = [{ policy: policy.reference, statement: found.statement }];
      return this.#exceeded() ?? { because: "iam", deciding };
    }
    return { because: "no-identity-policy-allows", deciding: [] };
  }

  /** The boundary, or else the session policies, if none of them allows the request. */
  #exceeded(): Verdict | undefined {
    this.#bounds ??= { exceeded: this.#judgeBounds() };
    return this.#bounds.exceeded;
  }

  #judgeBounds(): Verdict | undefined {
    for (const policies of boundsOf(this.#request)) {
      if (policies.some((policy) => this.#strongestAllow(policy) !== undefined)) continue;
      const deciding = policies.map(({ reference }) => ({ policy: reference }));
      const isSession = deciding[0]?.policy.type === "session policy";
      return { because: isSession ? "no-session-policy-allows" : "no-boundary-allows", deciding };
    }
    return undefined;
  }

  #strongestAllow(policy: PolicyOfRequest): Allow | undefined {
    return strongestAllow(policy, this.#request, this.#meter);
  }
}

interface Allow {
  readonly how: Exclude<Named, undefined>;
  readonly statement: CompiledStatement;
}

/** The statement that allows a request and names the caller most closely; the first of several. */
function strongestAllow(
  policy: PolicyOfRequest,
  request: AccessRequest,
  meter: Meter,
): Allow | undefined {
  let strongest: Allow | undefined;
  for (const statement of statementsOf(policy)) {
    if (statement.effect !== "Allow") continue;
    const how = matches(statement, request, meter);
    if (how === undefined) continue;
    if (how === "direct") return { how, statement };
    if (strongest === undefined || (how === "role" && strongest.how === "account")) {
      strongest = { how, statement };
    }
  }
  return strongest;
}

/** `key policy, statement "Allow use of the key"`; a statement without Sid goes by its number, from 1. */
export function describe(deciding: Deciding): string {
  if ("grant" in deciding) return `grant ${deciding.grant.grantId}`;
  const { policy, statement } = deciding;
  const name = policy.name === undefined ? policy.type : `${policy.type} "${policy.name}"`;
  if (statement === undefined) return name;
  const { sid, index } = statement;
  return `${name}, statement ${sid === undefined || sid === "" ? index + 1 : `"${sid}"`}`;
}

function reasonOf({ because, deciding }: Verdict, { action }: AccessRequest): string {
  const [first] = deciding;
  if (because === "explicit-deny" && first !== undefined && "policy" in first) {
    return `with an explicit deny in ${inWords[first.policy.type]}`;
  }
  if (because === "too-many-steps") {
    return `because its policies and grants take more than ${DECISION_STEPS} steps to evaluate`;
  }
  const missing = missingInWords.get(because) ?? "resource-based policy";
  return `because no ${missing} allows the ${action} action`;
}

/** AWS's words. */
const inWords: Readonly<Record<PolicyReference["type"], string>> = {
  "key policy": "a resource-based policy",
  "trust policy": "the role trust policy",
  "identity policy": "an identity-based policy",
  "permissions boundary": "a permissions boundary",
  "session policy": "a session policy",
};

const missingInWords: ReadonlyMap<Because, string> = new Map<Because, string>([
  ["no-trust-policy-allows", "role trust policy"],
  ["no-identity-policy-allows", "identity-based policy"],
  ["no-boundary-allows", "permissions boundary"],
  ["no-session-policy-allows", "session policy"],
]);
