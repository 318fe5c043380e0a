/**
 * The mistake it stops: a browser or edge bundle that grows unnoticed, or that gets to contain parts for
 * Node. It bundles what an application that imports `Envelope` gets where there is no `node` condition:
 * from the tarball that would be published, with esbuild, minified. It fails over the budget, and where
 * a module for Node is in the bundle.
 *
 *     nx bundle-size        builds the package first, if need be
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { command, report } from "./command.ts";
import { packPackages } from "./tarballs.ts";

/** The most bytes of `import { Envelope } from "@env/core"`, minified and gzipped. */
const BUDGET_BYTES = 15_400;

const PACKAGE = "@env/core";

export interface Bundle {
  readonly code: string;
  /** Bytes of each module in the bundle, by path. */
  readonly modules: Readonly<Record<string, number>>;
  /** Modules that are imported and not in the bundle. */
  readonly imports: readonly string[];
}

/**
 * Bundles a program as a bundler for browsers does.
 *
 * @param folder - Packages are found from here.
 * @param conditions - Of `exports`, besides those of a browser.
 */
export async function bundle(
  program: string,
  folder: string,
  conditions: string[] = [],
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: program, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    external: ["node:*"], // Reported by nodeParts().
    conditions,
    write: false,
    metafile: true,
  });
  const [output] = Object.values(metafile.outputs);
  const [file] = outputFiles;
  if (output === undefined || file === undefined) throw new Error("esbuild gave no output");
  const modules = Object.entries(output.inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path, { bytesInOutput }]) => [path, bytesInOutput] as const);
  return {
    code: file.text,
    modules: Object.fromEntries(modules),
    imports: output.imports.map(({ path }) => path),
  };
}

/** Modules and imports that have no place in a browser. */
export function nodeParts({ imports, modules }: Bundle): string[] {
  const files = Object.keys(modules).filter((path) => /\.node\.[jt]s$/.test(path));
  return [...imports.filter((path) => path.startsWith("node:")), ...files];
}

/** Unpacks a package into a project's `node_modules`. */
function unpack(folder: string): void {
  const [tarball] = packPackages(join(folder, "tarballs"), [PACKAGE]);
  const target = join(folder, "node_modules", PACKAGE);
  mkdirSync(target, { recursive: true });
  const args = ["-xzf", tarball?.path ?? "", "--strip-components=1", "-C", target];
  const { status, stderr } = spawnSync("tar", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the tarball of ${PACKAGE} cannot be unpacked\n${stderr}`);
}

await command(import.meta, async () => {
  const folder = mkdtempSync(join(tmpdir(), "env-bundle-"));
  try {
    unpack(folder);
    const bundled = await bundle(`export { Envelope } from "${PACKAGE}";`, folder);
    const minBytes = Buffer.byteLength(bundled.code);
    const gzipBytes = gzipSync(bundled.code, { level: 9 }).length;

    console.log("bytes in the bundle, minified:");
    const modules = Object.entries(bundled.modules).toSorted(([, a], [, b]) => b - a);
    for (const [path, bytes] of modules) console.log(`${String(bytes).padStart(8)}  ${path}`);
    const found = nodeParts(bundled).map((part) => `${part} is only for Node`);
    if (gzipBytes > BUDGET_BYTES) {
      found.push(`${gzipBytes} bytes gzipped, at most ${BUDGET_BYTES} are allowed`);
    }
    const size = `Envelope is ${minBytes} bytes minified, ${gzipBytes} of ${BUDGET_BYTES} gzipped`;
    return report("bundle-size", found, size);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
