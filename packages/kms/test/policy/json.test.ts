import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonProblem, lineAndColumn, parseJson, type JsonNode } from "../../src/policy/json.ts";

/** What `JSON.parse` makes of it. */
function plain(node: JsonNode): unknown {
  if (node.kind === "object") {
    return Object.fromEntries(node.members.map(({ name, value }) => [name.text, plain(value)]));
  }
  if (node.kind === "array") return node.items.map(plain);
  if (node.kind === "number") return Number(node.text);
  if (node.kind === "boolean") return node.text === "true";
  return node.kind === "null" ? null : node.text;
}

function problem(text: string): JsonProblem {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonProblem) return error;
  }
  throw new Error("there is no problem");
}

describe("parseJson", () => {
  it("reads what JSON.parse reads, with space around it", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2, "\t"), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        // -0 is written as 0, and __proto__ is a name like any other.
        expect(plain(parseJson(`\r\n ${text}\t`))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses what JSON.parse refuses", () => {
    const accepts = (read: () => unknown): boolean => {
      try {
        read();
        return true;
      } catch (error) {
        expect(error).toBeInstanceOf(error instanceof JsonProblem ? JsonProblem : SyntaxError);
        return false;
      }
    };
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...Array.from('{}[]":,\\u0aEe+-.1tfn \n\u0001\u007f')) }),
      fc
        .json({ maxDepth: 3 })
        .chain((json) => fc.nat(json.length).map((at) => json.slice(0, at) + json.slice(at + 1))),
    );
    fc.assert(
      fc.property(text, (each) => {
        fc.pre(!hasTwins(each));
        expect(accepts(() => parseJson(each))).toBe(accepts(() => void JSON.parse(each)));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "NaN",
    "'a'",
    '"\n"',
    String.raw`"\x"`,
    '"',
    "[1,]",
    "{,}",
  ])("refuses %j", (text) => {
    expect(problem(text)).toBeInstanceOf(JsonProblem);
  });

  it("gives each value's position and JSON pointer", () => {
    const text = '{ "a": [1, {"b/c~d": null}] }';
    const root = parseJson(text);
    if (root.kind !== "object") throw new Error("no object");
    const [{ name, value } = {}] = root.members;
    expect(name).toMatchObject({ offset: 2, pointer: "/a" });
    expect(value).toMatchObject({ kind: "array", offset: 7, pointer: "/a" });
    expect(JSON.stringify(value)).toContain('"offset":21,"pointer":"/a/1/b~1c~0d"');
  });

  it("refuses a name that occurs twice, in whatever spelling", () => {
    expect(problem(String.raw`{"a":1,"\u0061":2}`)).toMatchObject({
      message: 'the name "a" occurs twice',
      offset: 7,
      pointer: "/a",
    });
  });

  it("refuses what is nested too deeply before the stack ends", () => {
    expect(plain(parseJson(`${"[".repeat(33)}${"]".repeat(33)}`))).toBeInstanceOf(Array);
    expect(problem("[".repeat(100_000)).message).toBe("nested too deeply");
    expect(problem('{"a":'.repeat(100_000)).message).toBe("nested too deeply");
  });

  it("points at the first character that is wrong", () => {
    expect(problem('{"a":1 "b":2}')).toMatchObject({
      offset: 7,
      message: "a comma or } is expected here",
    });
    expect(problem('{"a" 1}')).toMatchObject({ offset: 5, message: "a colon is expected here" });
    expect(problem("{} x")).toMatchObject({
      offset: 3,
      message: "the JSON document ends before this",
    });
    expect(problem("[1,]")).toMatchObject({ offset: 3, message: "a JSON value is expected here" });
    expect(problem("{1:2}")).toMatchObject({ offset: 1, message: "a name is expected here" });
  });
});

/** Whether an object somewhere has a name twice: JSON.parse does not mind. */
function hasTwins(text: string): boolean {
  try {
    parseJson(text);
    return false;
  } catch (error) {
    return error instanceof JsonProblem && error.message.includes("twice");
  }
}

it("counts lines by any line break, and columns from 1", () => {
  const text = "a\r\nbc\rd\ne";
  expect(lineAndColumn(text)(0)).toEqual({ line: 1, column: 1 });
  expect(lineAndColumn(text)(4)).toEqual({ line: 2, column: 2 });
  expect(lineAndColumn(text)(6)).toEqual({ line: 3, column: 1 });
  expect(lineAndColumn(text)(8)).toEqual({ line: 4, column: 1 });
});
