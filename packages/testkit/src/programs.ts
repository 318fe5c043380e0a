/**
 * Processes that run beside the test: what the package's setup has bundled (bundle.ts).
 *
 * @module
 */
import {
  execFile,
  fork,
  spawn,
  type ChildProcess,
  type ChildProcessByStdio,
} from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { inject } from "vitest";

/** The path of a program: `"maker"` for `test/support/maker.ts`. */
export function program(name: string): string {
  return join(inject("programs").dist, `${name}.js`);
}

/** What a program's process needs to start quickly, beside what this process has. */
export function environment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: inject("programs").compileCache };
}

/** Starts a program. What it prints is for the test, and its errors are printed. */
export function start(
  name: string,
  ...args: readonly string[]
): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [program(name), ...args], {
    env: environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Starts a program that talks with the test by messages. */
export function forked(name: string, ...args: readonly string[]): ChildProcess {
  return fork(program(name), args, { env: environment(), execArgv: [] });
}

/** Runs a program to its end. Rejects where it does not end with 0. */
export async function runProgram(name: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [program(name), ...args], { env: environment() });
}
