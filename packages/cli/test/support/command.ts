/**
 * The command, in this process (quick, for what it answers) and as a process of its own (for signals,
 * pipes and what a shell sees).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, type Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { main } from "../../src/main.ts";

export const bin: string = join(import.meta.dirname, "../../src/bin.ts");

/** What a shell needs to run `envelope` from the sources. */
export const nodeArgs: readonly string[] = ["--conditions=@env/source", bin];

/** The environment without what would change what the command does. */
export function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  // Halves the time to start: the sources are stripped and compiled once.
  const NODE_COMPILE_CACHE = join(import.meta.dirname, "../../node_modules/.cache/compile");
  return { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, LC_ALL: "C.UTF-8", NO_COLOR: "1", ...more };
}

/** A folder that is removed after the test. */
export function testFolder(after: typeof onTestFinished = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "envelope-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs `main` here. `input` is stdin. */
export async function run(
  args: readonly string[],
  { input, signal }: { input?: Uint8Array | Readable; signal?: AbortSignal } = {},
): Promise<Ran> {
  const [stdout, stderr] = [capture(), capture()];
  const stdin =
    input instanceof Readable ? input : Readable.from(input ? [Buffer.from(input)] : []);
  const code = await main(args, {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal: signal ?? new AbortController().signal,
  });
  return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
}

/** A keystore in `folder`, and `run` with its configuration. */
export async function project(folder: string = testFolder()): Promise<{
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
  const child = spawn(process.execPath, [...nodeArgs, ...args], { cwd, env: environment() });
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

/** Our temporary files in a folder. */
export function temporaries(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".tmp"));
}

export function capture(): { readonly stream: Writable; readonly bytes: () => Buffer } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/** Everything an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}
