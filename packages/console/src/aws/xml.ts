/**
 * Answers of IAM: XML, read by the browser.
 *
 * @module
 */

/** Text, a list, or members. */
export type XmlValue = string | readonly XmlValue[] | { readonly [name: string]: XmlValue };

export interface IamAnswer {
  readonly result: Readonly<Record<string, XmlValue>>;
  readonly error?: { readonly code: string; readonly message: string };
}

export function parseAnswer(text: string): IamAnswer {
  const { documentElement } = new DOMParser().parseFromString(text, "application/xml");
  const error = documentElement.querySelector("Error");
  if (error !== null) {
    const of = (name: string): string => error.querySelector(name)?.textContent ?? "";
    return { result: {}, error: { code: of("Code"), message: of("Message") } };
  }
  const result = [...documentElement.children].find(({ localName }) =>
    localName.endsWith("Result"),
  );
  const value = result === undefined ? {} : valueOf(result);
  return { result: typeof value === "object" && !isList(value) ? value : {} };
}

function valueOf(element: Element): XmlValue {
  const children = [...element.children];
  if (children.length === 0) return element.textContent;
  if (children.every(({ localName }) => localName === "member")) return children.map(valueOf);
  return Object.fromEntries(children.map((child) => [child.localName, valueOf(child)]));
}

export function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value);
}

/** The items of a list, which has no elements where it is empty. */
export function listOf(value: XmlValue | undefined): readonly Readonly<Record<string, XmlValue>>[] {
  if (value === undefined || !isList(value)) return [];
  return value.flatMap((item) => (typeof item === "object" && !isList(item) ? [item] : []));
}

export function textOf(value: XmlValue | undefined): string {
  return typeof value === "string" ? value : "";
}

export function textsOf(value: XmlValue | undefined): readonly string[] {
  return value !== undefined && isList(value) ? value.map(textOf) : [];
}
