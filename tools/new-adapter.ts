/**
 * Makes the package of an adapter for another KMS, which passes the conformance suite from the start against a KMS
 * in memory. What is left is to replace that KMS by the real one, file by file.
 *
 *     pnpm new-adapter oci-kms "OCI Vault"
 *
 * It copies `tools/new-adapter/template` under another name and adds the package to the lists that name all of them.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { derivedMembers } from "./check-manifests.ts";
import { command } from "./command.ts";
import { findFiles, readRoot, readText, root } from "./workspace.ts";

const TEMPLATE = "tools/new-adapter/template";

/** The name of a package and of its URIs' scheme. */
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** The files of a new adapter's package, and those of the repository that name it, by path. */
export function filesOf(name: string, kms: string): Map<string, string> {
  const dir = `packages/${name}`;
  const files = new Map<string, string>();
  for (const file of findFiles(`${TEMPLATE}/**/*.{ts,md}`)) {
    files.set(dir + file.slice(TEMPLATE.length), renamed(readText(file), name, kms));
  }
  const json = (file: string, content: object): void => {
    files.set(`${dir}/${file}`, `${JSON.stringify(content, null, 2)}\n`);
  };
  json("package.json", manifestOf(name, kms, dir));
  json("tsconfig.json", { extends: "../../tsconfig.base.json", references: [{ path: "../core" }] });
  json("project.json", {
    $schema: "../../node_modules/nx/schemas/project-schema.json",
    name: `@env/${name}`,
    targets: { build: {}, test: {} },
  });
  for (const [file, pattern, line] of listsWith(name)) {
    files.set(file, inserted(readText(file), pattern, line));
  }
  return files;
}

function manifestOf(name: string, kms: string, dir: string): object {
  const { engines, ...derived } = derivedMembers(readRoot(), dir);
  const entry = {
    "@env/source": "./src/index.ts",
    types: "./dist/index.d.ts",
    default: "./dist/index.js",
  };
  return {
    name: `@env/${name}`,
    version: "0.0.0",
    description: `CMKs in ${kms} for @env/core.`,
    keywords: ["encryption", "envelope-encryption", "kms"],
    ...derived,
    files: ["dist", "!dist/.tsbuildinfo", "src"],
    sideEffects: false,
    exports: { ".": entry, "./package.json": "./package.json" },
    publishConfig: { access: "public" },
    devDependencies: { "@env/conformance": "workspace:^", "@env/core": "workspace:^" },
    peerDependencies: { "@env/core": "workspace:^" },
    engines,
  };
}

/** The lists of all packages: the file, what an entry looks like with its name in a group, and the new entry. */
function listsWith(name: string): (readonly [file: string, pattern: RegExp, entry: string])[] {
  return [
    [
      "tsconfig.json",
      /^ {4}\{\n {6}"path": "packages\/([\w-]+)"\n {4}\},?\n/gm,
      `    {\n      "path": "packages/${name}"\n    },\n`,
    ],
    ["vitest.config.ts", /^ {6}project\("([\w-]+)".*\),\n/gm, `      project("${name}"),\n`],
    ["tools/boundaries.ts", /^ {2}"@env\/([\w-]+)": adapter,\n/gm, `  "@env/${name}": adapter,\n`],
    [
      "tools/package.json",
      /^ {4}"@env\/([\w-]+)": "workspace:\^",\n/gm,
      `    "@env/${name}": "workspace:^",\n`,
    ],
  ];
}

/** Inserts an entry in front of the first one with a later name. */
export function inserted(text: string, pattern: RegExp, entry: string): string {
  const [, name = ""] = new RegExp(pattern, "m").exec(entry) ?? [];
  const entries = [...text.matchAll(pattern)];
  const later = entries.find(([, other = ""]) => other > name);
  const last = entries.at(-1);
  if (name === "" || last === undefined)
    throw new Error(`there is no list like ${String(pattern)}`);
  // Behind the last one of a list of JSON there is no comma; one is never the last here, but in front of it.
  const at = later?.index ?? last.index;
  return text.slice(0, at) + entry + text.slice(at);
}

/** The template's text with the names of another adapter. */
function renamed(text: string, name: string, kms: string): string {
  const pascal = name.replaceAll(/(?:^|-)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1);
  return text
    .replaceAll("acme-kms", name)
    .replaceAll("AcmeKms", pascal)
    .replaceAll("acmeKms", camel)
    .replaceAll("AcmeFault", `${pascal}Fault`)
    .replaceAll("Acme KMS", kms);
}

await command(import.meta, ([name = "", kms = name, ...more]) => {
  if (!NAME.test(name) || more.length > 0) {
    console.error('new-adapter: pnpm new-adapter <name, like oci-kms> ["the name of the KMS"]');
    return 2;
  }
  if (existsSync(join(root, "packages", name))) {
    console.error(`new-adapter: packages/${name} is there already`);
    return 1;
  }
  for (const [file, text] of filesOf(name, kms)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
    console.log(file);
  }
  console.log(`
Next:

    pnpm install
    pnpm fix                                        # formats lines that the name made longer
    pnpm exec vitest run --project @env/${name}     # passes, against a KMS in memory

Then replace, in packages/${name}, the client in src/client.ts and src/calls.ts, the errors in src/errors.ts, and the
KMS in test/support. "Adding an adapter" in CONTRIBUTING.md says the rest; check-adapters names what is missing.`);
  return 0;
});
