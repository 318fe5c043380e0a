import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { inOrder } from "../src/in-order.ts";

async function* upTo(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

it("gives results in the order of the items, whichever is done first, with a bound on those in progress", async () => {
  let [busy, most] = [0, 0];
  const results: number[] = [];
  const work = async (item: number): Promise<number> => {
    most = Math.max(most, ++busy);
    for (let turns = item % 3; turns >= 0; turns--) await turn();
    busy--;
    return item;
  };
  for await (const result of inOrder(upTo(50), 4, work)) results.push(result);
  expect(results).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(most).toBe(4);
});

it("ends with the first error of the order, and nobody else has to see the others", async () => {
  const seen: number[] = [];
  const work = (item: number): Promise<number> =>
    item < 5 ? Promise.resolve(item) : Promise.reject(new Error(`item ${item}`));
  const all = async (): Promise<void> => {
    for await (const result of inOrder(upTo(9), 3, work)) seen.push(result);
  };
  await expect(all()).rejects.toThrow("item 5");
  expect(seen).toEqual([0, 1, 2, 3, 4]);
});
