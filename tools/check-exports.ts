/**
 * The mistakes it stops: an entry of `exports`, `imports` or `bin` that leads nowhere, or to another
 * module in the published package than in the sources that were tested; and an exported name that is
 * also a global, so that who forgets the import gets another thing without an error.
 *
 *     node tools/check-exports.ts            sources
 *     node tools/check-exports.ts --built    and what the build made of them
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { command, report } from "./command.ts";
import { isInternal, readPackages, root, type Package, type Target } from "./workspace.ts";

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
    // Pages are built from more than one file.
    if (/\.(?:json|html)$/.test(subpath) || isInternal(target)) continue;
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

/** The names that a module of source text exports by declaration or by list, types too. */
export function exportedNames(source: string): string[] {
  const lists = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = ""]) =>
    list.split(",").map((item) => item.trim().split(/\s+/).at(-1) ?? ""),
  );
  const declared = [
    ...source.matchAll(
      /^export (?:declare |abstract |async )*(?:class|function\*?|interface|type|const|let|enum) (\w+)/gm,
    ),
  ].map(([, name = ""]) => name);
  return [...lists, ...declared].filter((name) => /^[\w$]+$/.test(name));
}

/** The names of Node's globals, and of those that TypeScript's libraries for browsers declare. */
export function globalNames(): Set<string> {
  // The compiler's libraries are in the package of its binary.
  const compiler = createRequire(createRequire(import.meta.url).resolve("typescript/package.json"));
  const binary = `@typescript/typescript-${process.platform}-${process.arch}`;
  const lib = join(dirname(compiler.resolve(`${binary}/package.json`)), "lib");
  const names = new Set(Object.getOwnPropertyNames(globalThis));
  for (const file of readdirSync(lib).filter((name) => /^lib\..*\.d\.ts$/.test(name))) {
    const text = readFileSync(join(lib, file), "utf8");
    for (const [, name = ""] of text.matchAll(
      /^(?:declare (?:var|function|class)|interface) (\w+)/gm,
    )) {
      names.add(name);
    }
  }
  return names;
}

/** Exported names of a package that are also globals, one sentence each. */
function shadowing({ dir, manifest }: Package, globals: ReadonlySet<string>): string[] {
  const sources = Object.values(manifest.exports ?? {})
    .filter((target) => !isInternal(target))
    .flatMap(filesOf)
    .filter((file) => /^\.\/src\/.*\.ts$/.test(file));
  return sources.flatMap((file) =>
    exportedNames(readFileSync(join(root, dir, file), "utf8"))
      .filter((name) => globals.has(name))
      .map((name) => `${manifest.name} ${file}: ${name} is the name of a global`),
  );
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
  const globals = globalNames();
  const found = packages.flatMap((each) => [
    ...brokenEntries(each, built, exists),
    ...shadowing(each, globals),
  ]);
  const what = built ? "sources and products" : "sources";
  return report("check-exports", found, `${packages.length} packages, all entries have ${what}`);
});
