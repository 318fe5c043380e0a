import { expect, it } from "vitest";
import { growth, type Sample } from "../../proofs/soak.ts";

const flat: Sample = { heap: 10, external: 5, resident: 100, resources: 2, descriptors: 20 };
const run = (last: Partial<Sample>): Sample[] => [
  { ...flat, heap: 50 },
  flat,
  { ...flat, ...last },
];

it("finds nothing where both parts after the warm-up are alike, whatever the warm-up was", () => {
  expect(growth(run({}))).toEqual([]);
});

it("finds memory and handles that still grow at the end", () => {
  expect(growth(run({ heap: 13 }))).toEqual(["heap grew from 10 to 13, and at most 2 is allowed"]);
  expect(growth(run({ descriptors: 21 }))).toHaveLength(1);
});

it("finds a run that was too short to say anything", () => {
  expect(growth([flat, flat])).toHaveLength(1);
});
