/**
 * The text of a policy: `path "transit/decrypt/app" { capabilities = ["update"] }`, as much of HCL as
 * policies need.
 *
 * Source: HCL 1; OpenBao vault/policy.go, parsePaths
 *
 * @module
 */
import type { TransitPolicyRule } from "./policy.ts";

const TOKEN =
  /\s+|(?:#|\/\/)[^\n]*|"((?:[^"\\\n]|\\.)*)"|([A-Za-z_][\w-]*)|(-?[0-9]+(?:\.[0-9]+)?)|([{}[\]=,])/y;

type Token = { readonly kind: "text" | "word" | "number" | "sign"; readonly value: string };

const capabilities = ["create", "read", "update", "delete", "list", "deny"] as const;
const lists = ["required_parameters"] as const;
const maps = ["allowed_parameters", "denied_parameters"] as const;
const members = new Set<string>(["capabilities", ...lists, ...maps]);

/** @throws SyntaxError for what is not the text of a policy, or has members that are not known here. */
export function parsePolicy(text: string): TransitPolicyRule[] {
  const reader = new Reader(tokensOf(text));
  const rules: TransitPolicyRule[] = [];
  while (!reader.atEnd) {
    reader.take("word", "path");
    rules.push({ path: reader.take("text"), ...rule(reader.value()) });
  }
  return rules;
}

function rule(block: unknown): Omit<TransitPolicyRule, "path"> {
  if (!isMap(block)) throw new SyntaxError("a path has a block");
  const unknown = Object.keys(block).find((name) => !members.has(name));
  if (unknown !== undefined) throw new SyntaxError(`unknown member ${JSON.stringify(unknown)}`);
  const { capabilities: given } = block;
  if (!Array.isArray(given)) throw new SyntaxError("a path has capabilities");
  const wrong: unknown = given.find((one) => !isCapability(one));
  if (wrong !== undefined) throw new SyntaxError(`unknown capability ${JSON.stringify(wrong)}`);
  return {
    capabilities: given.filter(isCapability),
    ...Object.fromEntries(
      lists.flatMap((name) => (block[name] === undefined ? [] : [[name, textsOf(block[name])]])),
    ),
    ...Object.fromEntries(
      maps.flatMap((name) => (block[name] === undefined ? [] : [[name, valuesOf(block[name])]])),
    ),
  };
}

function isCapability(value: unknown): value is TransitPolicyRule["capabilities"][number] {
  return capabilities.some((one) => one === value);
}

function textsOf(value: unknown): string[] {
  if (!Array.isArray(value)) throw new SyntaxError("parameters are a list");
  return value.map(String);
}

function valuesOf(value: unknown): Record<string, unknown[]> {
  if (!isMap(value)) throw new SyntaxError("parameters are a map of lists");
  return Object.fromEntries(
    Object.entries(value).map(([name, values]) => {
      if (!Array.isArray(values)) throw new SyntaxError("parameters are a map of lists");
      return [name, [...values]];
    }),
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new SyntaxError(`unexpected character at ${at}`);
    const [, quoted, word, number, sign] = match;
    if (quoted !== undefined) tokens.push({ kind: "text", value: unescaped(quoted) });
    else if (word !== undefined) tokens.push({ kind: "word", value: word });
    else if (number !== undefined) tokens.push({ kind: "number", value: number });
    else if (sign !== undefined) tokens.push({ kind: "sign", value: sign });
  }
  return tokens;
}

function unescaped(quoted: string): string {
  return quoted.replaceAll(/\\(.)/g, "$1");
}

class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  take(kind: Token["kind"], value?: string): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== kind || (value !== undefined && token.value !== value)) {
      throw new SyntaxError(`expected ${value ?? kind}, got ${token?.value ?? "the end"}`);
    }
    this.#at++;
    return token.value;
  }

  /** Text, a number, a flag, a list or a map. */
  value(): unknown {
    const token = this.#tokens[this.#at];
    if (token?.kind === "sign") return token.value === "[" ? this.#list() : this.#map();
    if (token?.kind === "word") return this.take("word") === "true";
    return token?.kind === "number" ? Number(this.take("number")) : this.take("text");
  }

  #list(): unknown[] {
    this.take("sign", "[");
    const values: unknown[] = [];
    while (!this.#skips("]")) {
      values.push(this.value());
      this.#skips(",");
    }
    return values;
  }

  #map(): Record<string, unknown> {
    this.take("sign", "{");
    const entries: [string, unknown][] = [];
    while (!this.#skips("}")) {
      const name = this.#tokens[this.#at]?.kind === "text" ? this.take("text") : this.take("word");
      this.take("sign", "=");
      entries.push([name, this.value()]);
      this.#skips(",");
    }
    return Object.fromEntries(entries);
  }

  /** Takes a sign, if it is the next. */
  #skips(sign: string): boolean {
    const token = this.#tokens[this.#at];
    const found = token?.kind === "sign" && token.value === sign;
    if (found) this.#at++;
    return found;
  }
}
