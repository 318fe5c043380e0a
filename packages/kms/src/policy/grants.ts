/**
 * Grants: whom they let do what, and what a grant may hand on.
 *
 * A grant only ever allows. It counts from the time it has become effective everywhere, and before
 * that for requests that come with one of its tokens.
 *
 * Source: spec/authorization.md#grants
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Context } from "@env/core";
import { awsPrincipal, named, servicePrincipal, type Named } from "./principal.ts";
import type { AccessRequest, Grant } from "./request.ts";
import { lowerCase } from "./values.ts";

/** Why a grant does not allow a request. */
export type GrantMiss =
  | "operation"
  | "grantee"
  | "not-yet-effective"
  | "constraint"
  | "child-grant";

/** The operations that a grant can be for. */
export const grantableOperations: ReadonlySet<string> = new Set([
  "CreateGrant",
  "Decapsulate",
  "Decrypt",
  "DeriveSharedSecret",
  "DescribeKey",
  "Encapsulate",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "GetPublicKey",
  "ReEncryptFrom",
  "ReEncryptTo",
  "RetireGrant",
  "Sign",
  "Verify",
  "VerifyMac",
]);

/** What is handed on. */
export type GrantScope = Pick<Grant, "operations" | "constraints">;

/** How a grant takes the caller, or the first reason why it does not allow the request. */
export function grantAllows(
  grant: Grant,
  request: AccessRequest,
): { readonly how: Exclude<Named, undefined> } | { readonly miss: GrantMiss } {
  const operation = request.action.slice("kms:".length);
  if (!grant.operations.includes(operation)) return { miss: "operation" };
  const how = namedBy(grant.grantee, request);
  if (how === undefined) return { miss: "grantee" };
  if (!isEffective(grant, request)) return { miss: "not-yet-effective" };
  if (operation === "CreateGrant") {
    const { newGrant } = request;
    const bounded = newGrant !== undefined && isWithin(newGrant, grant);
    return bounded ? { how } : { miss: "child-grant" };
  }
  if (!meetsConstraints(grant, operation, request.encryptionContext)) return { miss: "constraint" };
  return { how };
}

/** How `principal`, the grantee or retiring principal of a grant, names the caller. */
export function namedBy(principal: string, request: AccessRequest): Named {
  const service = servicePrincipal(principal);
  const read = typeof service === "object" ? service : awsPrincipal(principal);
  // "*" is everyone in a policy, and nobody in a grant.
  return typeof read === "object" && read.kind !== "everyone" ? named([read], request) : undefined;
}

/** Who may retire a grant, beside the account that issued it. */
export function retirers({ retiring, grantee, operations }: Grant): string[] {
  const mayGrantee = operations.includes("RetireGrant");
  return [...(retiring === undefined ? [] : [retiring]), ...(mayGrantee ? [grantee] : [])];
}

/**
 * Whether a grant made through `parent` stays within it: some of its operations, and constraints as
 * strict or stricter. A subset may get more pairs or become equality; equality stays as it is.
 */
export function isWithin(child: GrantScope, parent: GrantScope): boolean {
  if (!child.operations.every((operation) => parent.operations.includes(operation))) return false;
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } =
    parent.constraints ?? {};
  const childEquals = child.constraints?.encryptionContextEquals;
  const childSubset = child.constraints?.encryptionContextSubset;
  if (equals !== undefined) return childEquals !== undefined && isEqual(childEquals, equals);
  if (subset === undefined) return true;
  const inner = childEquals ?? childSubset;
  return inner !== undefined && isSubset(subset, inner);
}

function isEffective(grant: Grant, { now, grantTokens = [] }: AccessRequest): boolean {
  if (now >= grant.effective) return true;
  return grantTokens.some((token) => grant.tokenHashes.includes(sha256(token)));
}

/** The constraints speak of cryptographic operations; these two have no encryption context. */
function meetsConstraints(
  { constraints }: Grant,
  operation: string,
  context: Context | undefined,
): boolean {
  if (constraints === undefined) return true;
  if (operation === "DescribeKey" || operation === "RetireGrant") return true;
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = constraints;
  if (equals !== undefined && !(context !== undefined && isEqual(equals, context))) return false;
  return subset === undefined || (context !== undefined && isSubset(subset, context));
}

function isEqual(a: Context, b: Context): boolean {
  return Object.keys(a).length === Object.keys(b).length && isSubset(a, b) && isSubset(b, a);
}

/**
 * Whether `b` has all pairs of `a`. As in AWS (API reference, GrantConstraints) the case of values counts
 * and that of names does not, unlike where a ciphertext is opened.
 */
function isSubset(a: Context, b: Context): boolean {
  const inner = Object.entries(b);
  return Object.entries(a).every(([name, value]) => {
    const key = lowerCase(name);
    return inner.some(([other, has]) => has === value && lowerCase(other) === key);
  });
}

function sha256(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}
