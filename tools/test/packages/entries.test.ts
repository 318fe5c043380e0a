import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { Consumer } from "../../packages/consumer.ts";
import { brokenStarts, entriesOf } from "../../packages/entries.ts";

const good = `export const answer = 42;\n`;
// What a compiler once made of a class whose static initialiser names the class.
const bad = `var _a; export class D { static empty = new _a(); #x() { return _a.empty; } } _a = D;\n`;

/** Installs packages from tarballs, each with one module. */
function installed(modules: Readonly<Record<string, string>>): Consumer {
  const folder = tempFolder();
  const consumer = new Consumer(join(folder, "consumer"));
  const dependencies = Object.entries(modules).map(([name, code]) => {
    const source = new Consumer(join(folder, name));
    const exports = { ".": "./index.js", "./package.json": "./package.json" };
    const manifest = { name, version: "1.0.0", type: "module", exports };
    source.write("package/package.json", JSON.stringify(manifest));
    source.write("package/index.js", code);
    const tarball = join(folder, `${name}.tgz`);
    execFileSync("tar", ["-czf", tarball, "-C", source.folder, "package"]);
    return [name, `file:${tarball}`];
  });
  consumer.install(Object.fromEntries(dependencies));
  return consumer;
}

describe("installed packages", () => {
  it("are imported and required, and one that does not start is named", () => {
    const consumer = installed({ good, bad, empty: "export {};\n" });
    expect(brokenStarts(consumer, ["good"], process.execPath)).toEqual([]);
    expect(brokenStarts(consumer, ["good", "bad", "empty", "absent"], process.execPath)).toEqual([
      expect.stringMatching(/^import bad: TypeError: _a is not a constructor/),
      "import empty: it exports nothing",
      expect.stringMatching(/^import absent: .*Cannot find package 'absent'/),
      expect.stringMatching(/^require bad: TypeError: _a is not a constructor/),
      "require empty: it exports nothing",
      expect.stringMatching(/^require absent: .*Cannot find module 'absent'/),
    ]);
  });
});

it("names the entries of a package as a program imports them", () => {
  const exports = {
    ".": "./a.js",
    "./message": "./b.js",
    "./inside/*": { "@env/source": "./src/inside/*.ts" },
    "./package.json": "./package.json",
  };
  expect(entriesOf({ name: "@env/core", exports })).toEqual(["@env/core", "@env/core/message"]);
});
