import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Recent, RecentlyBorn } from "../src/recent.ts";

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
    recent.delete("b");
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

describe("RecentlyBorn", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const born = (name: string): { name: string; born: number } => ({
    name,
    born: performance.now(),
  });

  it("gives nothing that is too old, however lately it was used", () => {
    const held = new RecentlyBorn<{ name: string; born: number }>(9, 100);
    held.set("a", born("a"));
    vi.advanceTimersByTime(99);
    expect(held.get("a")?.name).toBe("a");
    vi.advanceTimersByTime(1);
    expect(held.get("a")).toBeUndefined();
  });

  it("drops the least recently used item, and expired items when one is added", () => {
    const held = new RecentlyBorn<{ name: string; born: number }>(2, 100);
    held.set("a", born("a"));
    held.set("b", born("b"));
    held.get("a");
    held.set("c", born("c"));
    expect(["a", "b", "c"].map((key) => held.get(key)?.name)).toEqual(["a", undefined, "c"]);
    vi.advanceTimersByTime(100);
    held.set("e", born("e"));
    expect(held.size).toBe(1);
  });

  it("looks only at what goes when something is added", () => {
    const looks = vi.fn<() => number>(() => performance.now());
    const held = new RecentlyBorn<{ readonly born: number }>(10_000, 1000);
    const value = Object.defineProperty({}, "born", { get: looks }) as { readonly born: number };
    for (let i = 0; i < 5000; i++) held.set(String(i), value);
    looks.mockClear();
    held.set("one more", value);
    expect(looks.mock.calls.length).toBeLessThan(5);
  });
});
