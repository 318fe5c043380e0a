import fc from "fast-check";
import { expect, test } from "vitest";
import { diffLines } from "../../src/parts/diff-lines.ts";

test("a changed line is removed and added between those that stay", () => {
  expect(diffLines("a\nb\nc", "a\nx\nc")).toEqual([
    { kind: "same", text: "a" },
    { kind: "removed", text: "b" },
    { kind: "added", text: "x" },
    { kind: "same", text: "c" },
  ]);
});

test("both texts can be read from the lines, whatever they are", () => {
  const text = fc
    .array(fc.constantFrom("a", "b", "c", ""), { maxLength: 12 })
    .map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after);
      const without = (kind: string) =>
        lines
          .filter((line) => line.kind !== kind)
          .map((line) => line.text)
          .join("\n");
      expect([without("added"), without("removed")]).toEqual([before, after]);
    }),
  );
});

test("texts that are too long to compare are shown as one change", () => {
  const long = (name: string) =>
    Array.from({ length: 3000 }, (_, index) => `${name}${index}`).join("\n");
  const lines = diffLines(long("a"), long("b"));
  expect(lines.filter(({ kind }) => kind === "removed")).toHaveLength(3000);
  expect(lines.filter(({ kind }) => kind === "added")).toHaveLength(3000);
});
