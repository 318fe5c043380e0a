import { describe, expect, it } from "vitest";
import { RecordCache } from "../../src/store/record-cache.ts";

interface Entry {
  readonly id: number;
  readonly bytes: number;
}

const MIB = 2 ** 20;

/** Asked for `times` times. */
function offer(cache: RecordCache<Entry>, id: number, times = 1, bytes = 100): void {
  for (let i = 0; i < times; i++) cache.offer(`palice-${id}`, { id, bytes });
}

function kept(cache: RecordCache<Entry>, ids: Iterable<number>): number[] {
  return [...ids].filter((id) => cache.get(`palice-${id}`)?.id === id);
}

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i);

describe("a cache of records", () => {
  it("keeps a record that is offered twice, and not one that is offered once", () => {
    const cache = new RecordCache<Entry>();
    offer(cache, 1);
    expect(kept(cache, [1])).toEqual([]);
    offer(cache, 1);
    expect(kept(cache, [1])).toEqual([1]);
    expect(kept(cache, [2])).toEqual([]);
  });

  it("keeps nothing of many that are asked for once each", () => {
    const cache = new RecordCache<Entry>();
    for (const id of range(0, 50_000)) offer(cache, id);
    expect(kept(cache, range(0, 50_000))).toEqual([]);
  });

  it("knows the last eight thousand that were asked for, and not more than twice as many", () => {
    for (const [others, again] of [
      [10_000, [1]],
      [16_384, []],
    ] as const) {
      const cache = new RecordCache<Entry>();
      offer(cache, 1);
      for (const id of range(2, 2 + others)) offer(cache, id);
      offer(cache, 1);
      expect(kept(cache, [1]), String(others)).toEqual(again);
    }
  });

  it("has the latest of what was offered, and nothing of what was deleted", () => {
    const cache = new RecordCache<Entry>();
    offer(cache, 1, 2, 100);
    offer(cache, 1, 1, 200);
    expect(cache.get("palice-1")?.bytes).toBe(200);
    cache.delete("palice-1");
    expect(cache.get("palice-1")).toBeUndefined();
    // It is still known to be in use.
    offer(cache, 1, 1, 300);
    expect(cache.get("palice-1")?.bytes).toBe(300);
  });

  it("forgets the older half once the younger is full, but for what was asked for meanwhile", () => {
    const cache = new RecordCache<Entry>();
    for (const id of range(0, 9)) offer(cache, id, 2, MIB);
    // The first eight filled a generation, the ninth began another.
    expect(kept(cache, [3, 8])).toEqual([3, 8]);
    for (const id of range(9, 16)) offer(cache, id, 2, MIB);
    expect(kept(cache, range(0, 16))).toEqual([3, ...range(8, 16)]);
  });

  it("deletes from both halves", () => {
    const cache = new RecordCache<Entry>();
    for (const id of range(0, 9)) offer(cache, id, 2, MIB);
    expect(kept(cache, [3])).toEqual([3]);
    cache.delete("palice-3");
    cache.delete("palice-4");
    expect(kept(cache, [3, 4, 5])).toEqual([5]);
  });

  it("holds a few thousand small records at most", () => {
    const cache = new RecordCache<Entry>();
    for (const id of range(0, 20_000)) offer(cache, id, 2);
    // From the newest on: asked for in the order in which they came, the older half would be forgotten.
    const ids = kept(cache, range(0, 20_000).toReversed());
    // Two generations of 8 MiB, each record with 2 KiB for its objects: 3906 in each.
    expect(ids.length).toBeGreaterThan(3900);
    expect(ids.length).toBeLessThan(7900);
    expect(ids).toEqual(range(20_000 - ids.length, 20_000).toReversed());
  });

  it("does not let records that are replaced and deleted again and again push out others for free", () => {
    const cache = new RecordCache<Entry>();
    offer(cache, 1, 2);
    for (let i = 0; i < 1000; i++) {
      offer(cache, 2, 2);
      cache.delete("palice-2");
    }
    expect(kept(cache, [1, 2])).toEqual([1]);
  });
});
