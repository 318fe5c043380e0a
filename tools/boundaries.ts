/**
 * The mistake it stops: a package that starts to depend on another that its layer may not use.
 * Nothing else would notice: the import resolves and the tests pass, and a year later `core` cannot be used in a
 * browser, or two packages cannot be built without each other.
 *
 * The table is the one of ARCHITECTURE.md. Dependencies for tests are arrows too. What is allowed within a package is in
 * rooms.ts.
 *
 *     node tools/boundaries.ts
 *
 * @module
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { command, report } from "./command.ts";
import { trespasses } from "./rooms.ts";
import {
  findFiles,
  readRoot,
  readText,
  readWorkspace,
  type Manifest,
  type Package,
} from "./workspace.ts";

interface Layer {
  /** What its sources may import, of this repository. */
  readonly uses: readonly string[] | "all";
  /** What only its tests may import, besides the testkit. */
  readonly tests?: readonly string[];
  /** What it publishes is a bundle, so what its sources use is not among its dependencies. */
  readonly bundled?: true;
  /** An application brings its own core. Libraries take their user's, or there would be two `Cmk`. */
  readonly application?: true;
}

/** It depends on no package of ours, so that the tests of every package may use it. */
const TESTKIT = "@env/testkit";

/** What the testkit may have of others: it bundles the programs that tests start. */
const BUNDLER = "esbuild";

const adapter: Layer = { uses: ["@env/core"], tests: ["@env/conformance", "@env/test-servers"] };

const layers: Readonly<Record<string, Layer>> = {
  [TESTKIT]: { uses: [] },
  "@env/core": { uses: [] },
  "@env/conformance": { uses: ["@env/core"] },
  "@env/node-stream": { uses: ["@env/core"] },
  "@env/native": { uses: ["@env/core"], tests: ["@env/conformance"] },
  "@env/kms": { uses: ["@env/core"] },
  "@env/local-file": { uses: ["@env/core", "@env/kms"], tests: ["@env/conformance"] },
  "@env/test-servers": { uses: ["@env/core", TESTKIT], application: true },
  // AWS KMS is, in its tests, our own KMS behind AWS's protocol.
  "@env/aws-kms": {
    ...adapter,
    tests: ["@env/conformance", "@env/kms", "@env/kms-server", "@env/test-servers"],
  },
  "@env/gcp-kms": adapter,
  "@env/vault-transit": adapter,
  // core is not its own arrow but the peer that kms asks for.
  "@env/kms-server": { uses: ["@env/core", "@env/kms"] },
  // Its pages run in a browser. What they have of others is types, and the catalogue of the KMS.
  "@env/console": { uses: ["@env/kms", "@env/kms-server"], bundled: true },
  "@env/s3": {
    uses: ["@env/core", "@env/node-stream"],
    tests: ["@env/aws-kms", "@env/kms", "@env/kms-server", "@env/test-servers"],
  },
  "@env/columns": { uses: ["@env/core"] },
  "@env/cli": {
    uses: [
      "@env/aws-kms",
      "@env/columns",
      "@env/console",
      "@env/core",
      "@env/gcp-kms",
      "@env/kms",
      "@env/kms-server",
      "@env/local-file",
      // Where it is installed.
      "@env/native",
      "@env/node-stream",
      "@env/s3",
      "@env/vault-transit",
    ],
    tests: ["@env/test-servers"],
    application: true,
  },
  "@env/tools": { uses: "all", application: true },
  // The examples, which have no package of their own.
  "@env/repo": { uses: "all", application: true },
};

export interface CheckedPackage {
  readonly dir: string;
  readonly manifest: Manifest;
  /** TypeScript files, by path relative to `dir`. */
  readonly files: Readonly<Record<string, string>>;
}

/** What is wrong with the packages, one sentence each. */
export function violations(packages: readonly CheckedPackage[]): string[] {
  return packages.flatMap((each) => {
    const { name } = each.manifest;
    const layer = Object.hasOwn(layers, name) ? layers[name] : undefined;
    if (layer === undefined) return [`${name} has no layer; give it one in tools/boundaries.ts`];
    return [...inManifest(each.manifest, layer), ...inFiles(each, layer)];
  });
}

function inManifest(manifest: Manifest, layer: Layer): string[] {
  const { name, devDependencies } = manifest;
  const shipped = shippedDependencies(manifest);
  const inTests = Object.keys(devDependencies ?? {});
  const found: string[] = [];
  if (name === "@env/core" || name === TESTKIT) {
    const all = [
      ...shipped.filter((each) => name !== TESTKIT || each !== BUNDLER),
      ...inTests.filter((each) => each !== TESTKIT),
    ];
    return all.map((each) => `${name} depends on ${each}; it depends on nothing, in tests too`);
  }
  for (const each of shipped.filter(isOurs)) {
    if (!mayUse(layer, each)) found.push(`${name} may not depend on ${each}`);
  }
  for (const each of inTests.filter(isOurs)) {
    if (each !== TESTKIT && !mayUse(layer, each) && !layer.tests?.includes(each)) {
      found.push(`${name} may not depend on ${each}, not even in tests`);
    }
  }
  const owned = { ...manifest.dependencies, ...manifest.optionalDependencies };
  if (Object.hasOwn(owned, "@env/core") && layer.application === undefined) {
    found.push(
      `${name} must have @env/core as a peer dependency: its user brings the one Cmk class`,
    );
  }
  return found;
}

function mayUse({ uses }: Layer, name: string): boolean {
  return uses === "all" || uses.includes(name);
}

function inFiles({ dir, manifest, files }: CheckedPackage, layer: Layer): string[] {
  const { name } = manifest;
  const shipped = new Set(shippedDependencies(manifest));
  const declared = new Set([...shipped, ...Object.keys(manifest.devDependencies ?? {})]);
  const forSources = layer.bundled === true ? declared : shipped;
  const found: string[] = [];
  for (const [file, text] of Object.entries(files)) {
    const inSources = file.startsWith("src/");
    const specifiers = importsOf(text);
    found.push(...trespasses(name, file, specifiers).map((problem) => `${dir}/${file} ${problem}`));
    for (const specifier of specifiers) {
      const used = packageOf(specifier);
      if (isOurs(used) && used !== name && !(inSources ? forSources : declared).has(used)) {
        found.push(`${dir}/${file} imports ${used}, which its package.json does not declare`);
      }
      const isSupport = !inSources && declared.has(supporter(dir, file, specifier) ?? "");
      if (leaves(dir, file, specifier) && !isSupport) {
        found.push(`${dir}/${file} imports ${specifier}: use the other package's exports`);
      }
      if (name === "@env/core" && inSources && !file.endsWith(".node.ts")) {
        if (isBuiltin(specifier) || specifier.endsWith(".node.ts")) {
          found.push(`${dir}/${file} imports ${specifier}; only *.node.ts files may`);
        }
      }
    }
  }
  return found;
}

/** Specifiers of static and dynamic imports and re-exports. Examples in comments do not count. */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(/^\s*(?:\/\*[\s\S]*?\*\/|\/\/.*)/gm, "");
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*(["'`])([^"'`\n]+)\1/g;
  return [...code.matchAll(pattern)].map((match) => match[2] ?? "");
}

/**
 * The package whose test support a file imports. Tests may use it where they may use the package: it is in no tarball,
 * so it cannot be among the exports.
 */
function supporter(dir: string, file: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const path = posix.join(dir, posix.dirname(file), specifier);
  const [, name] = /^packages\/([a-z0-9-]+)\/test\/support\//.exec(path) ?? [];
  return name === undefined ? undefined : `@env/${name}`;
}

function leaves(dir: string, file: string, specifier: string): boolean {
  if (!specifier.startsWith(".")) return false;
  const target = posix.join(dir, posix.dirname(file), specifier);
  return target.startsWith("packages/") && !target.startsWith(`${dir}/`);
}

function shippedDependencies(manifest: Manifest): string[] {
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
}

function isOurs(name: string): boolean {
  return name.startsWith("@env/");
}

function packageOf(specifier: string): string {
  return specifier.split("/").slice(0, 2).join("/");
}

await command(import.meta, () => {
  const examples: Package = { dir: "examples", manifest: readRoot() };
  const packages = [...readWorkspace(), examples].map(({ dir, manifest }) => {
    const paths = findFiles(`${dir}/**/*.{ts,tsx}`);
    const files = paths.map((path) => [path.slice(dir.length + 1), readText(path)] as const);
    return { dir, manifest, files: Object.fromEntries(files) };
  });
  return report(
    "boundaries",
    violations(packages),
    `${packages.length} packages keep their layers`,
  );
});
