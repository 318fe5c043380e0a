import { expect, it } from "vitest";
import { fillSalt } from "../../src/material/salt.ts";

it("gives nobody bytes that somebody else was given, also where the supply is made anew", () => {
  const salts = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const salt = new Uint8Array(24);
    fillSalt(salt);
    salts.add(Buffer.from(salt).toString("hex"));
  }
  expect(salts.size).toBe(1000);
});

it("gives other bytes after each fill of the supply", () => {
  const [first, second] = [new Uint8Array(4096), new Uint8Array(4096)];
  fillSalt(first);
  fillSalt(second);
  expect(first).not.toEqual(second);
  expect(new Set(first).size).toBeGreaterThan(200);
});
