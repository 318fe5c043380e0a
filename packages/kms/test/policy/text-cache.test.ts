import { expect, it } from "vitest";
import { TextCache } from "../../src/policy/text-cache.ts";

function counting(maxCharacters: number): { get: (text: string) => string; made: string[] } {
  const cache = new TextCache<string>(maxCharacters);
  const made: string[] = [];
  const get = (text: string): string =>
    cache.get(text, () => {
      made.push(text);
      return `<${text}>`;
    });
  return { get, made };
}

it("makes a value once per text", () => {
  const { get, made } = counting(10);
  expect([get("a"), get("b"), get("a")]).toEqual(["<a>", "<b>", "<a>"]);
  expect(made).toEqual(["a", "b"]);
});

it("remembers exactly as many characters as it may, and forgets all of them beyond", () => {
  const { get, made } = counting(4);
  for (const text of ["aa", "bb", "aa", "bb"]) get(text);
  expect(made).toEqual(["aa", "bb"]);
  for (const text of ["c", "c", "aa", "bb"]) get(text);
  expect(made).toEqual(["aa", "bb", "c", "aa", "bb"]);
});

it("remembers nothing of what throws", () => {
  const cache = new TextCache<string>(10);
  const fail = (): never => {
    throw new Error("no");
  };
  expect(() => cache.get("a", fail)).toThrow("no");
  expect(cache.get("a", () => "yes")).toBe("yes");
});
