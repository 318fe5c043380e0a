/**
 * Runs a scenario in a process in which one call to the file system goes wrong.
 *
 * The fault is made by a shared library in front of the C library (`fault.c`), so that the calls of SQLite are reached
 * as well as those of Node. It is compiled here; where there is no C compiler, or this is not Linux, nothing can be
 * shown.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "@env/testkit/bundle";
import { root } from "../../workspace.ts";
import { placeIn, type Place, type Scenario } from "./scenario.ts";

/** What goes wrong, as `fault.c` has it. */
export type Kind = "kill" | "half" | "eio" | "enospc" | "torn" | "lost" | "misdirected";

export interface Fault {
  readonly kind: Kind;
  /** The number of the call, from 1. 0: no fault. */
  readonly at: number;
  readonly seed?: number;
}

/** How a process ended. */
export interface Ended {
  /** Whether the call with the fault was reached. */
  readonly hit: boolean;
  readonly killed: boolean;
  /** How many changes were acknowledged. */
  readonly acknowledged: number;
  /** The code of the error that the work failed with; `undefined`: it did not fail. */
  readonly code: string | undefined;
  /** The counted calls: `write app.kms-wal`. */
  readonly calls: readonly string[];
}

/** Why faults cannot be made here; `undefined`: they can. */
export function whyNot(): string | undefined {
  if (process.platform !== "linux")
    return `faults are made on Linux, and this is ${process.platform}`;
  return spawnSync("cc", ["--version"]).status === 0 ? undefined : "there is no C compiler (cc)";
}

/** The programs and the library, built once. */
export class Faults implements Disposable {
  readonly #folder: string;
  readonly #library: string;
  readonly #programs: Awaited<ReturnType<typeof bundle>>[];
  #runs = 0;

  private constructor(
    folder: string,
    library: string,
    programs: Awaited<ReturnType<typeof bundle>>[],
  ) {
    this.#folder = folder;
    this.#library = library;
    this.#programs = programs;
  }

  static async build(): Promise<Faults> {
    const folder = mkdtempSync(join(memoryOr(tmpdir()), "env-faults-"));
    const library = join(folder, "fault.so");
    const source = join(import.meta.dirname, "fault.c");
    const args = [
      "-Wall",
      "-Wextra",
      "-Werror",
      "-O1",
      "-shared",
      "-fPIC",
      "-o",
      library,
      source,
      "-ldl",
    ];
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`fault.c does not compile\n${stderr}`);
    const programs = [
      await bundle(join(root, "tools"), ["proofs/faults/scenario-process.ts"]),
      await bundle(join(root, "packages/cli"), ["src/bin.ts", "../node-stream/src/worker.ts"]),
    ];
    return new Faults(folder, library, programs);
  }

  /** What a scenario begins with, made once and copied for each run. */
  async template(scenario: Scenario): Promise<string> {
    const folder = this.#newFolder();
    await scenario.prepare(placeIn(folder), async (other, call) => {
      const twin = this.copy(folder);
      const { calls } = await this.run(other, twin, { kind: "kill", at: 0 });
      this.remove(twin);
      const at = calls.indexOf(call) + 1;
      const { killed } = await this.run(other, folder, { kind: "kill", at });
      if (at === 0 || !killed)
        throw new Error(`${other.name} has no call "${call}": ${calls.join()}`);
    });
    return folder;
  }

  copy(template: string): string {
    const folder = this.#newFolder();
    cpSync(template, folder, { recursive: true, preserveTimestamps: true });
    return folder;
  }

  remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Does the work of a scenario in a process with a fault. */
  async run(scenario: Scenario, folder: string, { kind, at, seed = 0 }: Fault): Promise<Ended> {
    const place = placeIn(folder);
    const trace = join(folder, `trace-${++this.#runs}`);
    const isFunction = typeof scenario.work === "function";
    const args =
      typeof scenario.work === "function"
        ? [this.#program(0, "scenario-process"), scenario.name, folder]
        : [this.#program(1, "bin"), "--json", ...scenario.work.command];
    const child = spawn(process.execPath, args, {
      cwd: place.faulty,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: this.#programs[isFunction ? 0 : 1]?.compileCache,
        LD_PRELOAD: this.#library,
        FAULT_FOLDER: place.faulty,
        FAULT_TRACE: trace,
        FAULT_AT: String(at),
        FAULT_KIND: kind,
        FAULT_SEED: String(seed),
      },
    });
    const [output, errors] = [collect(child.stdout), collect(child.stderr)];
    const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
      child.once("close", (...ended) => resolve(ended)),
    );
    const lines = existsSync(trace) ? readFileSync(trace, "utf8").trimEnd().split("\n") : [];
    rmSync(trace, { force: true });
    const ended = isFunction ? ofScenario(output(), status, errors()) : ofCommand(status, errors());
    const isCrash = signal !== null && signal !== "SIGKILL";
    return {
      ...ended,
      hit: lines.some((line) => line.startsWith("! ")),
      killed: signal === "SIGKILL",
      ...(isCrash ? { code: `crashed: ${signal}` } : {}),
      calls: lines.filter((line) => !line.startsWith("! ")),
    };
  }

  [Symbol.dispose](): void {
    this.remove(this.#folder);
    for (const { remove } of this.#programs) remove();
  }

  #program(index: number, name: string): string {
    return join(this.#programs[index]?.dist ?? "", `${name}.js`);
  }

  #newFolder(): string {
    const folder = mkdtempSync(join(this.#folder, "run-"));
    const { faulty, sound } = placeIn(folder);
    mkdirSync(faulty);
    mkdirSync(sound);
    return folder;
  }
}

/** What `scenario-process.ts` printed. */
function ofScenario(output: string, status: number | null, errors: string) {
  const lines = output.split("\n");
  const error = lines.find((line) => line.startsWith("error "));
  const unnamed =
    status === 0 || status === 3 || status === null ? undefined : `crashed: ${errors}`;
  return {
    acknowledged: lines.filter((line) => line === "done").length,
    code: error?.slice("error ".length) ?? unnamed,
  };
}

/** The command acknowledges its only change by ending with 0, and prints an error as JSON. */
function ofCommand(status: number | null, errors: string) {
  const acknowledged = status === 0 ? 1 : 0;
  if (status === 0 || status === null) return { acknowledged, code: undefined };
  const { code } = /"code":\s*"(?<code>\w+)"/.exec(errors)?.groups ?? {};
  return { acknowledged, code: code ?? `without a code: ${errors}` };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return () => text;
}

/** No fault needs a disk, and waiting for one takes most of the time. */
function memoryOr(folder: string): string {
  return existsSync("/dev/shm") ? "/dev/shm" : folder;
}

export type { Place };
