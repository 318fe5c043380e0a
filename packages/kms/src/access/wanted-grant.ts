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
import type { KeyQuestion } from "./access.ts";

export interface WantedGrant {
  readonly constraints: Grant["constraints"] | undefined;
  readonly operations: readonly GrantOperation[];
  readonly grantee: string | undefined;
  readonly retiring: string | undefined;
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
      "kms:GranteePrincipal": grantee,
      "kms:RetiringPrincipal": retiring,
      "kms:GrantConstraintType": constraintType(constraints),
    },
  };
}

/** The pairs that a grant may be constrained to; at most one of the two. */
export function parseConstraints(value: unknown): Grant["constraints"] {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object") throw check.constraint("constraints", "be a structure");
  check.requireMembers(value, ["EncryptionContextEquals", "EncryptionContextSubset"]);
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
