/**
 * The packages of this repository, as the checks see them.
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Names = Readonly<Record<string, string>>;

/** The target of an `exports` or `imports` condition. */
export type Target = string | { readonly [condition: string]: Target };

export interface Manifest {
  readonly name: string;
  readonly version?: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly homepage?: string;
  readonly bugs?: string;
  readonly license?: string;
  readonly repository?: {
    readonly type: string;
    readonly url: string;
    readonly directory?: string;
  };
  readonly type?: string;
  readonly engines?: Names;
  readonly scripts?: Names;
  readonly packageManager?: string;
  readonly bin?: Names;
  readonly exports?: Readonly<Record<string, Target>>;
  readonly imports?: Readonly<Record<string, Target>>;
  readonly dependencies?: Names;
  readonly devDependencies?: Names;
  readonly optionalDependencies?: Names;
  /** Platforms that there is an addon for, and the name of each in Rust. */
  readonly addons?: Names;
  readonly files?: readonly string[];
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly peerDependencies?: Names;
}

export interface Package {
  /** Folder, relative to the repository: `packages/core`. */
  readonly dir: string;
  readonly manifest: Manifest;
}

/** Made by the build of conformance from `spec/vectors`. */
const COPIED_VECTORS = "packages/conformance/vectors/";

/** The repository's folder. */
export const root: string = join(import.meta.dirname, "..");

/** All packages, by folder, the tools among them. */
export function readWorkspace(): Package[] {
  const files = globSync(["packages/*/package.json", "tools/package.json"], {
    cwd: root,
  }).toSorted();
  return files.map((file) => ({
    dir: file.slice(0, -"/package.json".length).replaceAll("\\", "/"),
    manifest: JSON.parse(readFileSync(join(root, file), "utf8")) as Manifest,
  }));
}

/** The packages that are published, by folder. */
export function readPackages(): Package[] {
  return readWorkspace().filter(({ manifest }) => manifest.private !== true);
}

/** Whether an entry is there for sources only: nothing else than this workspace's tools gets it. */
export function isInternal(target: Target): boolean {
  return typeof target !== "string" && Object.keys(target).join() === "@env/source";
}

/** The manifest of the repository itself. */
export function readRoot(): Manifest {
  return JSON.parse(readText("package.json")) as Manifest;
}

/** The address of a repository's page: `https://example.com/owner/name`. */
export function repositoryPage({ repository }: Manifest = readRoot()): string {
  return (repository?.url ?? "").replace(/^git\+/, "").replace(/\.git$/, "");
}

/** Files by glob, relative to the repository, without what was installed, built or generated. */
export function findFiles(...patterns: readonly string[]): string[] {
  const skip = new Set(["node_modules", "dist", "target", "coverage", "generated", ".git", ".nx"]);
  const files = globSync([...patterns], {
    cwd: root,
    // Gets names in one version of Node and paths in another.
    exclude: (path) => skip.has(path.split(/[/\\]/).at(-1) ?? ""),
  });
  const paths = files.map((file) => file.replaceAll("\\", "/"));
  return paths.filter((path) => !path.startsWith(COPIED_VECTORS)).toSorted();
}

export function readText(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
