/**
 * The elements of a statement: principals, patterns for actions and resources, conditions.
 *
 * Each is read into what evaluates it, so a value that cannot be evaluated is refused with the document.
 *
 * Source: spec/authorization.md#documents
 *
 * @module
 */
import { excerpt } from "./excerpt.ts";
import type { JsonNode } from "./json.ts";
import { operatorNamed, type Operand, type Operator } from "./operators.ts";
import { ANY, tokens } from "./pattern.ts";
import { awsPrincipal, federatedPrincipal, servicePrincipal, type Principal } from "./principal.ts";
import type { Report } from "./problem.ts";
import { lowerCase, type PolicyKind, type Version } from "./values.ts";
import {
  plainTemplate,
  template,
  VariableProblem,
  variablesOf,
  type Template,
  type Variable,
} from "./variables.ts";

export interface PrincipalElement {
  readonly not: boolean;
  readonly principals: readonly Principal[];
  readonly node: JsonNode;
}

export interface PatternElement {
  readonly not: boolean;
  readonly patterns: readonly TextElement[];
  readonly node: JsonNode;
}

export interface TextElement {
  readonly text: string;
  readonly parts: Template;
  readonly node: JsonNode;
}

/** One key of one operator. */
export interface ConditionElement {
  readonly operator: Operator;
  /** The key as it was written. */
  readonly key: string;
  readonly values: readonly ConditionValue[];
  /** The condition key, and what the operator has for it. */
  readonly keyNode: JsonNode;
  readonly node: JsonNode;
}

interface ConditionValue {
  readonly text: string;
  /** None for `Null`. */
  readonly operand: Operand | undefined;
  readonly variables: readonly Variable[];
  readonly node: JsonNode;
}

interface Reading {
  readonly kind: PolicyKind;
  readonly version: Version;
  readonly report: Report;
}

type Elements = ReadonlyMap<string, JsonNode>;

const INVALID_PRINCIPALS = "Policy contains a statement with one or more invalid principals.";
const INVALID_ARN = "An ARN in the specified key policy is invalid.";
/** `*`, or a service and what it does. */
const ACTION = /^(?:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$/;
const CONDITION_KEY = /^[A-Za-z0-9-]+:./s;
/** A trust policy also has claims of identity providers: `token.actions.githubusercontent.com:sub`. */
const TRUST_CONDITION_KEY = /^[A-Za-z0-9._~/:-]+:./s;

export function readPrincipals(elements: Elements, report: Report): PrincipalElement | undefined {
  const node = elements.get("Principal") ?? elements.get("NotPrincipal");
  if (node === undefined) return undefined;
  const not = !elements.has("Principal");
  if (node.kind === "string" && node.text === "*") {
    return { not, principals: [{ kind: "everyone" }], node };
  }
  const invalid = (at: JsonNode, detail: string, arn = false): void =>
    report("invalid-principal", at, arn ? INVALID_ARN : INVALID_PRINCIPALS, {
      detail,
      ...(arn ? { error: "InvalidArnException" } : {}),
    });
  if (node.kind !== "object" || node.members.length === 0) {
    invalid(node, 'A Principal must be "*" or an object with AWS, Service or Federated.');
    return { not, principals: [], node };
  }
  const principals: Principal[] = [];
  for (const { name, value } of node.members) {
    const read = principalReaders.get(name.text);
    const nodes = value.kind === "array" ? value.items : [value];
    if (read === undefined)
      invalid(name, `There is no kind of principal called "${excerpt(name.text)}".`);
    if (nodes.length === 0) invalid(value, "The list of principals is empty.");
    for (const one of read === undefined ? [] : nodes) {
      const principal = one.kind === "string" ? read?.(one.text) : "not-a-principal";
      if (principal === "not-an-arn") invalid(one, "This ARN is malformed.", true);
      else if (principal === "not-a-principal") invalid(one, NO_PRINCIPAL);
      else if (principal !== undefined) principals.push(principal);
    }
  }
  return { not, principals, node };
}

const NO_PRINCIPAL =
  "A principal is an account, a user, a role, a session, a service or an identity provider. Groups are not principals, and wildcards have no meaning here.";

const principalReaders: ReadonlyMap<string, (text: string) => ReturnType<typeof awsPrincipal>> =
  new Map([
    ["AWS", awsPrincipal],
    ["Service", servicePrincipal],
    ["Federated", federatedPrincipal],
  ]);

export function readPatterns(
  elements: Elements,
  name: "Action" | "Resource",
  reading: Reading,
): PatternElement | undefined {
  const node = elements.get(name) ?? elements.get(`Not${name}`);
  if (node === undefined) return undefined;
  const read = name === "Action" ? readAction : readResource;
  const nodes = node.kind === "array" ? node.items : [node];
  const rule = name === "Action" ? "invalid-action" : "invalid-resource";
  if (nodes.length === 0) reading.report(rule, node, `The list of ${name} is empty.`);
  const patterns = nodes.flatMap((one) => {
    if (one.kind === "string") return [read(one.text, one, reading)];
    reading.report(rule, one, `${name} must be a string or a list of strings.`);
    return [];
  });
  return { not: !elements.has(name), patterns, node };
}

/** Actions are compared in lower case. */
function readAction(text: string, node: JsonNode, { report }: Reading): TextElement {
  if (!ACTION.test(text)) {
    report(
      "invalid-action",
      node,
      `"${excerpt(text)}" is not an action. Actions are written as kms:Decrypt or kms:*.`,
    );
  }
  return { text, parts: tokens(lowerCase(text)), node };
}

function readResource(text: string, node: JsonNode, reading: Reading): TextElement {
  const parts = readTemplate(text, true, node, reading);
  // A key policy may name anything: what is not the key itself allows nothing.
  if (reading.kind === "identity" && !isResource(text, parts)) {
    reading.report(
      "invalid-resource",
      node,
      `Resource "${excerpt(text)}" must be in ARN format or "*".`,
    );
  }
  return { text, parts, node };
}

/** `*`, or six parts of which only the last may have variables. */
function isResource(text: string, parts: Template): boolean {
  if (parts.length === 1 && parts[0] === ANY) return true;
  const colons = text.split(":", 6);
  return colons.length === 6 && colons[0] === "arn" && !colons.slice(0, 5).join(":").includes("${");
}

export function readConditions(node: JsonNode | undefined, reading: Reading): ConditionElement[] {
  const { report } = reading;
  if (node === undefined) return [];
  if (node.kind !== "object") {
    report("structure", node, "A Condition must be an object of operators.");
    return [];
  }
  return node.members.flatMap(({ name, value }) => {
    const operator = operatorNamed(name.text);
    if (operator === undefined) {
      report("unknown-operator", name, `Invalid Condition type : ${excerpt(name.text)}`);
      return [];
    }
    if (value.kind !== "object") {
      report("structure", value, `${name.text} needs an object of condition keys.`);
      return [];
    }
    return value.members.map(({ name: key, value: values }) =>
      readCondition(operator, key, values, reading),
    );
  });
}

function readCondition(
  operator: Operator,
  keyNode: JsonNode & { readonly text: string },
  node: JsonNode,
  reading: Reading,
): ConditionElement {
  const { report, kind } = reading;
  const key = keyNode.text;
  if (!(kind === "trust" ? TRUST_CONDITION_KEY : CONDITION_KEY).test(key))
    report("structure", keyNode, `"${excerpt(key)}" is not a condition key.`);
  // Of AWS's message only the beginning and the end are known.
  if (kind === "key" && operator.set === "all" && isSingle(lowerCase(key))) {
    report(
      "for-all-values-on-single-value",
      keyNode,
      `OverlyPermissiveCondition: ForAllValues is true for requests without ${excerpt(key)}. To fix, remove ForAllValues.`,
    );
  }
  const nodes = node.kind === "array" ? node.items : [node];
  if (nodes.length === 0) report("invalid-value", node, `${excerpt(key)} has no values.`);
  const values = nodes.flatMap((one) => {
    if (one.kind === "string" || one.kind === "number" || one.kind === "boolean") {
      return [readValue(operator, one.text, one, reading)];
    }
    report(
      "invalid-value",
      one,
      `Values of ${excerpt(key)} must be strings, numbers, true or false.`,
    );
    return [];
  });
  return { operator, key, values, keyNode, node };
}

function isSingle(key: string): boolean {
  return key.startsWith("kms:encryptioncontext:") || key.startsWith("aws:requesttag/");
}

function readValue(
  { name, comparison }: Operator,
  text: string,
  node: JsonNode,
  reading: Reading,
): ConditionValue {
  if (comparison === "Null") {
    if (text !== "true" && text !== "false") {
      reading.report("invalid-value", node, "Null takes true or false.");
    }
    return { text, operand: undefined, variables: [], node };
  }
  const { wildcards } = comparison;
  const parts = comparison.variables
    ? readTemplate(text, wildcards, node, reading)
    : plainTemplate(text, wildcards);
  const operand = comparison.operand(parts);
  if (operand === undefined) {
    reading.report("invalid-value", node, `${name} cannot compare with "${excerpt(text)}".`);
  }
  return { text, operand, variables: variablesOf(parts), node };
}

function readTemplate(
  text: string,
  wildcards: boolean,
  node: JsonNode,
  { version, report }: Reading,
): Template {
  if (version === "2008-10-17") return plainTemplate(text, wildcards);
  try {
    return template(text, wildcards);
  } catch (error) {
    if (!(error instanceof VariableProblem)) throw error;
    report("invalid-variable", node, `In "${excerpt(text)}" ${error.message}.`);
    return plainTemplate(text, wildcards);
  }
}
