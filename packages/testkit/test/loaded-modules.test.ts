import { expect, it } from "vitest";
import { loadedModules } from "../src/loaded-modules.ts";

it("lists what a program loads, and not what it does not get to", async () => {
  const loaded = await loadedModules(
    import.meta.dirname,
    `await import("node:zlib"); if (process.env.HOME) await import("node:dns");`,
  );
  expect(loaded).toContain("node:zlib");
  expect(loaded).not.toContain("node:dns");
});
