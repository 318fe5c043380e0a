/**
 * Finds where a text stops being valid JSON. `JSON.parse` does not always say, and it quotes the text
 * around the mistake, which may be a secret.
 *
 * Source: RFC 8259
 *
 * @module
 */

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  // oxlint-disable-next-line no-control-regex -- a string may not contain these
  /[{}[\],:]|"(?:[^"\\\u0000-\u001F]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?|true|false|null/y;

/**
 * The token that may come next: a value, a name or the end of an object, a name, a colon, or what may
 * follow a value.
 */
type Expected = "value" | "first" | "name" | "colon" | "more";

/**
 * Returns the line and column, counted from 1, of the first character that is not valid there. The text
 * must be invalid JSON.
 */
export function jsonErrorPosition(text: string): { line: number; column: number } {
  const before = text.slice(0, errorOffset(text)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function errorOffset(text: string): number {
  const open: string[] = [];
  let expected: Expected = "value";
  let at = 0;
  for (;;) {
    at += match(SPACE, text, at).length;
    const token = match(TOKEN, text, at);
    const next = follow(token, expected, open);
    if (next === undefined) return at;
    expected = next;
    at += token.length;
  }
}

/** Returns what may follow `token`, or `undefined` if `token` is not valid here. */
function follow(token: string, expected: Expected, open: string[]): Expected | undefined {
  const inside = open.at(-1);
  if (token === "") return undefined;
  if (expected === "colon") return token === ":" ? "value" : undefined;
  if (expected === "name" || (expected === "first" && inside === "{")) {
    if (token.startsWith('"')) return "colon";
    return expected === "first" && token === "}" ? close(open) : undefined;
  }
  if (expected === "more") {
    if (token === "," && inside !== undefined) return inside === "{" ? "name" : "value";
    const closes = inside === "{" ? "}" : "]";
    return inside !== undefined && token === closes ? close(open) : undefined;
  }
  if (token === "{" || token === "[") {
    open.push(token);
    return "first";
  }
  if (expected === "first" && token === "]") return close(open);
  return /^[}\],:]$/.test(token) ? undefined : "more";
}

function close(open: string[]): Expected {
  open.pop();
  return "more";
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}
