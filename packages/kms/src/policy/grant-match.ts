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
import { offeredRow, type KeyAction } from "../catalogue/actions.ts";
import { isOfKind } from "../catalogue/key-specs.ts";
import type { Meter } from "./meter.ts";
import { awsPrincipal, named, servicePrincipal, type Named, type Principal } from "./principal.ts";
import type { AccessRequest, Grant } from "./request.ts";
import { TextCache } from "./text-cache.ts";
import { indexOf, type Index } from "./values.ts";

/** Why a grant does not allow a request. */
export type GrantMiss =
  | "operation"
  | "grantee"
  | "not-yet-effective"
  | "constraint"
  | "child-grant";

/** Whether a key can do an operation, so that a grant may be for it. */
export function fitsKey(
  name: KeyAction,
  { keySpec, keyUsage }: { readonly keySpec: string; readonly keyUsage: string },
): boolean {
  const { usage, keys } = offeredRow(name);
  if (usage !== undefined && usage !== keyUsage) return false;
  return keys === undefined || isOfKind(keys, keySpec);
}

/** The bounds of a constraint in AWS: pairs, and characters of a value. */
export const grantLimits = { pairs: 8, valueChars: 384 } as const;

/** What is handed on. */
export type GrantScope = Pick<Grant, "operations" | "constraints">;

/** How a grant takes the caller, or the first reason why it does not allow the request. */
export function grantAllows(
  grant: Grant,
  request: AccessRequest,
  meter: Meter,
): { readonly how: Exclude<Named, undefined> } | { readonly miss: GrantMiss } {
  meter.spend(GRANT_STEPS);
  const operation = request.action.slice("kms:".length);
  if (!grant.operations.includes(operation)) return { miss: "operation" };
  const how = namedBy(grant.grantee, request);
  if (how === undefined) return { miss: "grantee" };
  if (request.supposed === true) return { how };
  if (!isEffective(grant, request, meter)) return { miss: "not-yet-effective" };
  if (!meetsSource(grant, request)) return { miss: "constraint" };
  if (operation === "CreateGrant") {
    const { newGrant } = request;
    const bounded = newGrant !== undefined && isWithin(newGrant, grant);
    return bounded ? { how } : { miss: "child-grant" };
  }
  if (!meetsConstraints(grant, operation, request.encryptionContext)) return { miss: "constraint" };
  return { how };
}

/** The cost of a grant: its operations, its grantee, its eight pairs. */
const GRANT_STEPS = 30;

/** How `principal`, the grantee or retiring principal of a grant, names the caller. */
export function namedBy(principal: string, request: AccessRequest): Named {
  const read = principals.get(principal, readPrincipal);
  return typeof read === "object" ? named([read], request) : undefined;
}

/** Characters of ARNs that are remembered: those of all grants of a key, and some more. */
const REMEMBERED_CHARACTERS = 2 ** 19;

/** A key may have thousands of grants, and each decision asks for the grantee of every one. */
const principals = new TextCache<Principal | "nobody">(REMEMBERED_CHARACTERS);

function readPrincipal(text: string): Principal | "nobody" {
  const service = servicePrincipal(text);
  const read = typeof service === "object" ? service : awsPrincipal(text);
  // "*" is everyone in a policy, and nobody in a grant.
  return typeof read === "object" && read.kind !== "everyone" ? read : "nobody";
}

/** Who may retire a grant, beside the account that issued it. */
export function retirers({ retiring, grantee, operations }: Grant): string[] {
  const mayGrantee = operations.includes("RetireGrant");
  return [...(retiring === undefined ? [] : [retiring]), ...(mayGrantee ? [grantee] : [])];
}

/**
 * Whether a grant made through `parent` stays within it: some of its operations, and constraints as
 * strict or stricter. A subset may get more pairs or become equality; equality and the source stay as they are.
 */
export function isWithin(child: GrantScope, parent: GrantScope): boolean {
  if (!child.operations.every((operation) => parent.operations.includes(operation))) return false;
  const {
    encryptionContextEquals: equals,
    encryptionContextSubset: subset,
    sourceArn,
  } = parent.constraints ?? {};
  if (sourceArn !== undefined && child.constraints?.sourceArn !== sourceArn) return false;
  const childEquals = child.constraints?.encryptionContextEquals;
  const childSubset = child.constraints?.encryptionContextSubset;
  if (equals !== undefined) return childEquals !== undefined && isEqual(childEquals, equals);
  if (subset === undefined) return true;
  const inner = childEquals ?? childSubset;
  return inner !== undefined && isSubset(subset, inner);
}

function isEffective(
  { effective, tokenHashes }: Grant,
  { now, grantTokens }: AccessRequest,
  meter: Meter,
): boolean {
  if (now >= effective) return true;
  if (grantTokens === undefined) return false;
  meter.spend(tokenHashes.length);
  const known = hashesOf(grantTokens);
  return tokenHashes.some((hash) => known.has(hash));
}

/** Every waiting grant of a key asks for them. */
const hashes = new WeakMap<readonly string[], ReadonlySet<string>>();

function hashesOf(tokens: readonly string[]): ReadonlySet<string> {
  const known = hashes.get(tokens) ?? new Set(tokens.map(sha256));
  hashes.set(tokens, known);
  return known;
}

/** Whether the caller acts for the resource that the grant is for. */
export function meetsSource(
  { constraints }: Pick<Grant, "constraints">,
  { conditions }: Pick<AccessRequest, "conditions">,
): boolean {
  const arn = constraints?.sourceArn;
  return arn === undefined || conditions?.get("aws:sourcearn") === arn;
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
  const counts = [a, b].map((context) => indexOf(context).names.length);
  return counts[0] === counts[1] && isSubset(a, b) && isSubset(b, a);
}

/**
 * Whether `b` has all pairs of `a`. As in AWS (API reference, GrantConstraints) the case of values counts
 * and that of names does not, unlike where a ciphertext is opened.
 */
function isSubset(a: Context, b: Context): boolean {
  const inner = indexOf(b).values;
  for (const [name, values] of indexOf(a).values) {
    const has = valuesOf(inner.get(name));
    if (!valuesOf(values).every((value) => has.includes(value))) return false;
  }
  return true;
}

function valuesOf(value: ReturnType<Index["values"]["get"]>): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

function sha256(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}
