import { expect, it } from "vitest";
import { isPermissive } from "../check-licences.ts";

it.each([
  "MIT",
  "(Public Domain OR MIT)",
  "GPL-3.0-only OR Apache-2.0",
  "MIT AND ISC",
  "ISC AND (GPL-3.0-only OR (ISC AND MIT))",
])("accepts %s", (expression) => {
  expect(isPermissive(expression)).toBe(true);
});

it.each([
  "AGPL-3.0-only",
  "MIT AND GPL-2.0-only",
  "Unknown",
  "",
  "(MIT OR ISC) AND GPL-2.0-only",
  "MIT AND (GPL-2.0-only OR (MIT AND AGPL-3.0-only))",
  "((MIT)",
])("refuses %s", (expression) => {
  expect(isPermissive(expression)).toBe(false);
});
