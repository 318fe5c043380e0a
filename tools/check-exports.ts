/**
 * The mistake it stops: an entry of `exports`, `imports` or `bin` that leads nowhere, or to another
 * module in the published package than in the sources that were tested.
 *
 *     node tools/check-exports.ts            sources
 *     node tools/check-exports.ts --built    and what the build made of them
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { command, report } from "./command.ts";
import { readPackages, root, type Package, type Target } from "./workspace.ts";

/**
 * What is wrong with a package's entries, one sentence each.
 *
 * @param exists - Whether there is a file, by its path relative to the repository.
 */
export function brokenEntries(
  { dir, manifest }: Package,
  built: boolean,
  exists: (file: string) => boolean,
): string[] {
  const found: string[] = [];
  const entries = [
    ...Object.entries(manifest.exports ?? {}),
    ...Object.entries(manifest.imports ?? {}),
  ];
  for (const [subpath, target] of entries) {
    if (subpath === "./package.json") continue;
    const files = filesOf(target);
    const sources = files.filter((file) => file.startsWith("./src/"));
    const products = files.filter((file) => file.startsWith("./dist/"));
    const place = `${manifest.name} ${subpath}`;
    if (sources.length === 0)
      found.push(`${place} names no source under the @env/source condition`);
    const expected = new Set(sources.flatMap(productsOf));
    for (const file of products) {
      if (!expected.has(file))
        found.push(`${place}: ${file} is not built from ${sources.join(" or ")}`);
    }
    for (const file of expected) {
      if (!products.includes(file)) found.push(`${place} leaves out ${file}`);
    }
    for (const file of built ? files : sources) {
      if (!exists(join(dir, file))) found.push(`${place}: there is no ${file}`);
    }
  }
  for (const [name, file] of Object.entries(manifest.bin ?? {})) {
    const source = file.replace("./dist/", "./src/").replace(/\.js$/, ".ts");
    for (const each of built ? [source, file] : [source]) {
      if (!exists(join(dir, each))) found.push(`${manifest.name} bin ${name}: there is no ${each}`);
    }
  }
  return found;
}

function filesOf(target: Target): string[] {
  return typeof target === "string" ? [target] : Object.values(target).flatMap(filesOf);
}

function productsOf(source: string): string[] {
  const stem = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
  return [`${stem}.js`, `${stem}.d.ts`];
}

await command(import.meta, (args) => {
  const built = args.includes("--built");
  const packages = readPackages();
  const exists = (file: string): boolean => existsSync(join(root, file));
  const found = packages.flatMap((each) => brokenEntries(each, built, exists));
  const what = built ? "sources and products" : "sources";
  return report("check-exports", found, `${packages.length} packages, all entries have ${what}`);
});
