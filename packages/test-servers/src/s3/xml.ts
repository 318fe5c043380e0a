/**
 * The little XML that S3 speaks: elements and text, without attributes.
 *
 * @module
 */
import { S3Error } from "./error.ts";

/** A text, several elements of one name, or the elements inside. */
export type Xml =
  | string
  | number
  | boolean
  | undefined
  | readonly Xml[]
  | { readonly [name: string]: Xml };

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#13;",
};

/** Returns a document. Elements whose value is `undefined` are left out. */
export function toXml(root: string, content: Xml): string {
  const namespace = root === "Error" ? "" : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${inside(content)}</${root}>`;
}

function inside(content: Xml): string {
  if (typeof content !== "object") {
    // XML 1.0 cannot hold other control characters: they are written as references, as S3 does.
    // oxlint-disable-next-line no-control-regex
    return String(content ?? "").replaceAll(/[&<>"\r]|[\0-\x08\x0B\x0C\x0E-\x1F]/g, (character) => {
      return escapes[character] ?? `&#x${character.charCodeAt(0).toString(16)};`;
    });
  }
  return Object.entries(content as Readonly<Record<string, Xml>>)
    .flatMap(([name, value]) => {
      if (value === undefined) return [];
      const values: readonly Xml[] = Array.isArray(value) ? value : [value];
      return values.map((each) => `<${name}>${inside(each)}</${name}>`);
    })
    .join("");
}

/** An element of a document that was received. */
export class XmlElement {
  readonly name: string;
  readonly children: XmlElement[] = [];
  text = "";

  constructor(name: string) {
    this.name = name;
  }

  all(name: string): XmlElement[] {
    return this.children.filter((child) => child.name === name);
  }

  /** The text of the first element with that name. */
  get(name: string): string | undefined {
    return this.all(name)[0]?.text;
  }
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/**
 * Reads a document with the given root element.
 *
 * @throws S3Error `MalformedXML`
 */
export function parseXml(document: string, root: string): XmlElement {
  const outermost = new XmlElement("");
  const open = [outermost];
  const tokens = document.matchAll(/<\?[^>]*\?>|<(\/?)([\w.:-]+)([^>]*?)(\/?)>|([^<]+)|</g);
  for (const [token, closing, name = "", , empty, text] of tokens) {
    const current = open.at(-1);
    if (current === undefined || token === "<") throw new S3Error("MalformedXML");
    if (text !== undefined) current.text += unescaped(text);
    else if (closing === "/") {
      if (open.pop()?.name !== name) throw new S3Error("MalformedXML");
    } else if (name !== "") {
      const element = new XmlElement(name);
      current.children.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  const found = outermost.children[0];
  if (open.length !== 1 || found?.name !== root) throw new S3Error("MalformedXML");
  return found;
}

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
