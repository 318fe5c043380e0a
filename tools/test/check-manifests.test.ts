import { describe, expect, it } from "vitest";
import { derivedMembers, wrongMembers } from "../check-manifests.ts";

const repository = {
  name: "root",
  bugs: "https://example.com/o/r/issues",
  license: "Apache-2.0",
  type: "module",
  engines: { node: ">=30" },
  repository: { type: "git", url: "git+https://example.com/o/r.git" },
};
const dir = "packages/a";
const good = {
  name: "a",
  description: "A.",
  keywords: ["a"],
  ...derivedMembers(repository, dir),
};

describe("the manifest of a package", () => {
  it("names the repository, and its own folder there", () => {
    expect(good).toMatchObject({
      homepage: "https://example.com/o/r/tree/main/packages/a#readme",
      repository: { url: "git+https://example.com/o/r.git", directory: "packages/a" },
    });
    expect(wrongMembers(repository, { dir, manifest: good })).toEqual([]);
  });

  it("is wrong where it differs from the repository's, or would not be found", () => {
    const manifest = {
      ...good,
      engines: { node: ">=22" },
      keywords: [],
      scripts: { build: "tsc -b" },
    };
    expect(wrongMembers(repository, { dir, manifest })).toEqual([
      `packages/a/package.json: "engines" must be {"node":">=30"}`,
      "packages/a/package.json has no keywords",
      "packages/a/package.json has scripts; they would be published, use packages/a/project.json",
    ]);
  });
});
