/**
 * Programs that tests start as processes. A process spends two thirds of its time on finding, stripping and linking
 * some hundred modules, so a global setup bundles them once.
 *
 * @module
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { build } from "esbuild";
import type { TestProject } from "vitest/node";

/** What programs load from where it is installed: packages, and scopes of them. The console is files, not code. */
const CONSOLE = "@env/console";
const sdks = ["@aws-sdk", "@google-cloud", "node-vault", "pg"];

export interface Programs {
  /** The folder with a program for each source: `maker.js` for `test/support/maker.ts`. */
  readonly dist: string;
  /** The value of `NODE_COMPILE_CACHE` for its processes: what is compiled is removed together with the bundle. */
  readonly compileCache: string;
}

declare module "vitest" {
  interface ProvidedContext {
    readonly programs: Programs;
  }
}

/**
 * The global setup of a package: bundles programs as if they were installed as a package.
 *
 * @param root - The folder of the package.
 * @param sources - Paths from there; what several of them import is shared.
 */
export function bundled(root: string, sources: readonly string[]) {
  return async ({ provide }: TestProject): Promise<() => void> => {
    const { remove, ...programs } = await bundle(root, sources);
    provide("programs", programs);
    return remove;
  };
}

/** Bundles programs as if they were installed as a package: for what runs outside of Vitest. */
export async function bundle(
  root: string,
  sources: readonly string[],
): Promise<Programs & { readonly remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), `envelope-${basename(root)}-`));
  const dist = join(folder, "dist");
  await build({
    absWorkingDir: root,
    entryPoints: [...sources],
    outdir: dist,
    entryNames: "[name]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    conditions: ["@env/source"],
    external: sdks.map((name) => (name.startsWith("@") ? `${name}/*` : name)),
    // Packages in CommonJS call it. A name that no source imports: esbuild does not look into the banner.
    banner: {
      js: 'import { createRequire as requireIn } from "node:module"; const require = requireIn(import.meta.url);',
    },
  });
  copyFileSync(join(root, "package.json"), join(folder, "package.json"));
  // These are found there, and nothing else of ours that a build may have left.
  mkdirSync(join(folder, "node_modules/@env"), { recursive: true });
  for (const name of [...sdks, CONSOLE]) {
    const installed = join(root, "node_modules", name);
    if (existsSync(installed)) symlinkSync(installed, join(folder, "node_modules", name));
  }
  return {
    dist,
    compileCache: join(folder, "cache"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
