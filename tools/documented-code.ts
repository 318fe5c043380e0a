/**
 * Code in documents, and the examples that a document shows the output of: type-checked and run.
 *
 * @module
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { startS3Server } from "@env/test-servers/s3";
import { startPostgres } from "@env/testkit/postgres";
import { generatePrisma } from "@env/testkit/prisma";
import { fencesOf, preludeOf, type Fence } from "./markdown.ts";
import { readPackages, root } from "./workspace.ts";

/** Only programs that hang take longer. */
const RUN_TIMEOUT_MS = 600_000;
/** Imports of packages lead to their sources. */
const SOURCES = "--conditions=@env/source";

/** A document's code, written into a folder of its own. */
interface Written {
  readonly document: string;
  readonly markdown: string;
  readonly fences: readonly Fence[];
  /** Names of the files that the document shows. */
  readonly files: readonly string[];
  readonly folder: string;
  /** Whether there is something to type-check. */
  readonly typed: boolean;
}

/**
 * Type errors and failed runs of the documents' code, one paragraph each. All documents are compiled by one process, and
 * two at a time are run.
 *
 * @param documents - Their Markdown, by path.
 */
export async function brokenCode(documents: Readonly<Record<string, string>>): Promise<string[]> {
  const outer = mkdtempSync(join(tmpdir(), "env-docs-"));
  try {
    symlinkSync(join(root, "node_modules"), join(outer, "node_modules"));
    const written = Object.entries(documents).flatMap(([document, markdown], index) =>
      writeDocument(document, markdown, join(outer, String(index))),
    );
    const errors = typeErrors(written.filter(({ typed }) => typed));
    const found = new Map(written.map(({ document }) => [document, errors.get(document) ?? []]));
    const waiting = written.filter(({ document }) => found.get(document)?.length === 0).values();
    const runWaiting = async (): Promise<void> => {
      for (const each of waiting) {
        found.set(each.document, await withServers(each.markdown, (env) => runAll(each, env)));
      }
    };
    await Promise.all([runWaiting(), runWaiting()]);
    return [...(errors.get(NO_DOCUMENT) ?? []), ...[...found.values()].flat()];
  } finally {
    rmSync(outer, { recursive: true });
  }
}

/** Writes the code of a document that has some to compile or run. */
function writeDocument(document: string, markdown: string, outer: string): Written[] {
  const fences = fencesOf(markdown);
  const modules = fences.filter(({ info }) => /^ts\b/.test(info) && nameOf(info) === undefined);
  const typed = modules.length > 0;
  if (!typed && !fences.some(({ info }) => info === "sh run")) return [];
  // The code sees the packages that a file of this workspace's tools sees.
  const folder = join(outer, "tools");
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(root, "tools/node_modules"), join(folder, "node_modules"));
  const files = writeFiles(folder, fences);
  writeProject(folder, modules, preludeOf(markdown));
  return [{ document, markdown, fences, files, folder, typed }];
}

/** The name of the file that a piece of code is: `ts tables.ts`. */
function nameOf(info: string): string | undefined {
  return /^(?:ts|prisma) ([\w-]+\.\w+)$/.exec(info)?.[1];
}

/** Writes the files that a document shows, and a Prisma Client for its schema. Returns their names. */
function writeFiles(folder: string, fences: readonly Fence[]): string[] {
  const names: string[] = [];
  for (const { info, code } of fences) {
    const name = nameOf(info);
    if (name === undefined) continue;
    names.push(name);
    writeFileSync(join(folder, name), code);
    if (name === "schema.prisma") generatePrisma(folder);
  }
  return names;
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
  // Without the references, every document would be checked together with the sources that it imports.
  const references = readPackages().map(({ dir }) => ({ path: join(root, dir) }));
  const project = { extends: base, compilerOptions, include: [], files, references };
  write("tsconfig.json", JSON.stringify(project));
}

/** Where errors are kept that are in no document: those of the packages. */
const NO_DOCUMENT = "";

/** What the compiler says about each document, after it has built the packages where they are not. */
function typeErrors(written: readonly Written[]): Map<string, string[]> {
  const errors = new Map<string, string[]>();
  if (written.length === 0) return errors;
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const folders = written.map(({ folder }) => folder);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [tsc, "-b", ...folders, "--pretty", "false"],
    { cwd: root, encoding: "utf8" },
  );
  if (status === 0) return errors;
  // The lines that explain an error are indented.
  for (const text of `${stdout}${stderr}`.trim().split(/\n(?! )/)) {
    const [, path = "", line, problem = text] = /^(.*)\((\d+),\d+\): (.*)$/s.exec(text) ?? [];
    const at = written.find(({ folder }) => join(root, dirname(path)) === folder);
    const document = at?.document ?? NO_DOCUMENT;
    const first = Number.parseInt(basename(path), 10);
    const sentence = Number.isNaN(first)
      ? `${document}: ${basename(path)}: ${problem}`
      : `${document}:${first + Number(line) - 1}: ${problem}`;
    const found = at === undefined ? text : sentence;
    errors.set(document, [...(errors.get(document) ?? []), found]);
  }
  return errors;
}

/** The bucket that a document's programs need, in its comment `<!-- s3: bucket -->`. */
function bucketOf(markdown: string): string | undefined {
  return /^<!-- s3: (\S+) -->$/m.exec(markdown)?.[1];
}

function needsPostgres(markdown: string): boolean {
  return markdown.includes("<!-- postgres -->");
}

/** Whether the programs of a document need a server beside them. */
export function needsServer(markdown: string): boolean {
  return bucketOf(markdown) !== undefined || needsPostgres(markdown);
}

/** Runs with the variables of a store in place of Amazon S3 and of a new PostgreSQL, if the document needs them. */
async function withServers(
  markdown: string,
  run: (env: NodeJS.ProcessEnv) => Promise<string[]>,
): Promise<string[]> {
  if (needsPostgres(markdown)) {
    const postgres = await startPostgres({ settings: { fsync: "off" } });
    if (typeof postgres === "string") {
      console.warn(`check-docs: programs of a document are not run, because ${postgres}`);
      return [];
    }
    try {
      return await run({ DATABASE_URL: postgres.url });
    } finally {
      await postgres.stop();
    }
  }
  const bucket = bucketOf(markdown);
  if (bucket === undefined) return run({});
  await using server = await startS3Server({ buckets: [bucket] });
  const { region, credentials } = server.clientOptions;
  return await run({
    AWS_ENDPOINT_URL_S3: server.url,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
}

/** What a reader runs, in order and in one folder: commands once, programs twice. */
async function runAll(
  { document, folder, fences, files }: Written,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const cwd = join(folder, "run");
  mkdirSync(cwd);
  for (const name of files) symlinkSync(join(folder, name), join(cwd, name));
  for (const { info, line, code } of fences) {
    const run = (): Promise<Result> =>
      info === "sh run"
        ? runCommands(code, cwd, env)
        : runProgram(join(folder, `${line}.ts`), cwd, env);
    const times = info === "sh run" ? 1 : info === "ts run" ? 2 : 0;
    for (let time = 1; time <= times; time++) {
      const { problem } = await run();
      if (problem !== undefined) {
        return [`${document}:${line}: it failed, run number ${time}\n${problem}`];
      }
    }
  }
  return [];
}

/** Examples that fail, or whose output is not what the fence `text <file>` of the document shows. */
export async function brokenExamples(
  document: string,
  markdown: string,
  examples: readonly string[],
): Promise<string[]> {
  const fences = fencesOf(markdown).filter(({ info }) => info.startsWith("text "));
  const shown = new Map(fences.map(({ info, code }) => [info.slice("text ".length), code]));
  const found: string[] = [];
  for (const name of examples) {
    const expected = shown.get(name);
    if (expected === undefined) {
      found.push(`${document}: the output of ${name} is not shown; add it as \`text ${name}\``);
      continue;
    }
    const cwd = mkdtempSync(join(tmpdir(), "env-docs-"));
    try {
      const { output, problem } = await runProgram(join(root, posix.dirname(document), name), cwd);
      if (problem !== undefined) found.push(`${document}: ${name} failed\n${problem}`);
      else if (output !== expected) {
        found.push(`${document}: the output of ${name} is another now:\n${output.trimEnd()}`);
      }
    } finally {
      rmSync(cwd, { recursive: true });
    }
  }
  return found;
}

interface Result {
  readonly output: string;
  readonly problem?: string;
}

function runProgram(file: string, cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return runFile(process.execPath, [SOURCES, file], cwd, env);
}

/** `envelope` is the command of this workspace. */
function runCommands(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Result> {
  const envelope = `"${process.execPath}" ${SOURCES} "${root}/packages/cli/src/bin.ts"`;
  return runFile("sh", ["-ec", shellScript(script, envelope)], cwd, env);
}

/** A script in which `envelope` starts a command, and so does what `npx` finds for it. */
export function shellScript(script: string, envelope: string): string {
  return [
    `envelope() { command ${envelope} "$@"; }`,
    `npx() { [ "$1 $3" = "-y envelope" ] || return 1; shift 2; "$@"; }`,
    script,
  ].join("\n");
}

function runFile(
  file: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Result> {
  const options = { cwd, timeout: RUN_TIMEOUT_MS, env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ output: stdout });
      else resolve({ output: stdout, problem: `${error.message}\n${stdout}${stderr}`.trim() });
    });
    child.stdin?.end();
  });
}
