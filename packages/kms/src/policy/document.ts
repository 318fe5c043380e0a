/**
 * Policy documents: from JSON text to statements, or to all that is wrong with it.
 *
 * One reading serves two readers: {@link parsePolicy} stops at the first problem with the error that
 * AWS gives, the linter takes all of them with their places. What is refused here never gets into a
 * store, so whatever evaluates a policy needs no second look.
 *
 * In a key policy a statement without Action or Resource is kept, as AWS does, and matches nothing.
 *
 * Source: spec/authorization.md#documents
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import {
  readConditions,
  readPatterns,
  readPrincipals,
  type ConditionElement,
  type PatternElement,
  type PrincipalElement,
} from "./elements.ts";
import { excerpt } from "./excerpt.ts";
import { JsonProblem, parseJson, type JsonMember, type JsonNode, type JsonObject } from "./json.ts";
import type { Problem, Report } from "./problem.ts";
import type { PolicyKind, Version } from "./values.ts";

export interface Policy {
  readonly kind: PolicyKind;
  readonly version: Version;
  readonly id: string | undefined;
  readonly statements: readonly Statement[];
}

export interface Statement {
  /** Counted from 0. */
  readonly index: number;
  readonly node: JsonNode;
  readonly sid: string | undefined;
  readonly effect: "Allow" | "Deny";
  /** Present in every key policy and trust policy, and only there. */
  readonly principals: PrincipalElement | undefined;
  readonly actions: PatternElement | undefined;
  readonly resources: PatternElement | undefined;
  readonly conditions: readonly ConditionElement[];
}

/** The largest document, in bytes of UTF-8. */
export const MAX_POLICY_BYTES = 32_768;

/**
 * Reads a policy.
 *
 * @param text - JSON, at most {@link MAX_POLICY_BYTES}.
 * @param kind - `identity` for policies of users, roles, groups, boundaries and sessions; `trust` for who may assume a role.
 * @throws {@link KmsError} `MalformedPolicyDocumentException`, `LimitExceededException` if it is too
 * long, `InvalidArnException` for a principal that is a malformed ARN. Nothing else, whatever `text` is.
 */
export function parsePolicy(text: string, kind: PolicyKind): Policy {
  const policy = readPolicy(text, kind, ({ error, message }) => {
    throw new KmsError(error, message);
  });
  if (policy === undefined) throw new KmsError("MalformedPolicyDocumentException", SYNTAX);
  return policy;
}

const SYNTAX = "The policy document is malformed.";
const ELEMENTS = ["Version", "Id", "Statement"];
const STATEMENT_ELEMENTS = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];
const CHARACTERS = /[^\t\n\r -\u00ff]/;

/** Reads what can be read of a policy and reports the rest. */
export function readPolicy(
  text: string,
  kind: PolicyKind,
  take: (problem: Problem) => void,
): Policy | undefined {
  const report: Report = (rule, { offset, pointer }, message, { error, detail } = {}) => {
    take({
      rule,
      error: error ?? "MalformedPolicyDocumentException",
      message,
      ...(detail === undefined ? {} : { detail }),
      offset,
      pointer,
    });
  };
  if (!checkText(text, report)) return undefined;
  const root = readJson(text, report);
  return root === undefined ? undefined : readDocument(root, kind, report);
}

/** False for what is too long to be read at all. */
function checkText(text: string, report: Report): boolean {
  const start = { offset: 0, pointer: "" };
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_POLICY_BYTES) {
    const message = `A policy has at most ${MAX_POLICY_BYTES} bytes; this one has ${bytes}.`;
    report("policy-size", start, message, { error: "LimitExceededException" });
    return false;
  }
  const offset = text.search(CHARACTERS);
  if (offset !== -1) {
    const message =
      "A policy may contain only tabs, line breaks and characters from U+0020 to U+00FF.";
    report("policy-characters", { offset, pointer: "" }, message);
  }
  return true;
}

function readJson(text: string, report: Report): JsonNode | undefined {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    report("json", error, `The policy is not valid JSON: ${error.message}.`);
    return undefined;
  }
}

function readDocument(root: JsonNode, kind: PolicyKind, report: Report): Policy | undefined {
  if (root.kind !== "object") {
    report("structure", root, "A policy must be a JSON object.");
    return undefined;
  }
  const document = members(root, ELEMENTS, "A policy", report);
  const version = readVersion(document.get("Version"), report);
  const id = readText(document.get("Id"), report);
  const list = document.get("Statement");
  if (list === undefined) {
    report("missing-element", root, "A policy needs a Statement.");
    return undefined;
  }
  const nodes = list.kind === "array" ? list.items : [list];
  if (nodes.length === 0) report("structure", list, "A policy needs at least one statement.");
  const statements = nodes.flatMap((node, index) => {
    const statement = readStatement(node, index, kind, version, report);
    return statement === undefined ? [] : [statement];
  });
  if (kind !== "key") refuseDuplicateSids(statements, report);
  return { kind, version, id, statements };
}

function readVersion(node: JsonNode | undefined, report: Report): Version {
  if (node === undefined) return "2008-10-17";
  if (node.kind === "string" && node.text === "2012-10-17") return "2012-10-17";
  if (node.kind !== "string" || node.text !== "2008-10-17") {
    report("structure", node, "The Version of a policy must be 2012-10-17 or 2008-10-17.");
  }
  return "2008-10-17";
}

function readStatement(
  node: JsonNode,
  index: number,
  kind: PolicyKind,
  version: Version,
  report: Report,
): Statement | undefined {
  const name = `Statement ${index + 1}`;
  if (node.kind !== "object") {
    report("structure", node, `${name} is not a JSON object.`);
    return undefined;
  }
  const found = members(node, STATEMENT_ELEMENTS, name, report);
  for (const element of ["Principal", "Action", "Resource"]) {
    const not = found.get(`Not${element}`);
    if (found.has(element) && not !== undefined) {
      report("structure", not, `${name} has both ${element} and Not${element}.`);
    }
  }
  requireElements(node, found, kind, name, report);
  const effect = found.get("Effect");
  if (effect !== undefined && !isEffect(effect)) {
    report("structure", effect, `The Effect of ${name} must be Allow or Deny.`);
  }
  return {
    index,
    node,
    sid: readSid(found.get("Sid"), kind, report),
    effect: effect?.kind === "string" && effect.text === "Allow" ? "Allow" : "Deny",
    principals: kind !== "identity" ? readPrincipals(found, report) : undefined,
    actions: readPatterns(found, "Action", { kind, version, report }),
    resources: readPatterns(found, "Resource", { kind, version, report }),
    conditions: readConditions(found.get("Condition"), { kind, version, report }),
  };
}

function requireElements(
  node: JsonObject,
  found: ReadonlyMap<string, JsonNode>,
  kind: PolicyKind,
  name: string,
  report: Report,
): void {
  const has = (element: string): boolean => found.has(element) || found.has(`Not${element}`);
  if (!found.has("Effect")) report("missing-element", node, `${name} needs an Effect.`);
  for (const element of required[kind]) {
    if (!has(element)) report("missing-element", node, `${name} needs ${an(element)}.`);
  }
  const resource = found.get("Resource") ?? found.get("NotResource");
  if (kind === "trust" && resource !== undefined) {
    report("structure", resource, `${name} names resources, but a trust policy is about its role.`);
  }
  if (kind !== "identity") return;
  const principal = found.get("Principal") ?? found.get("NotPrincipal");
  if (principal !== undefined) {
    report(
      "structure",
      principal,
      `${name} names principals, but an IAM policy applies to the principal it is attached to.`,
    );
  }
}

/** The elements of a statement beside its Effect. In a key policy, Action and Resource may be missing. */
const required: Readonly<Record<PolicyKind, readonly string[]>> = {
  key: ["Principal"],
  identity: ["Action", "Resource"],
  trust: ["Principal", "Action"],
};

function isEffect(node: JsonNode): boolean {
  return node.kind === "string" && (node.text === "Allow" || node.text === "Deny");
}

function readSid(node: JsonNode | undefined, kind: PolicyKind, report: Report): string | undefined {
  const sid = readText(node, report);
  if (node !== undefined && kind !== "key" && /[^A-Za-z0-9]/.test(sid ?? "")) {
    report("structure", node, "A Sid in an IAM policy may contain only letters and digits.");
  }
  return sid;
}

function refuseDuplicateSids(statements: readonly Statement[], report: Report): void {
  const sids = new Set<string>();
  for (const { sid, node } of statements) {
    if (sid === undefined || sid === "") continue;
    if (sids.has(sid))
      report("duplicate-sid", node, `Two statements have the Sid ${excerpt(sid)}.`);
    sids.add(sid);
  }
}

function readText(node: JsonNode | undefined, report: Report): string | undefined {
  if (node === undefined || node.kind === "string") return node?.text;
  report("structure", node, "Id and Sid must be strings.");
  return undefined;
}

/** The members of an object by name; reports those that are not among `known`. */
function members(
  object: JsonObject,
  known: readonly string[],
  what: string,
  report: Report,
): Map<string, JsonNode> {
  const unknown = ({ name }: JsonMember): boolean => !known.includes(name.text);
  for (const { name } of object.members.filter(unknown)) {
    report("unknown-element", name, `${what} has no element "${excerpt(name.text)}".`);
  }
  return new Map(object.members.map(({ name, value }) => [name.text, value]));
}

function an(noun: string): string {
  return /^[AEIOU]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}
