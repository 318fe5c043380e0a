/**
 * Policies ready for evaluation: each text is read once and remembered.
 *
 * Source: spec/authorization.md#statements
 *
 * @module
 */
import { parsePolicy, type Statement } from "./document.ts";
import type { PatternElement, PrincipalElement } from "./elements.ts";
import { templated, type Operand } from "./operators.ts";
import { matcher, resourceMatcher, type Matcher } from "./pattern.ts";
import { TextCache } from "./text-cache.ts";
import { accessor, lowerCase, type Accessor, type PolicyKind } from "./values.ts";
import { filled, variablesOf, type Variable } from "./variables.ts";

export interface CompiledPolicy {
  readonly kind: PolicyKind;
  readonly statements: readonly CompiledStatement[];
}

export interface CompiledStatement {
  readonly kind: PolicyKind;
  /** Counted from 0. */
  readonly index: number;
  readonly sid: string | undefined;
  readonly effect: "Allow" | "Deny";
  readonly principals: PrincipalElement | undefined;
  readonly actions: CompiledPatterns<Matcher> | undefined;
  readonly resources: CompiledPatterns<Operand> | undefined;
  /** All that the statement's policy variables stand for has to be there, or it matches nothing. */
  readonly variables: readonly CompiledVariable[];
  /** How to get at what they stand for, by their keys. */
  readonly variableValues: ReadonlyMap<string, Accessor>;
  readonly conditions: readonly CompiledCondition[];
}

interface CompiledPatterns<Match> {
  readonly not: boolean;
  readonly patterns: readonly { readonly text: string; readonly matches: Match }[];
}

interface CompiledVariable extends Variable {
  readonly value: Accessor;
}

export interface CompiledCondition {
  /** The operator as it was written: `ForAnyValue:StringLike`. */
  readonly operator: string;
  readonly key: string;
  readonly texts: readonly string[];
  readonly value: Accessor;
  /** Null compares nothing: does one of the values want the key absent, does one want it present? */
  readonly test: Comparing | { readonly absent: boolean; readonly present: boolean };
}

interface Comparing {
  readonly set: "any" | "all" | undefined;
  readonly ifExists: boolean;
  readonly negated: boolean;
  readonly operands: readonly Operand[];
}

/** Texts of each kind that are remembered. Compiled policies are some ten times the size of their texts. */
const CACHED_CHARACTERS = 2 ** 20;

const caches: Readonly<Record<PolicyKind, TextCache<CompiledPolicy>>> = {
  key: new TextCache(CACHED_CHARACTERS),
  identity: new TextCache(CACHED_CHARACTERS),
  trust: new TextCache(CACHED_CHARACTERS),
};

/**
 * The compiled policy of a text; some thousand are remembered.
 *
 * @throws {@link KmsError} as `parsePolicy` does.
 */
export function compiled(text: string, kind: PolicyKind): CompiledPolicy {
  return caches[kind].get(text, () => compile(text, kind));
}

function compile(text: string, kind: PolicyKind): CompiledPolicy {
  const { statements } = parsePolicy(text, kind);
  return { kind, statements: statements.map((statement) => compileStatement(statement, kind)) };
}

function compileStatement(statement: Statement, kind: PolicyKind): CompiledStatement {
  const { index, sid, effect, principals, actions, resources, conditions } = statement;
  const variables = [
    ...(resources?.patterns ?? []).flatMap(({ parts }) => variablesOf(parts)),
    ...conditions.flatMap(({ values }) => values.flatMap((value) => value.variables)),
  ].map(({ key, fallback }) => ({ key, fallback, value: accessor(key, kind) }));
  return {
    kind,
    index,
    sid,
    effect,
    principals,
    actions: actions && compileActions(actions),
    resources: resources && compileResources(resources),
    variables,
    variableValues: new Map(variables.map(({ key, value }) => [key, value])),
    conditions: conditions.map(({ operator, key, values }) => {
      const { name, set, ifExists, comparison } = operator;
      const texts = values.map(({ text }) => text);
      const operands = values.flatMap(({ operand }) => (operand === undefined ? [] : [operand]));
      return {
        operator: name,
        key,
        texts,
        value: accessor(lowerCase(key), kind),
        test:
          comparison === "Null"
            ? { absent: texts.includes("true"), present: texts.includes("false") }
            : { set, ifExists, negated: comparison.negated, operands },
      };
    }),
  };
}

function compileActions({ not, patterns }: PatternElement): CompiledPatterns<Matcher> {
  return {
    not,
    patterns: patterns.map(({ text, parts }) => ({
      text,
      matches: matcher(filled(parts, () => "")),
    })),
  };
}

function compileResources({ not, patterns }: PatternElement): CompiledPatterns<Operand> {
  const toOperand = templated(resourceMatcher);
  return {
    not,
    patterns: patterns.map(({ text, parts }) => ({ text, matches: toOperand(parts) })),
  };
}
