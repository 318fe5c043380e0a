import { expect, it } from "vitest";
import { wrongContents } from "../../packages/contents.ts";

const files = ["LICENSE", "README.md", "package.json", "dist/index.js", "src/index.ts"];

it("finds nothing wrong with a package of sources and products", () => {
  expect(wrongContents({ name: "a", dependencies: { b: "^1.2.3" } }, files)).toEqual([]);
});

it("finds what should not be published, and what is missing", () => {
  const manifest = {
    name: "a",
    scripts: { build: "tsc -b" },
    dependencies: { exact: "1.2.3", b: "workspace:^" },
    peerDependencies: { c: "catalog:" },
  };
  const packed = ["README.md", "package.json", "test/a.test.ts", "project.json"];
  expect(wrongContents(manifest, packed)).toEqual([
    "a: there is no LICENSE in it",
    "a: test/a.test.ts should not be published",
    "a: project.json should not be published",
    "a: it has the scripts of this repository",
    'a: exact is wanted as "1.2.3", not as ^x.y.z',
    'a: b is wanted as "workspace:^", not as ^x.y.z',
    'a: c is wanted as "catalog:", not as ^x.y.z',
  ]);
});
