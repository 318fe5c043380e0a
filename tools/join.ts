/**
 * Joins the modules of a built package into a few files: Node takes about a millisecond for each file that it loads, and
 * `envelope serve` is made of three hundred modules. Other packages stay imports.
 *
 *     node tools/join.ts        in the folder of a package, after `tsc -b`
 *
 * The files of the package's entries are replaced, so whoever compiles it again has to join it again. A package that was
 * only compiled works as well.
 *
 * @module
 */
import { globSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { command } from "./command.ts";
import type { Manifest } from "./workspace.ts";

/** What several entries share, and what is loaded later. */
const CHUNK = "joined-";

await command(import.meta, async () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
  for (const file of globSync(`dist/${CHUNK}*`)) rmSync(file);
  await build({
    entryPoints: entriesOf(manifest).map((entry) => `src/${entry}.ts`),
    outdir: "dist",
    chunkNames: `${CHUNK}[hash]`,
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "es2023",
    sourcemap: true,
    // The package has the sources.
    sourcesContent: false,
    logLevel: "warning",
  });
  return 0;
});

/** The modules that programs and users start from, without folder and extension. */
function entriesOf({ bin, exports }: Manifest): string[] {
  const targets = JSON.stringify([bin, exports]).matchAll(/"\.\/dist\/([\w/-]+)\.js"/g);
  return [...new Set([...targets].map(([, entry = ""]) => entry))];
}
