/** Processes that use a keystore beside the test. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { inject } from "vitest";

/** The path of a program in programs.ts, or of the package: `index`. */
export function program(name: string): string {
  return join(inject("programs").dist, `${name}.js`);
}

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
