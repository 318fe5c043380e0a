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
  return isCanonical(value) ? JSON.stringify(value) : textOf(value);
}

/** Whether JSON.stringify makes the canonical text: members are sorted, and text is well-formed, as in most records. */
function isCanonical(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isCanonical);
  if (!isMap(value)) return false;
  let before = "";
  for (const name of Object.keys(value)) {
    if (name < before || !name.isWellFormed()) return false;
    before = name;
    const member = value[name];
    if (member !== undefined && !isCanonical(member)) return false;
  }
  return true;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
  if (typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  if (!isMap(value)) throw new TypeError("not a JSON value");
  let text = "";
  for (const name of Object.keys(value).toSorted()) {
    const member = value[name];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${textOf(name)}:${textOf(member)}`;
  }
  return `{${text}}`;
}

/** Whether it is a plain object, and not bytes or a date. */
function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
