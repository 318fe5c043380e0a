import fc from "fast-check";
import { expect, it } from "vitest";
import { isName, isPath, labelOf, parseLabel } from "../src/key-name.ts";

const name = fc.stringMatching(/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9_])?$/);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));

it("finds the key of a label in its namespace, and nothing elsewhere", () => {
  fc.assert(
    fc.property(fc.oneof(fc.constant(""), path), path, name, (namespace, mount, key) => {
      const named = { namespace, mount, name: key };
      expect(parseLabel(labelOf(named), namespace)).toEqual(named);
      expect(parseLabel(labelOf(named), `${namespace}/other`)).toBeUndefined();
    }),
  );
});

it("lets nothing through that a URL would read otherwise", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from("aZ0_.-/%?#\\:\n ")) }), (text) => {
      fc.pre(isPath(text));
      expect(new URL(`https://v/v1/${text}`).pathname).toBe(`/v1/${text}`);
    }),
  );
});

it.each(["", ".", "..", "-a", "a-", "a.", "a b", "a/b", "a\n", "ä"])("is no name: %j", (text) => {
  expect(isName(text)).toBe(false);
});
