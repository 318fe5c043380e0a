import { expect, it } from "vitest";
import { picture } from "../draw-picture.ts";

it("the picture shows every step once, in its order, and no chip leaves the picture", () => {
  const svg = picture();
  const steps = [...svg.matchAll(/>([0-9]) {2}[\w ,]+</g)].map(([, number]) => Number(number));
  expect(steps.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  const rectangles = [
    ...svg.matchAll(/<rect class="[\w-]+" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g),
  ];
  expect(rectangles.length).toBeGreaterThan(12);
  for (const [, x, width] of rectangles) expect(Number(x) + Number(width)).toBeLessThanOrEqual(870);
});
