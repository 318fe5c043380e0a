/**
 * What could be added to have a request allowed: found by adding it and asking again.
 *
 * Candidates are one new statement per policy that has a say, a grant, and the token of a grant that is
 * there. All sets of them are tried, the small ones first, so a suggestion has nothing in it that could
 * be left out, and none is made that would not do.
 *
 * Source: spec/authorization.md#explanation
 *
 * @module
 */
import { KmsError } from "../errors.ts";
import { isAllowed, judgeWithoutDenies } from "./decide.ts";
import { grantAllows, grantableOperations } from "./grants.ts";
import type { AccessRequest, Caller, Grant, KeyFacts, NamedPolicy } from "./request.ts";

/** All of them together would allow the request. */
export interface Suggestion {
  readonly additions: readonly Addition[];
}

export type Addition =
  | {
      readonly to: "key policy" | "identity policy" | "permissions boundary" | "session policy";
      /** Of the boundary or session policy. */
      readonly name?: string;
      readonly statement: Readonly<Record<string, unknown>>;
    }
  | { readonly to: "grants"; readonly grantee: string; readonly operations: readonly string[] }
  /** The token that CreateGrant answered for this grant. */
  | { readonly to: "grant tokens"; readonly grantId: string };

interface Candidate {
  readonly addition: Addition;
  readonly apply: (request: AccessRequest) => AccessRequest;
}

/** Suggestions as short as can be, the shortest first. None where nothing can be added. */
export function smallestAdditions(request: AccessRequest): Suggestion[] {
  const candidates = candidatesFor(request);
  const found: (readonly Candidate[])[] = [];
  for (let size = 1; size <= candidates.length; size += 1) {
    for (const set of subsets(candidates, size)) {
      if (found.some((smaller) => smaller.every((each) => set.includes(each)))) continue;
      if (wouldAllow(request, set)) found.push(set);
    }
  }
  return found.map((set) => ({ additions: set.map(({ addition }) => addition) }));
}

function wouldAllow(request: AccessRequest, set: readonly Candidate[]): boolean {
  try {
    const changed = set.reduce((before, { apply }) => apply(before), request);
    return isAllowed(judgeWithoutDenies(changed));
  } catch (error) {
    // A policy that has no room left cannot be added to.
    if (error instanceof KmsError && error.name === "LimitExceededException") return false;
    throw error;
  }
}

function candidatesFor(request: AccessRequest): Candidate[] {
  const { caller, key } = request;
  const { boundary, sessionPolicies = [] } = caller;
  return [
    ...(key === undefined ? [] : keyCandidates(request, key)),
    ...(caller.type === "service" ? [] : [identityCandidate(request)]),
    ...(boundary === undefined ? [] : [boundaryCandidate(request, boundary)]),
    ...sessionPolicies.map((policy) => sessionCandidate(request, policy)),
  ];
}

function keyCandidates(request: AccessRequest, key: KeyFacts): Candidate[] {
  const { caller, action } = request;
  const operation = action.slice("kms:".length);
  const grantable =
    caller.type !== "service" && operation !== "RetireGrant" && grantableOperations.has(operation);
  return [
    keyStatement(request, principalOf(caller)),
    ...(caller.type === "service"
      ? []
      : [keyStatement(request, { AWS: `arn:aws:iam::${caller.accountId}:root` })]),
    ...key.grants
      .filter((grant) => isWaiting(grant, request))
      .map((grant) => tokenCandidate(grant)),
    ...(grantable ? [grantCandidate(request, operation)] : []),
  ];
}

function keyStatement(
  { action }: AccessRequest,
  Principal: Readonly<Record<string, string>>,
): Candidate {
  const statement = { Effect: "Allow", Principal, Action: action, Resource: "*" };
  return {
    addition: { to: "key policy", statement },
    apply: (request) =>
      withKey(request, ({ policy }) => ({ policy: withStatement(policy, statement) })),
  };
}

function identityCandidate(request: AccessRequest): Candidate {
  const statement = statementOfIam(request);
  return {
    addition: { to: "identity policy", statement },
    apply: (before) => {
      const text = JSON.stringify({ Version: "2012-10-17", Statement: statement });
      const policies = [...(before.caller.policies ?? []), { name: "", text }];
      return { ...before, caller: { ...before.caller, policies } };
    },
  };
}

function boundaryCandidate(request: AccessRequest, { name, text }: NamedPolicy): Candidate {
  const statement = statementOfIam(request);
  const boundary = (): NamedPolicy => ({ name, text: withStatement(text, statement) });
  return {
    addition: { to: "permissions boundary", name, statement },
    apply: (before) => ({ ...before, caller: { ...before.caller, boundary: boundary() } }),
  };
}

function sessionCandidate(request: AccessRequest, policy: NamedPolicy): Candidate {
  const statement = statementOfIam(request);
  const changed = (): NamedPolicy => ({ ...policy, text: withStatement(policy.text, statement) });
  return {
    addition: { to: "session policy", name: policy.name, statement },
    apply: (before) => {
      const sessionPolicies = before.caller.sessionPolicies?.map((each) =>
        each === policy ? changed() : each,
      );
      return {
        ...before,
        caller: { ...before.caller, ...(sessionPolicies && { sessionPolicies }) },
      };
    },
  };
}

function tokenCandidate(grant: Grant): Candidate {
  return {
    addition: { to: "grant tokens", grantId: grant.grantId },
    apply: (request) =>
      withKey(request, ({ grants }) => ({
        grants: [...grants.filter((each) => each !== grant), { ...grant, effective: 0 }],
      })),
  };
}

function grantCandidate(request: AccessRequest, operation: string): Candidate {
  const { caller, newGrant } = request;
  const grantee = caller.roleArn ?? caller.arn;
  // Who may grant something through a grant has to have it by that grant.
  const operations = [...new Set([operation, ...(newGrant?.operations ?? [])])];
  const grant: Grant = {
    grantId: "",
    created: 0,
    effective: 0,
    grantee,
    issuingAccount: `arn:aws:iam::${request.resourceAccount}:root`,
    operations,
    tokenHashes: [],
  };
  return {
    addition: { to: "grants", grantee, operations },
    apply: (before) => withKey(before, ({ grants }) => ({ grants: [...grants, grant] })),
  };
}

/** A grant that lacks nothing but its token. */
function isWaiting(grant: Grant, request: AccessRequest): boolean {
  return (
    !("how" in grantAllows(grant, request)) &&
    "how" in grantAllows({ ...grant, effective: 0 }, request)
  );
}

function statementOfIam({ action, resource }: AccessRequest): Readonly<Record<string, unknown>> {
  return { Effect: "Allow", Action: action, Resource: resource };
}

/** Sessions are named by their role: the next session is to be allowed as well. */
function principalOf({ arn, roleArn, type }: Caller): Readonly<Record<string, string>> {
  return type === "service" ? { Service: arn } : { AWS: roleArn ?? arn };
}

function withKey(
  request: AccessRequest,
  change: (key: KeyFacts) => Partial<KeyFacts>,
): AccessRequest {
  const { key } = request;
  return key === undefined ? request : { ...request, key: { ...key, ...change(key) } };
}

/** The policy has been read before, so it is an object with a statement or a list of them. */
function withStatement(text: string, statement: Readonly<Record<string, unknown>>): string {
  const document: { Statement: unknown } = JSON.parse(text);
  const statements = [document.Statement].flat();
  return JSON.stringify({ ...document, Statement: [...statements, statement] });
}

function* subsets(candidates: readonly Candidate[], size: number): Generator<readonly Candidate[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (const [index, first] of candidates.entries()) {
    for (const rest of subsets(candidates.slice(index + 1), size - 1)) yield [first, ...rest];
  }
}
