/**
 * Where text stops being JSON. `JSON.parse` names a position only for some mistakes, and quotes the text, which may
 * be secret.
 *
 * Source: RFC 8259
 *
 * @module
 */

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /[{}[\]:,]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/uy;

/** What may come next. `first` also allows the end of an empty object or list. */
type Expected = "value" | "first value" | "name" | "first name" | "colon" | "comma" | "nothing";

/**
 * Line and column, counted from 1, of the first token that does not belong there, or of the end of the text if
 * something is missing. For text that `JSON.parse` has refused.
 */
export function jsonErrorPosition(text: string): {
  readonly line: number;
  readonly column: number;
} {
  const before = text.slice(0, errorOffset(text)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function errorOffset(text: string): number {
  const open: string[] = [];
  let expected: Expected = "value";
  for (let at = 0; ;) {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)?.[0].length ?? 0;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return at;
    const next = after(token, expected, open);
    if (next === undefined) return at;
    expected = next;
    at += token.length;
  }
}

/** What may follow a token; `undefined` if the token itself is out of place. */
function after(token: string, expected: Expected, open: string[]): Expected | undefined {
  if (token === "}" || token === "]") {
    const fits =
      expected === "comma" || expected === (token === "}" ? "first name" : "first value");
    if (!fits || open.pop() !== token) return undefined;
    return open.length === 0 ? "nothing" : "comma";
  }
  if (token === ",") {
    if (expected !== "comma") return undefined;
    return open.at(-1) === "}" ? "name" : "value";
  }
  if (token === ":") return expected === "colon" ? "value" : undefined;
  if (expected === "name" || expected === "first name") {
    return token.startsWith('"') ? "colon" : undefined;
  }
  if (expected !== "value" && expected !== "first value") return undefined;
  if (token === "{") {
    open.push("}");
    return "first name";
  }
  if (token === "[") {
    open.push("]");
    return "first value";
  }
  return open.length === 0 ? "nothing" : "comma";
}
