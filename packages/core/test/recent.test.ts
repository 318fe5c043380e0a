import { describe, expect, it } from "vitest";
import { Recent } from "../src/recent.ts";

describe("Recent", () => {
  it("forgets what was used longest ago, where reading is a use", () => {
    const recent = new Recent<number>(2);
    recent.set("a", 1);
    recent.set("b", 2);
    expect(recent.get("a")).toBe(1);
    recent.set("c", 3);
    expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([1, undefined, 3]);
  });

  it("keeps the order of use after the newest was removed", () => {
    const recent = new Recent<number>(2);
    recent.set("a", 1);
    recent.set("b", 2);
    recent.removeWhere((value) => value === 2);
    recent.set("c", 3);
    recent.get("a");
    recent.set("d", 4);
    expect([recent.get("a"), recent.get("c"), recent.get("d")]).toEqual([1, undefined, 4]);
  });

  it("holds a new value under an old key", () => {
    const recent = new Recent<number>(1);
    recent.set("a", 1);
    recent.set("a", 2);
    expect(recent.get("a")).toBe(2);
    recent.clear();
    expect(recent.get("a")).toBeUndefined();
  });
});
