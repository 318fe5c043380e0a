/**
 * Builds the site: collects the documents, generates the references, and renders all of them.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vitepress";
import { findFiles, root } from "../../tools/workspace.ts";
import { writeApi } from "./api.ts";
import { documents, staged } from "./pages.ts";

function commandReference(): string {
  const args = [
    "--conditions=@env/source",
    join(root, "packages/cli/src/bin.ts"),
    "help",
    "markdown",
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

rmSync(staged, { recursive: true, force: true });
mkdirSync(staged, { recursive: true });
for (const file of [...documents, ...findFiles("docs/**/*.{png,svg}")]) {
  cpSync(join(root, file), join(staged, file));
}
writeFileSync(join(staged, "commands.md"), commandReference());
await writeApi(join(staged, "api"));
await build(join(root, "docs"));
