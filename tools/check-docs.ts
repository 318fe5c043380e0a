/**
 * The mistake it stops: documentation that was true once. All `ts` code in Markdown files is
 * type-checked against the sources, what is marked `ts run` is run by node in an empty folder, and
 * relative links and their anchors must lead somewhere, also those in source comments. Documents,
 * sources and tools keep to the style list of `style.ts`.
 *
 * Code that is not a whole program uses names that a comment in its document declares:
 *
 *     <!-- ts
 *     declare const envelope: import("@env/core").Envelope;
 *     -->
 *
 *     node --conditions=@env/source tools/check-docs.ts
 *     node --conditions=@env/source tools/check-docs.ts --style packages/core spec
 *
 * The second form lists only what the style list finds in these files and folders.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { command, report } from "./command.ts";
import { anchorsOf, fencesOf, linksOf, preludeOf, type Fence } from "./markdown.ts";
import { bannedForms, styleOf } from "./style.ts";
import { findFiles, readText, root } from "./workspace.ts";

const RUN_TIMEOUT_MS = 30_000;

export interface Documents {
  /** Paths relative to the repository. */
  readonly markdown: readonly string[];
  /** TypeScript files, whose comments may refer to documents. */
  readonly sources: readonly string[];
  readonly read: (file: string) => string;
  readonly exists: (file: string) => boolean;
}

/** Links that lead nowhere, one sentence each. */
export function brokenLinks({ markdown, sources, read, exists }: Documents): string[] {
  const found: string[] = [];
  const check = (place: string, file: string, anchor: string | undefined): void => {
    if (!exists(file)) found.push(`${place}: there is no ${file}`);
    else if (anchor !== undefined && file.endsWith(".md") && !anchorsOf(read(file)).has(anchor)) {
      found.push(`${place}: ${file} has no heading for #${anchor}`);
    }
  };
  for (const document of markdown) {
    for (const { line, target } of linksOf(read(document))) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? document : posix.join(posix.dirname(document), path);
      check(`${document}:${line}`, file, anchor);
    }
  }
  for (const source of sources) {
    for (const { file, anchor } of references(read(source))) check(source, file, anchor);
  }
  return found;
}

/** `spec/envelope-v1.md#encrypting, #decrypting` in a comment: a document and headings of it. */
export function references(text: string): { file: string; anchor: string | undefined }[] {
  const pattern = /\b((?:spec|docs)\/[\w./-]+\.md)((?:,? ?#[\w-]+)*)/g;
  return [...text.matchAll(pattern)].flatMap(([, file = "", anchors = ""]) => {
    const names = [...anchors.matchAll(/#([\w-]+)/g)].map((match) => match[1]);
    return (names.length === 0 ? [undefined] : names).map((anchor) => ({ file, anchor }));
  });
}

/** Type errors and failed runs of a document's code, one paragraph each. */
export function brokenCode(document: string, markdown: string): string[] {
  const fences = fencesOf(markdown).filter(({ info }) => /^ts\b/.test(info));
  if (fences.length === 0) return [];
  const outer = mkdtempSync(join(tmpdir(), "env-docs-"));
  const folder = join(outer, "tools");
  try {
    // The code sees the packages that a file of this workspace's tools sees.
    mkdirSync(folder);
    symlinkSync(join(root, "node_modules"), join(outer, "node_modules"));
    symlinkSync(join(root, "tools/node_modules"), join(folder, "node_modules"));
    writeProject(folder, fences, preludeOf(markdown));
    const errors = typeErrors(document, folder);
    if (errors.length > 0) return errors;
    const programs = fences.filter(({ info }) => info === "ts run");
    return programs.flatMap((fence) => run(document, folder, fence));
  } finally {
    rmSync(outer, { recursive: true });
  }
}

/** One module per piece of code, and a script whose declarations all of them see. */
function writeProject(folder: string, fences: readonly Fence[], prelude: string): void {
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  write("package.json", JSON.stringify({ type: "module" }));
  write("globals.ts", prelude);
  for (const fence of fences) write(`${fence.line}.ts`, `${fence.code}\nexport {};\n`);
  const compilerOptions = {
    composite: false,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    moduleDetection: "legacy",
    noEmit: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
    rootDir: "/",
    tsBuildInfoFile: null,
  };
  const files = ["globals.ts", ...fences.map(({ line }) => `${line}.ts`)];
  const base = join(root, "tsconfig.base.json");
  write("tsconfig.json", JSON.stringify({ extends: base, compilerOptions, include: [], files }));
}

function typeErrors(document: string, folder: string): string[] {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const options = { cwd: folder, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [tsc, "-p", ".", "--pretty", "false"],
    options,
  );
  if (status === 0) return [];
  const lines = `${stdout}${stderr}`.trim().split("\n");
  return lines.map((line) => {
    const match = /^(\d+)\.ts\((\d+),\d+\): (.*)$/.exec(line);
    if (match === null) return `${document}: ${line}`;
    return `${document}:${Number(match[1]) + Number(match[2]) - 1}: ${match[3]}`;
  });
}

function run(document: string, folder: string, { line }: Fence): string[] {
  const cwd = join(folder, `run-${line}`);
  mkdirSync(cwd);
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    ["--conditions=@env/source", join(folder, `${line}.ts`)],
    { cwd, encoding: "utf8", timeout: RUN_TIMEOUT_MS },
  );
  if (status === 0) return [];
  return [
    `${document}:${line}: the program failed\n${error?.message ?? ""}${stdout}${stderr}`.trim(),
  ];
}

await command(import.meta, ([option, ...places]) => {
  const markdown = findFiles("**/*.md", ".changeset/*.md").filter(
    (file) => !file.endsWith("CHANGELOG.md"),
  );
  const sources = findFiles("packages/*/src/**/*.ts");
  // Tests are left out: their names follow other rules, and those of this check quote the list.
  const tools = findFiles("tools/**/*.ts", "examples/**/*.ts").filter(
    (file) => !file.startsWith("tools/test/"),
  );
  const written = [...markdown, ...sources, ...tools];
  if (option === "--style") {
    const asked = written.filter((file) => places.some((place) => file.startsWith(place)));
    const forms = asked.flatMap((file) => bannedForms(file, readText(file)));
    return report("check-docs", forms, `${asked.length} files have no banned form`);
  }
  const exists = (file: string): boolean => existsSync(join(root, file));
  const found = [
    ...styleOf(written, readText),
    ...brokenLinks({ markdown, sources, read: readText, exists }),
    ...markdown.flatMap((file) => brokenCode(file, readText(file))),
  ];
  return report("check-docs", found, `${markdown.length} documents, links and code are good`);
});
