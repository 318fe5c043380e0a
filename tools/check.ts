/**
 * Runs every check: every target of every project, and fuzzing if told to. It continues after a failed
 * check, so that one run shows everything.
 *
 * The mistake it stops: two lists of checks, by one of which a change is green that is red by the other.
 * `.ci/run` is an installation and this.
 *
 *     node tools/check.ts                all checks; the results for what is unchanged are cached
 *     node tools/check.ts --fuzz 60      and a minute of fuzzing
 *
 * Where `CI` is set, nothing is taken from the cache. The last lines are the end of what failed checks printed,
 * the checks and how they ended, the tests that failed, and the count of tests.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";
import { countTests, summary } from "./count-tests.ts";
import { findFiles, readText, root } from "./workspace.ts";

/** Where the targets `test` write vitest's reports. Not in the repository. */
const REPORTS = join(root, ".reports");

/** Where nx writes how its last run went, and the output of each task in a folder beside it. */
const NX_CACHE = ".nx/cache";

/** How many of its last lines are repeated of a failed check. */
const REPEATED_LINES = 40;

export interface Result {
  /** `project:target` */
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** The name of nx's file with what the check printed. */
  readonly hash?: string;
}

/** The checks that `project.json` files define, as nx names them. */
export function checksOf(projects: readonly string[]): string[] {
  return projects.flatMap((text) => {
    const { name, targets } = JSON.parse(text) as { name: string; targets: object };
    return Object.keys(targets).map((target) => `${name}:${target}`);
  });
}

/**
 * How each check ended, in the order in which they ended. One of which nx says nothing has failed.
 *
 * @param run - What nx wrote about its run.
 */
export function resultsOf(checks: readonly string[], run: string): Result[] {
  const { tasks } = JSON.parse(run) as {
    readonly tasks: readonly {
      readonly taskId: string;
      readonly hash: string;
      readonly startTime: string;
      readonly endTime: string;
      /** The exit code. */
      readonly status: number;
    }[];
  };
  const ended = tasks.map(({ taskId, hash, startTime, endTime, status }) => ({
    name: taskId,
    passed: status === 0,
    seconds: (Date.parse(endTime) - Date.parse(startTime)) / 1000,
    hash,
  }));
  const names = new Set(ended.map(({ name }) => name));
  const missing = checks.filter((name) => !names.has(name));
  return [...ended, ...missing.map((name) => ({ name, passed: false, seconds: 0 }))];
}

/** The end of what a failed check printed, under its name. Failed tests are in the count instead. */
export function repeated(
  results: readonly Result[],
  read: (hash: string) => string | undefined,
): string[] {
  return results.flatMap(({ name, passed, hash }) => {
    if (passed || hash === undefined || name.endsWith(":test")) return [];
    const lines = read(hash)?.trimEnd().split("\n") ?? [];
    return [`--- ${name}`, ...lines.slice(-REPEATED_LINES), ""];
  });
}

function outputOf(hash: string): string | undefined {
  const file = `${NX_CACHE}/terminalOutputs/${hash}`;
  return existsSync(join(root, file)) ? readText(file) : undefined;
}

/** `ok         3 s  @env/core:test` */
export function summaryLine({ name, passed, seconds }: Result): string {
  return `${passed ? "ok    " : "FAILED"} ${String(Math.round(seconds)).padStart(5)} s  ${name}`;
}

/** Runs the checks, two at a time, and prints what they print, each line with its project. */
function runChecks(): Result[] {
  const checks = checksOf(
    findFiles("project.json", "*/project.json", "packages/*/project.json").map(readText),
  );
  const targets = new Set(checks.map((name) => name.slice(name.lastIndexOf(":") + 1)));
  const run = `${NX_CACHE}/run.json`;
  rmSync(join(root, run), { force: true });
  const args = ["run-many", "--output-style=stream", "-t", ...targets];
  if (process.env["CI"] !== undefined) args.push("--skip-nx-cache");
  spawnSync(join(root, "node_modules/.bin/nx"), args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, NX_DAEMON: "false" },
  });
  return resultsOf(checks, existsSync(join(root, run)) ? readText(run) : '{"tasks":[]}');
}

function fuzz(name: string, tool: string, ...args: readonly string[]): Result {
  const started = performance.now();
  const file = ["--conditions=@env/source", join(import.meta.dirname, tool)];
  const { status } = spawnSync(process.execPath, [...file, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return {
    name,
    passed: status === 0,
    seconds: (performance.now() - started) / 1000,
  };
}

await command(import.meta, ([option, seconds]) => {
  if (option !== undefined && (option !== "--fuzz" || seconds === undefined)) {
    console.error("check: the only option is --fuzz SECONDS");
    return 2;
  }
  // Reports of an earlier run would also be counted.
  rmSync(REPORTS, { recursive: true, force: true });
  mkdirSync(REPORTS);
  const results = runChecks();
  if (seconds !== undefined) {
    results.push(
      fuzz("fuzzing", "fuzz.ts", "--seconds", seconds),
      fuzz("fuzzing the native backend", "native/rust.ts", "--fuzz", seconds),
    );
  }

  const files = findFiles("{packages/*,docs,tools}/test/**/*.test.ts");
  const count = countTests(files, findFiles(".reports/@env/*.json").map(readText));
  const failures = repeated(results, outputOf);
  const lines = [...failures, "--- summary", ...results.map(summaryLine), ...summary(count)];
  console.log(`\n${lines.join("\n")}`);
  const complete = count.failed + count.problems.length === 0;
  return complete && results.every(({ passed }) => passed) ? 0 : 1;
});
