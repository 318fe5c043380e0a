/**
 * The mistake it stops: a change of what programs import that nobody notices, in review or in the changelog. For each
 * published package, `api.txt` has the declarations of everything its entries export, as users' compilers see them.
 *
 *     node --conditions=@env/source tools/api-report.ts            writes them, from what was built
 *     node --conditions=@env/source tools/api-report.ts --check    fails where one differs, or where a package that
 *                                                                  differs from its last release has no changeset
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { command, report } from "./command.ts";
import { findFiles, isInternal, readPackages, readText, root, type Package } from "./workspace.ts";

const FILE = "api.txt";

/** The types of what a program can import, by the name that it imports: `@env/core/message`. */
function entriesOf({ dir, manifest }: Package): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === "string" || isInternal(target)) continue;
    const { types } = target;
    if (typeof types === "string")
      entries.set(join(manifest.name, subpath), join(root, dir, types));
  }
  return entries;
}

/** The report of a package: each exported name with its declarations, without comments and private members. */
function reportOf(program: ts.Program, pack: Package): string {
  const checker = program.getTypeChecker();
  const lines = [`The public API of ${pack.manifest.name}, written by tools/api-report.ts.`, ""];
  for (const [name, file] of entriesOf(pack)) {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${file} is not a module; build the packages first`);
    const declarations = checker
      .getExportsOfModule(module)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((symbol) => declarationsOf(symbol, checker));
    lines.push(`--- ${name}`, "", ...declarations, "");
  }
  return lines.join("\n");
}

const printer = ts.createPrinter({ removeComments: true });

function declarationsOf(exported: ts.Symbol, checker: ts.TypeChecker): string[] {
  const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
  const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
  const nodes = (symbol.declarations ?? []).map((node) =>
    ts.isVariableDeclaration(node) ? node.parent.parent : node,
  );
  if (nodes.length === 0) throw new Error(`${exported.name} has no declaration`);
  const texts = nodes.map((node) => textOf(node));
  // Another package's name, or one that is exported under a second name.
  if (symbol.name !== exported.name) return [`// ${exported.name} is`, ...texts];
  return texts;
}

function textOf(node: ts.Node): string {
  const text = printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile());
  const kept = text.split("\n").filter((line) => !/^\s*(?:#\w+;|private )/.test(line));
  return kept.join("\n").replace(/^export (?:declare )?/, "");
}

/** The packages whose report differs from that of the last tagged release; all of them before the first. */
function changedPackages(): string[] {
  const [tag] = git("tag", "--list", "v*", "--sort=-version:refname").split("\n");
  return readPackages()
    .filter(({ dir }) => {
      const before = tag === undefined || tag === "" ? "" : git("show", `${tag}:${dir}/${FILE}`);
      return before.trim() !== readText(`${dir}/${FILE}`).trim();
    })
    .map(({ manifest }) => manifest.name);
}

function git(...args: readonly string[]): string {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout;
}

/**
 * The packages that no changeset names, one sentence each.
 *
 * @param changed - Names of packages.
 * @param changesets - Their texts: names in front matter, as `"@env/core": minor`.
 */
export function withoutChangeset(
  changed: readonly string[],
  changesets: readonly string[],
): string[] {
  return changed
    .filter((name) => !changesets.some((text) => text.split("---")[1]?.includes(`"${name}":`)))
    .map((name) => `${name} has another API than its last release, and no changeset says so`);
}

await command(import.meta, ([option]) => {
  const packages = readPackages();
  const rootNames = packages.flatMap((pack) => [...entriesOf(pack).values()]);
  const program = ts.createProgram({
    rootNames,
    options: {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      types: [],
      skipLibCheck: true,
      noEmit: true,
    },
  });
  const found: string[] = [];
  for (const pack of packages) {
    const file = `${pack.dir}/${FILE}`;
    const text = reportOf(program, pack);
    const before = existsSync(join(root, file)) ? readText(file) : "";
    if (before === text) continue;
    if (option === "--check") {
      found.push(`${file} is out of date: node --conditions=@env/source tools/api-report.ts`);
    } else writeFileSync(join(root, file), text);
  }
  if (option === "--check") {
    const changesets = findFiles(".changeset/*.md").map(readText);
    found.push(...withoutChangeset(changedPackages(), changesets));
  }
  return report("api-report", found, `the public APIs of ${packages.length} packages are in git`);
});
