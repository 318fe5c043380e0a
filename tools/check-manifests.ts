/**
 * The mistake it stops: published packages that say different things about themselves. What all of
 * them share (licence, engines, repository) is written once, in the `package.json` of the repository;
 * npm's page of a package, its provenance and its search need the rest.
 *
 *     node tools/check-manifests.ts            fails if a package differs
 *     node tools/check-manifests.ts --write    corrects what can be derived
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { command, report } from "./command.ts";
import { readPackages, readRoot, root, type Manifest, type Package } from "./workspace.ts";

/** The members of a package's manifest that follow from the repository's. */
export function derivedMembers(repository: Manifest, dir: string): Partial<Manifest> {
  const { license, engines, bugs, type } = repository;
  const url = repository.repository?.url ?? "";
  const page = url.replace(/^git\+/, "").replace(/\.git$/, "");
  return {
    homepage: `${page}/tree/main/${dir}#readme`,
    ...(bugs !== undefined && { bugs }),
    ...(license !== undefined && { license }),
    repository: { type: "git", url, directory: dir },
    ...(type !== undefined && { type }),
    ...(engines !== undefined && { engines }),
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

await command(import.meta, (args) => {
  const repository = readRoot();
  let packages = readPackages();
  if (args.includes("--write")) {
    for (const { dir, manifest } of packages) {
      const corrected = { ...manifest, ...derivedMembers(repository, dir) };
      writeFileSync(
        join(root, dir, "package.json"),
        `${JSON.stringify(corrected, undefined, 2)}\n`,
      );
    }
    packages = readPackages();
  }
  const found = packages.flatMap((each) => wrongMembers(repository, each));
  return report("check-manifests", found, `the manifests of ${packages.length} packages agree`);
});
