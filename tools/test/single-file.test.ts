import { expect, it } from "vitest";
import { isNeeded } from "../single-file.ts";

it.each([
  "node_modules/@env/cli/dist/bin.js",
  "node_modules/@env/core/package.json",
  "node_modules/a/build/native.node",
  "node_modules/a/LICENSE.md",
  "node_modules/@env/console/dist/index.html",
])("takes %s along", (path) => {
  expect(isNeeded(path)).toBe(true);
});

it.each([
  "node_modules/.bin/envelope",
  "node_modules/a/README.md",
  "node_modules/a/index.d.ts",
  "node_modules/a/src/index.ts",
  "node_modules/a/index.js.map",
  "node_modules/a/test/data.json",
])("leaves %s out", (path) => {
  expect(isNeeded(path)).toBe(false);
});
