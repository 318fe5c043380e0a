import { expect, it } from "vitest";
import { DrawnInAdvance } from "../src/drawn-in-advance.ts";

/** Counts up, so that bytes show when they were drawn. */
function counting(): (length: number) => Uint8Array<ArrayBuffer> {
  let next = 0;
  return (length) => new Uint8Array(length).map(() => next++);
}

it("returns each drawn byte once, over a buffer of its own", () => {
  const drawn = new DrawnInAdvance(counting());
  for (const expected of [[0, 1], [2], [3, 4]]) {
    const taken = drawn.take(expected.length);
    expect([...taken]).toEqual(expected);
    expect(taken.buffer.byteLength).toBe(expected.length);
    taken.fill(0);
  }
});

it("draws again for more than is left", () => {
  const drawn = new DrawnInAdvance(counting());
  drawn.take(1);
  expect(drawn.take(100)[0]).toBe(64);
});

it("never returns what it was told to forget", () => {
  const drawn = new DrawnInAdvance(counting());
  drawn.take(1);
  drawn.forget();
  expect([...drawn.take(1)]).toEqual([64]);
});
