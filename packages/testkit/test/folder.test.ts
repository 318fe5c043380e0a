import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { tempFolder } from "../src/folder.ts";

it("removes the folder with what is in it, when it is told to", () => {
  let remove = (): void => undefined;
  const folder = tempFolder((fn) => (remove = fn));
  writeFileSync(join(folder, "file"), "");
  remove();
  expect(existsSync(folder)).toBe(false);
});

it("gives every test a folder of its own, until the test has finished", () => {
  const folders = [tempFolder(), tempFolder()];
  expect(new Set(folders).size).toBe(2);
  expect(folders.every((folder) => existsSync(folder))).toBe(true);
});
