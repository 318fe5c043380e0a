import { describe, expect, it } from "vitest";
import {
  derivedMembers,
  NODE_VERSIONS,
  wrongMembers,
  wrongRequirements,
} from "../check-manifests.ts";

const repository = {
  name: "root",
  bugs: "https://example.com/o/r/issues",
  license: "Apache-2.0",
  type: "module",
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
      `packages/a/package.json: "engines" must be {"node":"${NODE_VERSIONS}"}`,
      "packages/a/package.json has no keywords",
      "packages/a/package.json has scripts; they would be published, use packages/a/project.json",
    ]);
  });
});

it("wants the same versions in the page of requirements", () => {
  const ranges = NODE_VERSIONS.split(" || ");
  const page = `Node: ${ranges.map((range) => `\`${range}\``).join(", ")}. TypeScript: 5.7 or later.`;
  expect(wrongRequirements(page)).toEqual([]);
  expect(wrongRequirements(page.replace("22.22.3", "22.13.0").replace("5.7", "5.9"))).toEqual([
    "docs/requirements.md does not say `^22.22.3`",
    "docs/requirements.md does not say 5.7 or later",
  ]);
});
