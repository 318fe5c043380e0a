/**
 * The canonical text of a JSON value: sorted members, no spaces, and only necessary escapes. From a record in any other
 * layout, the bytes that were hashed can be produced again.
 *
 * Source: RFC 8785; spec/audit-v1.md#record
 *
 * @module
 */

/** What is kept of requests and answers. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/**
 * Text of `value`, a JSON value with finite numbers. Members that are `undefined` are left out. Lone
 * surrogates, which have no UTF-8, become U+FFFD.
 *
 * @throws TypeError for anything else, such as bytes.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
  if (!isMap(value)) throw new TypeError("not a JSON value");
  let text = "";
  for (const name of sorted(Object.keys(value))) {
    const member = value[name];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${quoted(name)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

/** Sorts by UTF-16 code units, as RFC 8785 requires and as JavaScript compares. Most lists are sorted already. */
function sorted(names: string[]): string[] {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] ?? "") > (names[i] ?? "")) return names.toSorted();
  }
  return names;
}

/** Text that needs no escapes, as most text. */
const PLAIN = /^[\w .,:;/+=@*()-]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text.toWellFormed());
}

/** Whether it is a plain object, and not bytes or a date. */
function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
