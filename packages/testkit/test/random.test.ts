import { expect, it } from "vitest";
import { seededRandom } from "../src/random.ts";

it("gives the same integers for the same seed, all of them below the limit", () => {
  const numbers = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 1000 }, () => random(10));
  };
  expect(numbers(7)).toEqual(numbers(7));
  expect(numbers(7)).not.toEqual(numbers(8));
  expect(new Set(numbers(7))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  expect(seededRandom(7)(0)).toBe(0);
});
