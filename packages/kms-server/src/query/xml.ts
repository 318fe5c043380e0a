/**
 * Answers of the query protocol: XML from values.
 *
 * @module
 */

/** Text, a number, a time or a flag; members in order; or a list, whose items are called `member`. */
export type Xml =
  | string
  | number
  | boolean
  | Date
  | readonly Xml[]
  | { readonly [name: string]: Xml | undefined };

/** Elements for the members of a structure; those that are undefined are absent. */
export function elements(members: { readonly [name: string]: Xml | undefined }): string {
  return Object.entries(members)
    .map(([name, value]) => (value === undefined ? "" : element(name, value)))
    .join("");
}

/** One element with its content. */
export function element(name: string, value: Xml, attributes = ""): string {
  return `<${name}${attributes}>${content(value)}</${name}>`;
}

function content(value: Xml): string {
  if (typeof value === "string") return escape(value);
  if (value instanceof Date) return value.toISOString().replace(/\.\d+Z$/, "Z");
  if (typeof value !== "object") return String(value);
  if (isList(value)) return value.map((item) => element("member", item)).join("");
  return elements(value);
}

function isList(value: object): value is readonly Xml[] {
  return Array.isArray(value);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // A reader of XML would make a line feed of it.
  "\r": "&#xD;",
};

/** Characters that XML 1.0 does not have become U+FFFD. */
function escape(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[&<>"\r]/g, (char) => ESCAPES[char] ?? char)
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");
}
