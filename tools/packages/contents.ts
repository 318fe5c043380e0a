/**
 * What is in a package, read from the tarball that would be published.
 *
 * @module
 */
import type { Manifest, Names } from "../workspace.ts";

/** What is wrong with a packed package, one sentence each. */
export function wrongContents(manifest: Manifest, files: readonly string[]): string[] {
  const { name, scripts, dependencies = {}, peerDependencies = {} } = manifest;
  const found: string[] = [];
  for (const needed of ["LICENSE", "README.md", "package.json"]) {
    if (!files.includes(needed)) found.push(`${name}: there is no ${needed} in it`);
  }
  for (const file of files) {
    if (/^(test|coverage|node_modules)\/|^project\.json$|\.tsbuildinfo$/.test(file)) {
      found.push(`${name}: ${file} should not be published`);
    }
  }
  if (scripts !== undefined) found.push(`${name}: it has the scripts of this repository`);
  return [...found, ...wrongRanges(name, { ...dependencies, ...peerDependencies })];
}

/** An exact version would keep patches of a dependency from everyone who installed the package. */
function wrongRanges(name: string, ranges: Names): string[] {
  return Object.entries(ranges)
    .filter(([, range]) => !/^\^\d/.test(range))
    .map(([dependency, range]) => `${name}: ${dependency} is wanted as "${range}", not as ^x.y.z`);
}
