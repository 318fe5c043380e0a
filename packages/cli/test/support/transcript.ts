/**
 * Transcripts: a shell session as text, run again and compared.
 *
 * `$ command` is given to a shell in an empty folder; what follows is its output on both streams, and
 * `[exit 3]` where the exit code is not 0. Other lines in front of the first command are prose. What
 * differs from run to run is written as `<uuid>`, `<date>`, `<folder>`, `<access key>`, `<secret>`.
 *
 * A command that needs nothing of a shell runs in this process, in that folder and environment, which takes
 * a tenth of the time; pipes and redirections start processes, and so do lists in which variables or `||` are used.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { vi } from "vitest";
import { main } from "../../src/main.ts";
import { bin, capture, ended, environment } from "./command.ts";

export interface Step {
  readonly command: string;
  readonly output: string;
}

export function parseTranscript(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...output] = part.trimEnd().split("\n");
      return { command, output: output.join("\n") };
    });
}

/** Runs the commands of a transcript, one after another, and gives the transcript of that. */
export async function play(steps: readonly Step[], folder: string): Promise<Step[]> {
  const work = join(folder, "work");
  mkdirSync(work);
  const played: Step[] = [];
  for (const { command } of steps) {
    const { code, output } = await run(command, work);
    const exit = code === 0 ? [] : [`[exit ${code}]`];
    const lines = [output.toString().trimEnd(), ...exit].filter((line) => line !== "");
    played.push({ command, output: normalise(lines.join("\n").trimEnd(), work) });
  }
  return played;
}

/** Runs the commands of a list one after another until one fails. */
async function run(list: string, work: string): Promise<Output> {
  const commands = /\$|\|\|/.test(list)
    ? [list]
    : list.split(/ && (?=(?:[^'"]|'[^']*'|"[^"]*")*$)/);
  const outputs: Buffer[] = [];
  for (const command of commands) {
    const args = argumentsIn(command);
    const { code, output } = await (args === undefined ? inShell(command, work) : here(args, work));
    outputs.push(output);
    if (code !== 0) return { code, output: Buffer.concat(outputs) };
  }
  return { code: 0, output: Buffer.concat(outputs) };
}

/** The arguments of a command that is `envelope` and words, some in quotes; undefined for anything else. */
function argumentsIn(command: string): string[] | undefined {
  if (!/^envelope(?: (?:[\w./:=,@%+-]|'[^']*'|"[^"$`\\]*")+)*$/.test(command)) return undefined;
  const words = command.match(/(?:[^ '"]|'[^']*'|"[^"]*")+/g) ?? [];
  return words.slice(1).map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

interface Output {
  readonly code: number | null;
  /** Both streams, as they were written. */
  readonly output: Buffer;
}

async function here(args: readonly string[], work: string): Promise<Output> {
  const { stream, bytes } = capture();
  const before = process.cwd();
  const env = environment();
  for (const name of Object.keys(process.env)) {
    if (env[name] === undefined) vi.stubEnv(name, undefined);
  }
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  process.chdir(work);
  try {
    const { signal } = new AbortController();
    const stdin = Readable.from([]);
    const code = await main(args, { stdin, stdout: stream, stderr: stream, signal });
    return { code, output: bytes() };
  } finally {
    process.chdir(before);
    vi.unstubAllEnvs();
  }
}

async function inShell(command: string, work: string): Promise<Output> {
  // A function and not a script: nothing in a folder for temporary files may be executable.
  const words = [process.execPath, bin].map((word) => `'${word}'`).join(" ");
  const child = spawn("sh", ["-c", `envelope() { ${words} "$@"; }\n{ ${command}\n} 2>&1`], {
    cwd: work,
    env: environment(),
  });
  child.stdin.end();
  const { code, stdout } = await ended(child);
  return { code, output: stdout };
}

export function formatTranscript(steps: readonly Step[]): string {
  return steps
    .map(({ command, output }) => `$ ${command}\n${output === "" ? "" : `${output}\n`}`)
    .join("\n");
}

function normalise(output: string, folder: string): string {
  return output
    .replaceAll(folder, "<folder>")
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replaceAll(/AKIA[A-Z2-7]{16}/g, "<access key>")
    .replaceAll(/(?<=SECRET_ACCESS_KEY=)[\w+/]{40}/g, "<secret>")
    .replaceAll(/\d{4}-\d{2}-\d{2}T[0-9:.]+Z/g, "<date>")
    .replaceAll(/\d{4}-\d{2}-\d{2}/g, "<date>")
    .replaceAll(/[ \t]+$/gm, "");
}
