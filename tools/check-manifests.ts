/**
 * The mistake it stops: published packages that say different things about themselves, or something
 * else than the documentation. What all of them share is written once: the licence and the repository
 * in the root's `package.json`, the versions of Node here. npm's page of a package, its provenance and
 * its search need the rest.
 *
 *     node tools/check-manifests.ts            fails if a package differs
 *     node tools/check-manifests.ts --write    corrects what can be derived, and links in documents
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { command, report } from "./command.ts";
import { OLDEST_TYPESCRIPT } from "./packages/types.ts";
import {
  findFiles,
  readPackages,
  readRoot,
  readText,
  repositoryPage,
  root,
  type Manifest,
  type Package,
} from "./workspace.ts";

/**
 * The versions of Node that packages run on: the first of each line whose SQLite cannot lose changes.
 * The root's own range is smaller, since the sources use `using`.
 */
export const NODE_VERSIONS = "^22.22.3 || ^24.15.0 || >=25.9.0";

const REQUIREMENTS = "docs/requirements.md";

/** The members of a package's manifest that follow from the repository's. */
export function derivedMembers(repository: Manifest, dir: string): Partial<Manifest> {
  const { license, bugs, type } = repository;
  const url = repository.repository?.url ?? "";
  return {
    homepage: `${repositoryPage(repository)}/tree/main/${dir}#readme`,
    ...(bugs !== undefined && { bugs }),
    ...(license !== undefined && { license }),
    repository: { type: "git", url, directory: dir },
    ...(type !== undefined && { type }),
    engines: { node: NODE_VERSIONS },
  };
}

/** What is wrong with a package's manifest, one sentence each. */
export function wrongMembers(repository: Manifest, { dir, manifest }: Package): string[] {
  const found: string[] = [];
  for (const [name, expected] of Object.entries(derivedMembers(repository, dir))) {
    const actual: unknown = Reflect.get(manifest, name);
    if (!isDeepStrictEqual(actual, expected)) {
      found.push(`${dir}/package.json: "${name}" must be ${JSON.stringify(expected)}`);
    }
  }
  if ((manifest.description ?? "") === "") found.push(`${dir}/package.json has no description`);
  if ((manifest.keywords ?? []).length === 0) found.push(`${dir}/package.json has no keywords`);
  if (manifest.scripts !== undefined) {
    found.push(`${dir}/package.json has scripts; they would be published, use ${dir}/project.json`);
  }
  return found;
}

/** What the page of requirements leaves out, one sentence each. */
export function wrongRequirements(page: string): string[] {
  const typescript = OLDEST_TYPESCRIPT.split(".").slice(0, 2).join(".");
  const needed = [
    ...NODE_VERSIONS.split(" || ").map((range) => `\`${range}\``),
    `${typescript} or later`,
  ];
  return needed
    .filter((text) => !page.includes(text))
    .map((text) => `${REQUIREMENTS} does not say ${text}`);
}

/** After a move of the repository, its old address is still in the packages' manifests. */
function moveLinks(packages: readonly Package[], page: string): void {
  const before = new Set(packages.map(({ manifest }) => repositoryPage(manifest)));
  for (const file of findFiles("*.md", "docs/**/*.md", "packages/*/*.md")) {
    const text = readText(file);
    let moved = text;
    for (const old of before) if (old !== "") moved = moved.replaceAll(`${old}/`, `${page}/`);
    if (moved !== text) writeFileSync(join(root, file), moved);
  }
}

await command(import.meta, (args) => {
  const repository = readRoot();
  let packages = readPackages();
  if (args.includes("--write")) {
    moveLinks(packages, repositoryPage(repository));
    for (const { dir, manifest } of packages) {
      const corrected = { ...manifest, ...derivedMembers(repository, dir) };
      writeFileSync(
        join(root, dir, "package.json"),
        `${JSON.stringify(corrected, undefined, 2)}\n`,
      );
    }
    packages = readPackages();
  }
  const found = [
    ...packages.flatMap((each) => wrongMembers(repository, each)),
    ...wrongRequirements(readText(REQUIREMENTS)),
  ];
  return report("check-manifests", found, `the manifests of ${packages.length} packages agree`);
});
