/**
 * The executable that the tests start, made once for all of them: the sources in one bundle, because a process
 * spends two thirds of its time on finding, stripping and linking 350 modules. `TEST_BUILT=1` takes what was built.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly bin: string;
    readonly compileCache: string;
  }
}

const cli = join(import.meta.dirname, "../..");

export default async function ({ provide }: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "envelope-executable-"));
  provide("compileCache", join(folder, "cache"));
  if (process.env["TEST_BUILT"] === "1") provide("bin", join(cli, "dist/bin.js"));
  else provide("bin", await bundle(folder));
  return () => rmSync(folder, { recursive: true, force: true });
}

async function bundle(folder: string): Promise<string> {
  const dist = join(folder, "dist");
  await build({
    entryPoints: [join(cli, "src/bin.ts"), join(cli, "../node-stream/src/worker.ts")],
    outdir: dist,
    entryNames: "[name]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    conditions: ["@env/source"],
    external: ["@aws-sdk/*", "@google-cloud/*", "node-vault"],
    // Packages in CommonJS call it.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  copyFileSync(join(cli, "package.json"), join(folder, "package.json"));
  return join(dist, "bin.js");
}
