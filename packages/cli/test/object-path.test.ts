import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { makeFoldersOf, segmentsOf } from "../src/object-path.ts";

describe("segmentsOf", () => {
  it.each(["a", "a/b.txt", "a b/ü/..c", ".hidden", "console", "com10", "a.nul"])(
    "takes %j",
    (name) => {
      expect(segmentsOf(name)).toEqual(name.split("/"));
    },
  );

  it.each([
    "",
    "/etc/passwd",
    "a//b",
    "a/",
    ".",
    "..",
    "../a",
    "a/../../b",
    "a\\..\\b",
    "C:\\a",
    "C:a",
    "file.txt:stream",
    "a\0b",
    "NUL",
    "nul.txt",
    "a/COM1/b",
    "lpt9.tar.gz",
    "a./b",
    "a ",
    "...",
    ".a.envelope-journal",
    ".a.envelope-part",
  ])("refuses %j", (name) => {
    expect(() => segmentsOf(name)).toThrow(
      expect.objectContaining({
        code: "ERR_CLI_FILE",
        message: expect.stringContaining("is not the path of a file"),
      }),
    );
  });
});

describe("makeFoldersOf", () => {
  it("makes what is missing, and takes folders that are there", async () => {
    const root = tempFolder();
    mkdirSync(join(root, "a"));
    const paths = await Promise.all(
      ["1", "2"].map((name) => makeFoldersOf(root, ["a", "b", name])),
    );
    expect(paths).toEqual(["1", "2"].map((name) => join(root, "a", "b", name)));
    for (const path of paths) writeFileSync(path, "");
  });

  it("goes through neither a symbolic link nor a file", async () => {
    const root = tempFolder();
    symlinkSync(tempFolder(), join(root, "link"));
    writeFileSync(join(root, "file"), "");
    for (const name of ["link", "file"]) {
      await expect(makeFoldersOf(root, [name, "a"])).rejects.toMatchObject({
        code: "ERR_CLI_FILE",
        message: `${join(root, name)}: it is not a folder`,
      });
    }
  });
});
