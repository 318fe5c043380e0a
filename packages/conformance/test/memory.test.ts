import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { cmkCases } from "../src/cmk.ts";
import { memoryHarness } from "../src/memory.ts";

const harness = memoryHarness((value) => inspect(value, { depth: 10, showHidden: true }));

describe("the driver of MemoryKms", () => {
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await expect(c.run()).resolves.toBeUndefined();
  });
});
