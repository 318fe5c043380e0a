import fc from "fast-check";
import { expect, it } from "vitest";
import { character } from "../src/character.ts";

const taken = (text: string): boolean => character.canShrinkWithoutContext(text);

it("generates one character, of every plane, and no half of one", () => {
  const planes = new Set<number>();
  for (const one of fc.sample(character, 10_000)) {
    const [point = -1, ...rest] = Array.from(one, (unit) => unit.codePointAt(0) ?? -1);
    expect(rest).toEqual([]);
    expect(point >= 0xd800 && point <= 0xdfff).toBe(false);
    planes.add(point >> 16);
  }
  expect(planes.size).toBe(17);
});

it("takes every character of which texts of a property consist, and nothing else", () => {
  expect(["\0", "_", "\ud7ff", "\ue000", "\u{10ffff}"].every(taken)).toBe(true);
  expect(["", "ab", "\ud800", "\udfff"].some(taken)).toBe(false);
});
