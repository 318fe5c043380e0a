/**
 * JSON with positions: what `JSON.parse` accepts, and where each value is.
 *
 * Policies are read by this alone, so that what is enforced and what the linter points at is the same
 * reading. Names that occur twice in one object are refused: of two `Condition`s a reader who takes
 * the last one would drop the other unseen.
 *
 * Source: RFC 8259
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";

/** A value and where it starts: an offset in UTF-16 units. `pointer` is its JSON pointer (RFC 6901). */
export type JsonNode = JsonObject | JsonArray | JsonString | JsonNumber | JsonBoolean | JsonNull;

interface Located {
  readonly offset: number;
  readonly pointer: string;
}

export interface JsonObject extends Located {
  readonly kind: "object";
  readonly members: readonly JsonMember[];
}

interface JsonArray extends Located {
  readonly kind: "array";
  readonly items: readonly JsonNode[];
}

interface JsonString extends Located {
  readonly kind: "string";
  readonly text: string;
}

/** `text` is the number as it was written. */
interface JsonNumber extends Located {
  readonly kind: "number";
  readonly text: string;
}

interface JsonBoolean extends Located {
  readonly kind: "boolean";
  readonly text: "true" | "false";
}

interface JsonNull extends Located {
  readonly kind: "null";
}

/** A name, with its own place and the pointer of its value, and the value. */
export interface JsonMember {
  readonly name: JsonString;
  readonly value: JsonNode;
}

/** Text that is not JSON, or an object with two members of one name. */
export class JsonProblem extends Error {
  readonly offset: number;
  readonly pointer: string;

  constructor(message: string, offset: number, pointer: string) {
    super(message);
    this.offset = offset;
    this.pointer = pointer;
  }
}

/** Deeper than any policy, and far from the end of the stack. */
const MAX_DEPTH = 32;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** @throws {@link JsonProblem} */
export function parseJson(text: string): JsonNode {
  const reader = new Reader(text);
  const root = reader.value("", 0);
  reader.end();
  return root;
}

/** Line and column of offsets in a text, both counted from 1; columns in UTF-16 units. */
export function lineAndColumn(
  text: string,
): (offset: number) => { readonly line: number; readonly column: number } {
  const starts = [0];
  for (const { index, 0: end } of text.matchAll(/\r\n|[\r\n]/g)) starts.push(index + end.length);
  return (offset) => {
    let [line, end] = [0, starts.length];
    while (end - line > 1) {
      const middle = (line + end) >> 1;
      if ((starts[middle] ?? 0) <= offset) line = middle;
      else end = middle;
    }
    return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
  };
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(pointer: string, depth: number): JsonNode {
    this.#space();
    const offset = this.#at;
    const next = this.#text[offset];
    if (depth > MAX_DEPTH) throw this.#problem("nested too deeply", pointer);
    if (next === "{") return this.#object(pointer, depth);
    if (next === "[") return this.#array(pointer, depth);
    if (next === '"') return this.#string(pointer);
    for (const word of ["true", "false"] as const) {
      if (this.#take(word)) return { kind: "boolean", text: word, offset, pointer };
    }
    if (this.#take("null")) return { kind: "null", offset, pointer };
    const number = this.#token(NUMBER);
    if (number === undefined) throw this.#problem("a JSON value is expected here", pointer);
    return { kind: "number", text: number, offset, pointer };
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#problem("the JSON document ends before this", "");
  }

  #object(pointer: string, depth: number): JsonObject {
    const offset = this.#at;
    const members: JsonMember[] = [];
    const names = new Set<string>();
    this.#sequence("{", "}", pointer, () => {
      if (this.#text[this.#at] !== '"') throw this.#problem("a name is expected here", pointer);
      const { text, offset: at } = this.#string(pointer);
      const inner = `${pointer}/${escaped(text)}`;
      if (names.has(text))
        throw new JsonProblem(`the name "${excerpt(text)}" occurs twice`, at, inner);
      names.add(text);
      this.#space();
      if (!this.#take(":")) throw this.#problem("a colon is expected here", inner);
      const name: JsonString = { kind: "string", text, offset: at, pointer: inner };
      members.push({ name, value: this.value(inner, depth + 1) });
    });
    return { kind: "object", members, offset, pointer };
  }

  #array(pointer: string, depth: number): JsonArray {
    const offset = this.#at;
    const items: JsonNode[] = [];
    this.#sequence("[", "]", pointer, () => {
      items.push(this.value(`${pointer}/${items.length}`, depth + 1));
    });
    return { kind: "array", items, offset, pointer };
  }

  /** `open`, nothing or items with commas between them, `close`. */
  #sequence(open: string, close: string, pointer: string, item: () => void): void {
    this.#take(open);
    this.#space();
    if (this.#take(close)) return;
    for (;;) {
      this.#space();
      item();
      this.#space();
      if (this.#take(close)) return;
      if (!this.#take(",")) throw this.#problem(`a comma or ${close} is expected here`, pointer);
    }
  }

  #string(pointer: string): JsonString {
    const offset = this.#at;
    const raw = this.#token(STRING);
    if (raw === undefined) throw this.#problem("this string is malformed or does not end", pointer);
    const text = raw.includes("\\") ? unescape(raw) : raw.slice(1, -1);
    return { kind: "string", text, offset, pointer };
  }

  #space(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at += 1;
    }
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #token(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    this.#at += found?.length ?? 0;
    return found;
  }

  #problem(message: string, pointer: string): JsonProblem {
    return new JsonProblem(message, this.#at, pointer);
  }
}

/** A name as it is written in a JSON pointer. */
function escaped(name: string): string {
  return /[~/]/.test(name) ? name.replaceAll("~", "~0").replaceAll("/", "~1") : name;
}

/** `raw` is a whole JSON string. */
function unescape(raw: string): string {
  const text: unknown = JSON.parse(raw);
  return String(text);
}
