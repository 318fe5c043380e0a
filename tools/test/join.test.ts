import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it } from "vitest";
import { root } from "../workspace.ts";

it("joins the modules of a package behind its entries, and leaves other packages to be imported", () => {
  const folder = tempFolder();
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  mkdirSync(join(folder, "src"));
  mkdirSync(join(folder, "dist"));
  write(
    "package.json",
    JSON.stringify({
      name: "joined",
      type: "module",
      bin: { joined: "./dist/bin.js" },
      exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
    }),
  );
  write("src/own.ts", `export const own: string = "of its own";`);
  write("src/later.ts", `export const later = 1;`);
  write("src/index.ts", `export { own } from "./own.ts"; export { other } from "another";`);
  write("src/bin.ts", `const { later } = await import("./later.ts"); console.log(later);`);
  write("dist/joined-FORMER.js", "");
  write("dist/own.js", "");
  const tool = join(root, "tools/join.ts");
  const { status, stderr } = spawnSync(process.execPath, [tool], { cwd: folder, encoding: "utf8" });
  expect({ status, stderr }).toMatchObject({ status: 0 });

  const index = readFileSync(join(folder, "dist/index.js"), "utf8");
  expect(index).toContain("of its own");
  expect(index).not.toContain("./own");
  expect(index).toMatch(/from "another"/);
  const files = readdirSync(join(folder, "dist"));
  expect(files).toEqual(expect.arrayContaining(["bin.js", "index.js.map", "own.js"]));
  expect(files.filter((file) => /^joined-.*\.js$/.test(file))).toHaveLength(1);
  expect(files).not.toContain("joined-FORMER.js");
  const { stdout } = spawnSync(process.execPath, ["dist/bin.js"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stdout).toBe("1\n");
});
