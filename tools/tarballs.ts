/**
 * Builds all packages and packs them into one folder, just as they would be published. It is also how
 * to use the packages without a registry: install the files with npm.
 *
 *     node tools/tarballs.ts [--tag v1.2.3] [FOLDER]      `tarballs` by default
 *
 * The same sources give the same bytes on every machine and in every folder, so that anybody can find out what a
 * published package was built from: `SHA512SUMS` beside the tarballs is in each release.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { command, report } from "./command.ts";
import { readPackages, readRoot, root, type Package } from "./workspace.ts";

export interface Tarball {
  readonly name: string;
  /** Absolute path of the `.tgz`. */
  readonly path: string;
  /** What it contains, relative to its own root. */
  readonly files: readonly string[];
}

/** The file with the tarballs' checksums, beside them. */
export const SUMS = "SHA512SUMS";

/** Builds all packages. Quick where nothing has changed. */
function buildPackages(): void {
  run(join(root, "node_modules/.bin/nx"), ["run-many", "-t", "build"]);
}

/** Packs packages as they were built, all of them or those that are named. */
export function packPackages(folder: string, names: readonly string[] = allNames()): Tarball[] {
  const { packageManager } = readRoot();
  if (packageManager === undefined) throw new Error("package.json names no package manager");
  mkdirSync(folder, { recursive: true });
  const filters = names.flatMap((name) => ["--filter", name]);
  const args = ["-y", "--prefer-offline", packageManager, ...filters, "pack", "--json"];
  const output = run("npx", [...args, "--pack-destination", folder]);
  const packed = [JSON.parse(output)].flat() as {
    readonly name: string;
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  return packed.map(({ name, filename, files }) => ({
    name,
    path: resolve(folder, filename),
    files: files.map(({ path }) => path),
  }));
}

/** What `sha512sum` prints for files, and `sha512sum --check` reads in their folder. */
export function sumsOf(paths: readonly string[]): string {
  const sum = (path: string): string =>
    createHash("sha512").update(readFileSync(path)).digest("hex");
  return paths.map((path) => `${sum(path)}  ${basename(path)}\n`).join("");
}

/** Packages whose version is not that of a release's tag, one sentence each. */
export function otherVersions(tag: string, packages: readonly Package[]): string[] {
  return packages
    .filter(({ manifest }) => `v${manifest.version}` !== tag)
    .map(
      ({ manifest }) => `${manifest.name} has the version ${manifest.version}, not that of ${tag}`,
    );
}

function allNames(): string[] {
  return readPackages().map(({ manifest }) => manifest.name);
}

function run(file: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd: root, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${file} failed\n${error?.message ?? ""}${stdout}${stderr}`);
}

await command(import.meta, (args) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { tag: { type: "string" } },
    allowPositionals: true,
  });
  const wrong = values.tag === undefined ? [] : otherVersions(values.tag, readPackages());
  if (wrong.length > 0) return report("tarballs", wrong, "");
  const folder = resolve(positionals[0] ?? "tarballs");
  console.log("building");
  buildPackages();
  // Those of an earlier version would match the pattern below too.
  for (const old of globSync("env-*.tgz", { cwd: folder })) rmSync(join(folder, old));
  const tarballs = packPackages(folder);
  writeFileSync(join(folder, SUMS), sumsOf(tarballs.map(({ path }) => path)));
  for (const { path } of tarballs) console.log(path);
  console.log(`
With npm, in your project:

    npm install ${join(folder, "*.tgz")}

With pnpm, which looks for every package in the registry, name the files in pnpm-workspace.yaml and
then add the packages that you need (pnpm add @env/core):

overrides:`);
  for (const { name, path } of tarballs) console.log(`  "${name}": file:${path}`);
  return 0;
});
