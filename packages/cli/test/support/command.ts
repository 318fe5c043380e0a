/**
 * The command, in this process (quick, for what it answers) and as a process of its own (for signals,
 * pipes and what a shell sees).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { PassThrough, Readable, type Writable } from "node:stream";
import { tempFolder } from "@env/testkit/folder";
import { program } from "@env/testkit/programs";
import { inject, onTestFinished, vi } from "vitest";
import { main } from "../../src/main.ts";
import { Progress } from "../../src/progress.ts";

/** The executable. `TEST_BUILT=1` takes what was built. */
export const bin: string =
  process.env["TEST_BUILT"] === "1"
    ? join(import.meta.dirname, "../../dist/bin.js")
    : program("bin");

/** The environment without what would change what the command does. */
export function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  const NODE_COMPILE_CACHE = inject("programs").compileCache;
  return { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, LC_ALL: "C.UTF-8", NO_COLOR: "1", ...more };
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs `main` here. `input` is stdin. */
export async function run(
  args: readonly string[],
  {
    input,
    signal,
    cryptoProblem,
  }: {
    input?: Uint8Array | Readable;
    signal?: AbortSignal;
    cryptoProblem?: string | undefined;
  } = {},
): Promise<Ran> {
  const [stdout, stderr] = [capture(), capture()];
  const stdin =
    input instanceof Readable ? input : Readable.from(input ? [Buffer.from(input)] : []);
  const code = await main(args, {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal: signal ?? new AbortController().signal,
    cryptoProblem,
  });
  return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
}

/** A keystore in `folder`, and `run` with its configuration. */
export async function project(folder: string = tempFolder()): Promise<{
  readonly folder: string;
  readonly path: (name: string) => string;
  readonly run: (...args: Parameters<typeof run>) => Promise<Ran>;
}> {
  const config = ["--config", join(folder, "envelope.config.json"), "--environment", "development"];
  const runHere = (args: readonly string[], options?: Parameters<typeof run>[1]): Promise<Ran> =>
    run([...args, ...config], options);
  const { code, stderr } = await runHere(["init", "--keystore", join(folder, "dev.kms")]);
  if (code !== 0) throw new Error(stderr);
  return { folder, path: (name) => join(folder, name), run: runHere };
}

/** Starts the command as a process. */
export function start(args: readonly string[], cwd: string): ChildProcess & { stdin: Writable } {
  const child = spawn(process.execPath, [bin, ...args], { cwd, env: environment() });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Waits for a process's end. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr] = [capture(), capture()];
  child.stdout?.pipe(stdout.stream);
  child.stderr?.pipe(stderr.stream);
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code, signal) => {
      resolve({ code, signal, stdout: stdout.bytes(), stderr: stderr.bytes().toString() });
    });
  });
}

/** What is half-written in a folder. */
export function temporaries(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".envelope-part"));
}

export function capture(): { readonly stream: Writable; readonly bytes: () => Buffer } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/** How many bytes of progress are told while `work` is under way. */
export async function progressOf(work: () => Promise<unknown>): Promise<number> {
  const add = vi.spyOn(Progress.prototype, "add");
  try {
    await work();
    return add.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
  } finally {
    add.mockRestore();
  }
}

/**
 * A message in `path` as it is after a kill in the middle of a rewrap in place: half a header, and the
 * journal beside it.
 */
export function interruptRewrap(path: string, before: Uint8Array, after: Uint8Array): void {
  const headerBytes = 4096;
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(before.length));
  numbers.writeUInt32BE(headerBytes, 8);
  numbers.writeUInt32BE(headerBytes, 12);
  const journal = Buffer.concat([
    Buffer.from("8e454e4a01000000", "hex"),
    numbers.subarray(0, 8),
    before.subarray(headerBytes, headerBytes + 56),
    numbers.subarray(8),
    before.subarray(0, headerBytes),
    after.subarray(0, headerBytes),
  ]);
  const checksum = createHash("sha256").update(journal).digest();
  const name = `.${basename(path)}.envelope-journal`;
  writeFileSync(join(dirname(path), name), Buffer.concat([journal, checksum]), { mode: 0o600 });
  writeFileSync(path, Buffer.concat([Buffer.alloc(60), before.subarray(60)]));
}

/** Everything an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}
