import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { brokenDrivers, forgivenDrivers, type BrokenDriver } from "../src/broken.ts";
import { cmkCases } from "../src/cmk.ts";
import { clauses, type CmkHarness } from "../src/harness.ts";
import { memoryHarness } from "../src/memory.ts";

const show = (value: unknown): string => inspect(value, { depth: 10, showHidden: true });

/** The names of the failed cases, all of them or those of one clause. */
async function failures(harness: CmkHarness, clause?: string): Promise<string[]> {
  const failed: string[] = [];
  for (const c of cmkCases(harness)) {
    if (clause !== undefined && c.clause !== clause) continue;
    try {
      await c.run();
    } catch {
      failed.push(c.name);
    }
  }
  return failed;
}

/** The cases of a broken driver's clause that fail with it. Each driver is tried once, by the first test that asks. */
const caught = new Map<BrokenDriver, Promise<string[]>>();
function caughtBy(broken: BrokenDriver): Promise<string[]> {
  const known = caught.get(broken);
  if (known !== undefined) return known;
  const failed = failures(memoryHarness(show, broken.make), broken.clause);
  caught.set(broken, failed);
  return failed;
}

describe("the suite", () => {
  it("finds no fault with an honest driver", async () => {
    expect(await failures(memoryHarness(show))).toEqual([]);
  });

  it.for(brokenDrivers)("catches a driver that $name ($clause)", async (broken) => {
    expect(await caughtBy(broken)).not.toEqual([]);
  });

  it("has no case that nothing fails, except those that are about Cmk itself", async () => {
    const unproven = new Set(cmkCases(memoryHarness(show)).map(({ name }) => name));
    for (const broken of brokenDrivers) {
      for (const name of await caughtBy(broken)) unproven.delete(name);
    }
    expect([...unproven].toSorted()).toEqual(
      ["generateDataKey", "rewrapEntry", "unwrapDataKey", "wrapDataKey"].map(
        (call) =>
          `D8 ${call} with an aborted signal throws its reason and does not call the driver`,
      ),
    );
  });

  it.for(forgivenDrivers)("lets pass a driver that $name", async ({ make }) => {
    expect(await failures(memoryHarness(show, make))).toEqual([]);
  });

  it.for(Object.keys(clauses))("is tested by a broken driver for %s", (clause) => {
    expect(brokenDrivers.map((broken) => broken.clause)).toContain(clause);
  });

  it("gives every broken driver and every case a distinct name", () => {
    const names = [...brokenDrivers, ...forgivenDrivers].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const cases = cmkCases(memoryHarness(show)).map(({ name }) => name);
    expect(new Set(cases).size).toBe(cases.length);
  });
});
