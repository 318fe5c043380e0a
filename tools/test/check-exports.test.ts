import { describe, expect, it } from "vitest";
import { brokenEntries, exportedNames, globalNames } from "../check-exports.ts";
import type { Manifest } from "../workspace.ts";

const good: Manifest = {
  name: "@env/a",
  bin: { a: "./dist/bin.js" },
  imports: {
    "#b": {
      "@env/source": { node: "./src/b.node.ts", default: "./src/b.web.ts" },
      node: { types: "./dist/b.node.d.ts", default: "./dist/b.node.js" },
      default: { types: "./dist/b.web.d.ts", default: "./dist/b.web.js" },
    },
  },
  exports: {
    ".": {
      "@env/source": "./src/index.ts",
      types: "./dist/index.d.ts",
      default: "./dist/index.js",
    },
    "./package.json": "./package.json",
  },
};

function check(manifest: Manifest, built = false, missing: readonly string[] = []): string[] {
  const exists = (file: string): boolean => !missing.includes(file);
  return brokenEntries({ dir: "packages/a", manifest }, built, exists);
}

describe("entries", () => {
  it("are good where sources and products are there", () => {
    expect(check(good)).toEqual([]);
    expect(check(good, true)).toEqual([]);
  });

  it("need their sources always and their products once built", () => {
    expect(check(good, false, ["packages/a/src/b.web.ts"])).toEqual([
      "@env/a #b: there is no ./src/b.web.ts",
    ]);
    expect(check(good, false, ["packages/a/dist/index.js"])).toEqual([]);
    expect(check(good, true, ["packages/a/dist/index.js"])).toEqual([
      "@env/a .: there is no ./dist/index.js",
    ]);
    expect(check(good, false, ["packages/a/src/bin.ts"])).toEqual([
      "@env/a bin a: there is no ./src/bin.ts",
    ]);
  });

  it("are left alone where only sources have them, for the tools", () => {
    const exports = { "./inside/*": { "@env/source": "./src/inside/*.ts" } };
    expect(check({ name: "@env/a", exports }, true, ["packages/a/src/inside/*.ts"])).toEqual([]);
  });

  it("publish the module that was tested", () => {
    const target = {
      "@env/source": "./src/a.ts",
      types: "./dist/a.d.ts",
      default: "./dist/b.js",
    };
    expect(check({ name: "@env/a", exports: { "./a": target } })).toEqual([
      "@env/a ./a: ./dist/b.js is not built from ./src/a.ts",
      "@env/a ./a leaves out ./dist/a.js",
    ]);
  });

  it("have a source", () => {
    expect(check({ name: "@env/a", exports: { ".": "./dist/index.js" } })).toContain(
      "@env/a . names no source under the @env/source condition",
    );
  });
});

describe("exported names", () => {
  it("are those of lists and declarations, as they are called outside", () => {
    const source = `
export { Envelope, inner as outer } from "./a.ts";
export type {
  Fields,
  type Options,
} from "./b.ts";
export async function open(): Promise<void> {}
export abstract class Cmk {}
export interface Facts {}
export const limit = 1;
const hidden = 2;
`;
    expect(exportedNames(source)).toEqual(
      "Envelope outer Fields Options open Cmk Facts limit".split(" "),
    );
  });

  it("are compared with the globals of Node and of browsers, types too", () => {
    const globals = globalNames();
    for (const name of ["MessageEvent", "Buffer", "CryptoKey", "RequestInit", "fetch", "Map"]) {
      expect(globals.has(name), name).toBe(true);
    }
    for (const name of ["Envelope", "EnvelopeMessageEvent"]) expect(globals.has(name)).toBe(false);
  });
});
