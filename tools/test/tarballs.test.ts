import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it } from "vitest";
import { otherVersions, SUMS, sumsOf } from "../tarballs.ts";

it("writes checksums as sha512sum does", () => {
  const folder = tempFolder();
  const files = ["a.tgz", "b.tgz"].map((name) => join(folder, name));
  for (const file of files) writeFileSync(file, file);
  writeFileSync(join(folder, SUMS), sumsOf(files));
  const check = (): string => {
    const args = ["--check", "--strict", SUMS];
    return spawnSync("sha512sum", args, { cwd: folder, encoding: "utf8" }).stdout;
  };
  expect(check()).toBe("a.tgz: OK\nb.tgz: OK\n");
  writeFileSync(files[1] ?? "", "other bytes");
  expect(check()).toBe("a.tgz: OK\nb.tgz: FAILED\n");
});

it("packs nothing for a tag that names another version", () => {
  const packages = ["1.2.3", "1.2.4"].map((version) => ({
    dir: "packages/a",
    manifest: { name: "@env/a", version },
  }));
  expect(otherVersions("v1.2.3", packages)).toEqual([
    "@env/a has the version 1.2.4, not that of v1.2.3",
  ]);
});
