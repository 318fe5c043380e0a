import { expect, test } from "vitest";
import { daysBetween } from "../../../src/pages/audit/days.ts";

const now = Date.parse("2026-11-30T10:00:00Z");

test("days without a call are there too", () => {
  const groups = [
    { Values: ["2026-11-28", "succeeded"], Count: 3 },
    { Values: ["2026-11-30", "refused"], Count: 1 },
  ];
  expect(daysBetween(groups, new Date("2026-11-28"), undefined, now)).toEqual([
    { day: "2026-11-28", succeeded: 3, refused: 0 },
    { day: "2026-11-29", succeeded: 0, refused: 0 },
    { day: "2026-11-30", succeeded: 0, refused: 1 },
  ]);
});

test("the end itself is not among the days", () => {
  const days = daysBetween([], new Date("2026-11-28"), new Date("2026-11-29"), now);
  expect(days.map(({ day }) => day)).toEqual(["2026-11-28"]);
});

test("a long log shows its last year", () => {
  expect(daysBetween([], new Date(0), undefined, now)).toHaveLength(370);
});
