/**
 * Policy variables: `${aws:PrincipalTag/team}` stands for what the request has for that key, and
 * `${*}`, `${?}`, `${$}` for these characters themselves.
 *
 * What a variable stands for is literal, even where it holds a star. One that stands for nothing, or
 * for several values, makes its whole statement match nothing; `${key, 'default'}` has a way out where
 * there is no value.
 *
 * Only policies of version 2012-10-17 have them. Before, the text is as it is.
 *
 * Source: spec/authorization.md#policy-variables
 *
 * @module
 */
import { excerpt } from "./excerpt.ts";
import { tokens, type Token } from "./pattern.ts";
import { lowerCase } from "./values.ts";

export interface Variable {
  /** The condition key, in lower case. */
  readonly key: string;
  /** What it stands for where the request has no such key. */
  readonly fallback: string | undefined;
}

export type Template = readonly (Token | Variable)[];

/** Text with `${` that no variable follows. */
export class VariableProblem extends Error {}

const VARIABLE = /\$\{([^{}]*)\}/;
// A name neither begins nor ends with a space, which leaves one way to read a text: this is linear.
const NAMED = /^ *([^ ,'$*?](?:[^,'$*?]*[^ ,'$*?])?) *(?:, *'([^']*)' *)?$/;

/**
 * @param wildcards - Whether `*` and `?` outside of variables are wildcards.
 * @throws {@link VariableProblem}
 */
export function template(text: string, wildcards: boolean): Template {
  const literal = (part: string): Token[] => (wildcards ? tokens(part) : [part]);
  if (!text.includes("${")) return literal(text);
  // Split by a pattern with one group: text and the insides of variables take turns.
  return text.split(VARIABLE).flatMap((part, index) => {
    if (index % 2 === 1) return [variable(part)];
    if (part.includes("${")) throw new VariableProblem("a policy variable starts and does not end");
    return literal(part);
  });
}

/** The template of a policy without variables. */
export function plainTemplate(text: string, wildcards: boolean): Template {
  return wildcards ? tokens(text) : [text];
}

export function variablesOf(parts: Template): Variable[] {
  return parts.filter((part) => typeof part === "object");
}

export function hasVariables(parts: Template): boolean {
  return parts.some((part) => typeof part === "object");
}

/** The tokens of a template with its variables filled in by `value`. */
export function filled(parts: Template, value: (variable: Variable) => string): Token[] {
  return parts.map((part) => (typeof part === "object" ? value(part) : part));
}

function variable(inside: string): Token | Variable {
  if (inside === "*" || inside === "?" || inside === "$") return inside;
  const [, key, fallback] = NAMED.exec(inside) ?? [];
  if (key === undefined) {
    throw new VariableProblem(`${excerpt(`\${${inside}}`)} is not a policy variable`);
  }
  return { key: lowerCase(key), fallback };
}
