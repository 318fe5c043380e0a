/**
 * What could be added to have a request allowed: found by adding it and asking again.
 *
 * Candidates are one new statement per policy that has a say, a grant, and the token of a grant that is
 * there. They carry the encryption context of the request, so that none allows more than was asked for.
 * The small sets are tried first, so a suggestion has nothing in it that could be left out, and none is
 * made that would not do.
 *
 * Source: spec/authorization.md#explanation
 *
 * @module
 */
import { isKmsError } from "../catalogue/errors.ts";
import {
  allowsIn,
  boundsOf,
  isAllowed,
  judgeWithoutDenies,
  type PolicyOfRequest,
} from "./decide.ts";
import { isGrantOperation } from "../catalogue/actions.ts";
import { fitsKey, grantAllows, grantLimits } from "./grant-match.ts";
import { EXPLANATION_STEPS, Meter, withinSteps } from "./meter.ts";
import type { AccessRequest, Caller, Grant, KeyFacts, NamedPolicy } from "./request.ts";

/** All of them together would allow the request. */
export interface Suggestion {
  readonly additions: readonly Addition[];
}

export type Addition =
  | {
      readonly to:
        | "key policy"
        | "trust policy"
        | "identity policy"
        | "permissions boundary"
        | "session policy";
      /** The name of the boundary or session policy. */
      readonly name?: string;
      readonly statement: Readonly<Record<string, unknown>>;
    }
  | {
      readonly to: "grants";
      readonly grantee: string;
      readonly operations: readonly string[];
      readonly constraints?: NonNullable<Grant["constraints"]>;
    }
  /** The token that CreateGrant answered for this grant. */
  | { readonly to: "grant tokens"; readonly grantId: string };

interface Candidate {
  readonly addition: Addition;
  readonly apply: (request: AccessRequest) => AccessRequest;
}

/** What was found, and whether everything was tried. */
export interface Suggestions {
  /** The shortest first. None where nothing can be added. */
  readonly suggestions: readonly Suggestion[];
  /** The search ended before everything was tried that could be added. */
  readonly truncated: boolean;
}

/**
 * Suggestions as short as can be.
 *
 * Something has to let the caller in: a statement of the key's policy, a grant, a token, or what is there
 * already. To each of these IAM may have to agree, and all that bounds it. So there are four sets for
 * each, and not one for every choice among all candidates.
 */
export function smallestAdditions(request: AccessRequest): Suggestions {
  const meter = new Meter(EXPLANATION_STEPS);
  return withinSteps(() => searched(request, meter), { suggestions: [], truncated: true });
}

function searched(request: AccessRequest, meter: Meter): Suggestions {
  const { entrances, truncated } = entrancesFor(request, meter);
  const agreements = agreementsFor(request, meter);
  const found: (readonly Candidate[])[] = [];
  const sets = agreements.flatMap((agreement) =>
    entrances.map((entrance) => entrance.concat(agreement)),
  );
  for (const set of sets.toSorted((a, b) => a.length - b.length)) {
    if (set.length === 0) continue;
    if (found.some((smaller) => smaller.every((each) => set.includes(each)))) continue;
    if (wouldAllow(request, set)) found.push(set);
  }
  const suggestions = found.map((set) => ({ additions: set.map(({ addition }) => addition) }));
  return { suggestions, truncated };
}

function wouldAllow(request: AccessRequest, set: readonly Candidate[]): boolean {
  try {
    const changed = set.reduce((before, { apply }) => apply(before), request);
    return isAllowed(judgeWithoutDenies(changed));
  } catch (error) {
    // A policy that has no room left, or cannot hold a character of the context, cannot be added to.
    if (isKmsError(error, "LimitExceededException")) return false;
    if (isKmsError(error, "MalformedPolicyDocumentException")) return false;
    throw error;
  }
}

/** Grants that are tried with a token: any of them does as well as the next. */
const MAX_TOKENS = 8;

/** What may let the caller in, each by itself; the first is what is there already. */
function entrancesFor(
  request: AccessRequest,
  meter: Meter,
): {
  readonly entrances: readonly (readonly Candidate[])[];
  readonly truncated: boolean;
} {
  const { caller, key, trust } = request;
  if (trust !== undefined) {
    return { entrances: [[], [trustStatement(request, trust)]], truncated: false };
  }
  if (key === undefined) return { entrances: [[]], truncated: false };
  const own = keyStatement(request, principalOf(caller));
  const account = keyStatement(request, { AWS: `arn:aws:iam::${caller.accountId}:root` });
  const waiting = key.grants.filter((grant) => isWaiting(grant, request, meter));
  const candidates = [
    own,
    ...(caller.type === "service" ? [] : [account]),
    ...waiting.slice(0, MAX_TOKENS).map(tokenCandidate),
    ...grantCandidates(request, key),
  ];
  return {
    entrances: [[], ...candidates.map((candidate) => [candidate])],
    truncated: waiting.length > MAX_TOKENS,
  };
}

/** What IAM may have to be given: nothing, a policy, and the same in all that bounds the caller. */
function agreementsFor(request: AccessRequest, meter: Meter): readonly (readonly Candidate[])[] {
  const { type } = request.caller;
  const bounds = boundsOf(request)
    .filter((policies) => !policies.some((policy) => allowsIn(policy, request, meter)))
    .flatMap(([first]) => (first === undefined ? [] : [boundCandidate(request, first)]));
  // A service has no policies, an account's root needs none, a federated user can be given none.
  const has = type === "user" || type === "role" || type === "session";
  const identity = has ? [identityCandidate(request)] : [];
  return [[], identity, bounds, [...identity, ...bounds]];
}

function keyStatement(
  request: AccessRequest,
  Principal: Readonly<Record<string, string>>,
): Candidate {
  const { action, key } = request;
  const statement = (text: string): Statement => ({
    Effect: "Allow",
    Principal,
    Action: action,
    Resource: "*",
    ...conditionFor(request, text),
  });
  const before = key?.policy ?? "";
  return {
    addition: { to: "key policy", statement: statement(before) },
    apply: (changing) =>
      withKey(changing, ({ policy }) => ({ policy: withStatement(policy, statement(policy)) })),
  };
}

function trustStatement(request: AccessRequest, before: string): Candidate {
  const statement = {
    Effect: "Allow",
    Principal: principalOf(request.caller),
    Action: request.action,
  };
  return {
    addition: { to: "trust policy", statement },
    apply: (changing) => ({ ...changing, trust: withStatement(before, statement) }),
  };
}

function identityCandidate(request: AccessRequest): Candidate {
  const statement = statementOfIam(request, NEW_POLICY);
  return {
    addition: { to: "identity policy", statement },
    apply: (before) => {
      const text = withStatement(NEW_POLICY, statement);
      const policies = [...(before.caller.policies ?? []), { name: "", text }];
      return { ...before, caller: { ...before.caller, policies } };
    },
  };
}

/** A policy of its own, of the newer version. */
const NEW_POLICY = JSON.stringify({ Version: "2012-10-17", Statement: [] });

/** A statement in the permissions boundary, or in one of the session policies. */
function boundCandidate(
  request: AccessRequest,
  { reference: { type, name = "" }, text }: PolicyOfRequest,
): Candidate {
  const statement = statementOfIam(request, text);
  const to = type === "permissions boundary" ? type : "session policy";
  const changed = (policy: NamedPolicy): NamedPolicy =>
    policy.name === name && policy.text === text
      ? { name, text: withStatement(text, statement) }
      : policy;
  return {
    addition: { to, name, statement },
    apply: (before) => {
      const { boundary, sessionPolicies } = before.caller;
      const caller =
        to === "session policy"
          ? {
              ...before.caller,
              ...(sessionPolicies && { sessionPolicies: sessionPolicies.map(changed) }),
            }
          : { ...before.caller, ...(boundary && { boundary: changed(boundary) }) };
      return { ...before, caller };
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

/** A grant that CreateGrant would make: of operations that the key can do, for this context alone. */
function grantCandidates(request: AccessRequest, key: KeyFacts): Candidate[] {
  const { caller, newGrant } = request;
  const operation = request.action.slice("kms:".length);
  // RetireGrant is decided by the grant that is to be retired.
  if (caller.type === "service" || operation === "RetireGrant") return [];
  // Who may grant something through a grant has to have it by that grant.
  const operations = [...new Set([operation, ...(newGrant?.operations ?? [])])];
  const possible = operations.every((name) => isGrantOperation(name) && fitsKey(name, key));
  const constraints = constraintsFor(request);
  if (!possible || constraints === "too-large") return [];
  const grantee = caller.roleArn ?? caller.arn;
  const grant: Grant = {
    grantId: "",
    created: 0,
    effective: 0,
    grantee,
    issuingAccount: `arn:aws:iam::${request.resourceAccount}:root`,
    operations,
    ...(constraints === undefined ? {} : { constraints }),
    tokenHashes: [],
  };
  return [
    {
      addition: {
        to: "grants",
        grantee,
        operations,
        ...(constraints === undefined ? {} : { constraints }),
      },
      apply: (before) => withKey(before, ({ grants }) => ({ grants: [...grants, grant] })),
    },
  ];
}

/** The request's own context, or that of the grant that is to be made. */
function constraintsFor({
  encryptionContext,
  newGrant,
}: AccessRequest): Grant["constraints"] | "too-large" {
  if (newGrant !== undefined) return newGrant.constraints;
  if (encryptionContext === undefined) return undefined;
  const values = Object.values(encryptionContext);
  if (values.length === 0) return undefined;
  const fits = values.every((value) => value.length <= grantLimits.valueChars);
  if (values.length > grantLimits.pairs || !fits) return "too-large";
  return { encryptionContextEquals: encryptionContext };
}

/** A grant that lacks nothing but its token. */
function isWaiting(grant: Grant, request: AccessRequest, meter: Meter): boolean {
  return (
    !("how" in grantAllows(grant, request, meter)) &&
    "how" in grantAllows({ ...grant, effective: 0 }, request, meter)
  );
}

type Statement = Readonly<Record<string, unknown>>;

/** @param text - Of the policy that the statement is for. */
function statementOfIam(request: AccessRequest, text: string): Statement {
  const { action, resource } = request;
  return { Effect: "Allow", Action: action, Resource: resource, ...conditionFor(request, text) };
}

/** The pairs of the request's context: who asks for one tenant is not to get all of them. */
function conditionFor({ encryptionContext = {} }: AccessRequest, text: string): Statement {
  const pairs = Object.entries(encryptionContext);
  if (pairs.length === 0) return {};
  const { Version }: { Version?: unknown } = JSON.parse(text);
  // Only the newer version has policy variables.
  const literal = (value: string): string =>
    Version === "2012-10-17" ? value.replaceAll("${", "${$}{") : value;
  const StringEquals = Object.fromEntries(
    pairs.map(([name, value]) => [`kms:EncryptionContext:${name}`, literal(value)]),
  );
  return { Condition: { StringEquals } };
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
