/**
 * The grant that a request asks for, and what a decision about it depends on: of CreateGrant, and where that is explained.
 *
 * @module
 */
import type { Context } from "@env/core";
import { grantOperations, type GrantOperation } from "../catalogue/actions.ts";
import { KmsError } from "../catalogue/errors.ts";
import { constraintType } from "../keys/grant-records.ts";
import { grantLimits } from "../policy/grant-match.ts";
import type { Grant } from "../policy/request.ts";
import * as check from "../requests/check.ts";
import type { KeyQuestion } from "./question.ts";

export interface WantedGrant {
  readonly constraints: Grant["constraints"] | undefined;
  readonly operations: readonly GrantOperation[];
  readonly grantee: GrantParty | undefined;
  readonly retiring: GrantParty | undefined;
}

/** Whom a grant names. */
export interface GrantParty {
  /** ARN of a principal, or a service's name. */
  readonly name: string;
  /** Whether it was named by the member for services. */
  readonly isService: boolean;
}

/**
 * Reads the two members that can name somebody, of which at most one may be given.
 *
 * @param members - By name; the one for services has `Service` in its name.
 */
export function parseParty(members: Readonly<Record<string, unknown>>): GrantParty | undefined {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  const [[member, value] = []] = given;
  if (given.length > 1) throw notBoth(members);
  if (member === undefined) return undefined;
  const field = member.charAt(0).toLowerCase() + member.slice(1);
  return member.includes("Service")
    ? { name: check.servicePrincipal(value, field), isService: true }
    : { name: check.principal(value, field), isService: false };
}

/** The same where one has to be given. */
export function requireParty(members: Readonly<Record<string, unknown>>): GrantParty {
  const party = parseParty(members);
  if (party === undefined) throw notBoth(members);
  return party;
}

function notBoth(members: Readonly<Record<string, unknown>>): KmsError {
  const names = Object.keys(members).join(" or ");
  return new KmsError("ValidationException", `You must specify either ${names}, but not both.`);
}

/** A grant to a service is for one resource, and somebody can retire it. */
export function requireServiceTerms({ grantee, retiring, constraints }: WantedGrant): void {
  if (grantee?.isService !== true) return;
  if (constraints?.sourceArn === undefined) {
    throw new KmsError(
      "ValidationException",
      "When you specify a GranteeServicePrincipal, you must also specify a SourceArn grant constraint.",
    );
  }
  if (retiring === undefined) {
    throw new KmsError(
      "ValidationException",
      "When you specify a GranteeServicePrincipal, you must also specify either a RetiringPrincipal or a RetiringServicePrincipal.",
    );
  }
}

/** AWS names none. More than there are can only be repetitions. */
const MAX_OPERATIONS = 50;

/** Operations that a grant can be for, at least one that is not CreateGrant. */
export function parseOperations(value: unknown): readonly GrantOperation[] {
  const given = check.list(value, "operations", 1, MAX_OPERATIONS);
  const operations = check.each(given, (one) =>
    check.among(one ?? null, "operations", grantOperations),
  );
  if (operations.every((name) => name === "CreateGrant")) {
    throw new KmsError(
      "ValidationException",
      "Grants must not contain only the CreateGrant operation.",
    );
  }
  return [...new Set(operations)];
}

/** What a decision about CreateGrant depends on, beside caller and key. */
export function grantFacts({
  operations,
  grantee,
  retiring,
  constraints,
}: WantedGrant): Pick<KeyQuestion, "newGrant" | "encryptionContext" | "conditions"> {
  const context = constraints?.encryptionContextEquals ?? constraints?.encryptionContextSubset;
  return {
    newGrant: { operations, ...(constraints === undefined ? {} : { constraints }) },
    ...(context === undefined ? {} : { encryptionContext: context }),
    conditions: {
      "kms:GrantOperations": operations,
      [grantee?.isService === true ? "kms:GranteeServicePrincipal" : "kms:GranteePrincipal"]:
        grantee?.name,
      [retiring?.isService === true ? "kms:RetiringServicePrincipal" : "kms:RetiringPrincipal"]:
        retiring?.name,
      "kms:GrantConstraintType": constraintType(constraints),
      "kms:GrantConstraintSourceArn": constraints?.sourceArn,
    },
  };
}

/** What a grant may be constrained to: pairs of the encryption context, and a resource. */
export function parseConstraints(value: unknown): Grant["constraints"] {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object") throw check.constraint("constraints", "be a structure");
  check.requireMembers(value, ["EncryptionContextEquals", "EncryptionContextSubset", "SourceArn"]);
  const context = parseContexts(value);
  if (!("SourceArn" in value) || value.SourceArn === undefined) return context;
  return { ...context, sourceArn: check.sourceArn(value.SourceArn) };
}

function parseContexts(value: object): Grant["constraints"] {
  const equals = "EncryptionContextEquals" in value ? value.EncryptionContextEquals : undefined;
  const subset = "EncryptionContextSubset" in value ? value.EncryptionContextSubset : undefined;
  if (equals === undefined) {
    return subset === undefined ? undefined : { encryptionContextSubset: parsePairs(subset) };
  }
  if (subset === undefined) return { encryptionContextEquals: parsePairs(equals) };
  // Terraform's provider sends both maps, and the one that is not meant is empty.
  const [exact, part] = [parsePairs(equals), parsePairs(subset)];
  if (isEmpty(exact) === isEmpty(part)) {
    throw new KmsError("ValidationException", "More than one constraint supplied");
  }
  return isEmpty(exact) ? { encryptionContextSubset: part } : { encryptionContextEquals: exact };
}

function isEmpty(context: Context): boolean {
  return Object.keys(context).length === 0;
}

function parsePairs(value: unknown): Context {
  const context = check.encryptionContext(value);
  const values = Object.values(context);
  if (values.length > grantLimits.pairs) {
    throw check.constraint(
      "constraints",
      `have at most ${grantLimits.pairs} encryption context pairs`,
    );
  }
  if (values.some((one) => one.length > grantLimits.valueChars)) {
    throw check.constraint(
      "constraints",
      `have encryption context values of length less than or equal to ${grantLimits.valueChars}`,
    );
  }
  return context;
}
