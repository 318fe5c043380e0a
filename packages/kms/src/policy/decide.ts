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
import { grantAllows, namedBy, retirers } from "./grants.ts";
import { matches } from "./match.ts";
import type { Named } from "./principal.ts";
import type { AccessRequest, Because, Decision, Grant, KeyFacts, NamedPolicy } from "./request.ts";

/** What sort of policy, and which of them: `name` is none for the key's. */
export interface PolicyReference {
  readonly type: "key policy" | "identity policy" | "permissions boundary" | "session policy";
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
  "account-root",
  "grant",
  "iam",
]);

/** The decision with what decided as values. */
export function judge(request: AccessRequest): Verdict {
  return explicitDeny(request) ?? judgeWithoutDenies(request);
}

/** The decision as it would be if no statement denied. */
export function judgeWithoutDenies(request: AccessRequest): Verdict {
  const { key, action } = request;
  if (key === undefined) return judgeByIam(request);
  return action === "kms:RetireGrant" ? judgeRetiring(request, key) : judgeKey(request, key);
}

/** All policies that concern a request, in the order in which they are asked. */
export function policiesOf({ key, caller }: AccessRequest): PolicyOfRequest[] {
  const { policies = [], boundary, sessionPolicies = [] } = caller;
  const all: PolicyOfRequest[] = [];
  if (key !== undefined) all.push({ reference: { type: "key policy" }, text: key.policy });
  for (const policy of policies) all.push(ofIam("identity policy", policy));
  if (boundary !== undefined) all.push(ofIam("permissions boundary", boundary));
  for (const policy of sessionPolicies) all.push(ofIam("session policy", policy));
  return all;
}

export interface PolicyOfRequest {
  readonly reference: PolicyReference;
  readonly text: string;
}

function ofIam(type: PolicyReference["type"], { name, text }: NamedPolicy): PolicyOfRequest {
  return { reference: { type, name }, text };
}

export function statementsOf({ reference, text }: PolicyOfRequest): readonly CompiledStatement[] {
  return compiled(text, reference.type === "key policy" ? "key" : "identity").statements;
}

function explicitDeny(request: AccessRequest): Verdict | undefined {
  for (const policy of policiesOf(request)) {
    for (const statement of statementsOf(policy)) {
      if (statement.effect !== "Deny" || matches(statement, request) === undefined) continue;
      return { because: "explicit-deny", deciding: [{ policy: policy.reference, statement }] };
    }
  }
  return undefined;
}

/** What is no key has no policy of its own, and nothing is known here of other accounts' IAM. */
function judgeByIam(request: AccessRequest): Verdict {
  const { caller, resourceAccount } = request;
  if (caller.accountId === resourceAccount) return askIam(request);
  return { because: "cross-account-not-possible", deciding: [] };
}

function judgeKey(request: AccessRequest, key: KeyFacts): Verdict {
  const own = request.caller.accountId === request.resourceAccount;
  if (!own && request.caller.type !== "service" && !isCrossAccount(request.action)) {
    return { because: "cross-account-not-possible", deciding: [] };
  }
  const byPolicy = judgeByKeyPolicy(request, key);
  if (isAllowed(byPolicy)) return byPolicy;
  let nearest: Verdict | undefined;
  for (const grant of key.grants) {
    const answer = grantAllows(grant, request);
    if (!("how" in answer)) continue;
    const byGrant = judgeByGrant(answer.how, grant, request);
    if (byGrant.because === "grant") return byGrant;
    if (nearest === undefined || answer.how === "role") nearest = byGrant;
  }
  return byPolicy.because === "no-key-policy-allows" ? (nearest ?? byPolicy) : byPolicy;
}

function judgeByKeyPolicy(request: AccessRequest, key: KeyFacts): Verdict {
  const reference: PolicyReference = { type: "key policy" };
  const found = strongestAllow({ reference, text: key.policy }, request);
  if (found === undefined) return { because: "no-key-policy-allows", deciding: [] };
  const deciding: Deciding = { policy: reference, statement: found.statement };
  const { caller, resourceAccount } = request;
  // Of another account's callers the key's policy says who can, and their own who does.
  if (caller.accountId === resourceAccount || caller.type === "service") {
    if (found.how === "direct") return { because: "key-policy", deciding: [deciding] };
    if (found.how === "role") {
      return exceeded(request) ?? { because: "key-policy", deciding: [deciding] };
    }
  }
  const iam = askIam(request);
  if (iam.because === "account-root") return { because: "account-root", deciding: [deciding] };
  if (iam.because !== "iam") return iam;
  return { because: "key-policy-and-iam", deciding: [deciding, ...iam.deciding] };
}

function judgeByGrant(
  how: Exclude<Named, undefined>,
  grant: Grant,
  request: AccessRequest,
): Verdict {
  const byGrant: Verdict = { because: "grant", deciding: [{ grant }] };
  if (how === "direct") return byGrant;
  if (how === "role") return exceeded(request) ?? byGrant;
  const iam = askIam(request);
  if (iam.because === "account-root") return byGrant;
  if (iam.because !== "iam") return iam;
  return { because: "grant", deciding: [{ grant }, ...iam.deciding] };
}

/** Who may retire a grant is for the grant to say, and for the account that issued it. */
function judgeRetiring(request: AccessRequest, { grants: [grant] }: KeyFacts): Verdict {
  let refusal: Verdict = { because: "no-key-policy-allows", deciding: [] };
  if (grant === undefined) return refusal;
  for (const principal of retirers(grant)) {
    const how = namedBy(principal, request);
    if (how === undefined) continue;
    const verdict = judgeByGrant(how, grant, request);
    if (verdict.because === "grant") return verdict;
    if (refusal.because === "no-key-policy-allows") refusal = verdict;
  }
  return namedBy(grant.issuingAccount, request) === undefined ? refusal : askIam(request);
}

/**
 * What IAM says: some policy of the caller allows it, and boundary and session policies do as well.
 * The root principal of an account needs no policy.
 */
function askIam(request: AccessRequest): Verdict {
  const { type, policies = [] } = request.caller;
  if (type === "root") return { because: "account-root", deciding: [] };
  for (const named of policies) {
    const policy = ofIam("identity policy", named);
    const found = strongestAllow(policy, request);
    if (found === undefined) continue;
    const deciding = [{ policy: policy.reference, statement: found.statement }];
    return exceeded(request) ?? { because: "iam", deciding };
  }
  return { because: "no-identity-policy-allows", deciding: [] };
}

/** The first boundary or session policy that does not allow the request. */
function exceeded(request: AccessRequest): Verdict | undefined {
  const { boundary, sessionPolicies = [] } = request.caller;
  if (boundary !== undefined) {
    const policy = ofIam("permissions boundary", boundary);
    if (strongestAllow(policy, request) === undefined) {
      return { because: "no-boundary-allows", deciding: [{ policy: policy.reference }] };
    }
  }
  for (const each of sessionPolicies) {
    const policy = ofIam("session policy", each);
    if (strongestAllow(policy, request) !== undefined) continue;
    return { because: "no-session-policy-allows", deciding: [{ policy: policy.reference }] };
  }
  return undefined;
}

interface Allow {
  readonly how: Exclude<Named, undefined>;
  readonly statement: CompiledStatement;
}

/** Of the statements that allow a request, the first that names the caller most closely. */
function strongestAllow(policy: PolicyOfRequest, request: AccessRequest): Allow | undefined {
  let strongest: Allow | undefined;
  for (const statement of statementsOf(policy)) {
    if (statement.effect !== "Allow") continue;
    const how = matches(statement, request);
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
  const missing = missingInWords.get(because) ?? "resource-based policy";
  return `because no ${missing} allows the ${action} action`;
}

/** AWS's words. */
const inWords: Readonly<Record<PolicyReference["type"], string>> = {
  "key policy": "a resource-based policy",
  "identity policy": "an identity-based policy",
  "permissions boundary": "a permissions boundary",
  "session policy": "a session policy",
};

const missingInWords: ReadonlyMap<Because, string> = new Map<Because, string>([
  ["no-identity-policy-allows", "identity-based policy"],
  ["no-boundary-allows", "permissions boundary"],
  ["no-session-policy-allows", "session policy"],
]);
