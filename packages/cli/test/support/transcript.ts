/**
 * Transcripts: a shell session as text, run again and compared.
 *
 * `$ command` is given to a shell in an empty folder; what follows is its output on both streams, and
 * `[exit 3]` where the exit code is not 0. Other lines in front of the first command are prose. What
 * differs from run to run is written as `<uuid>`, `<date>`, `<folder>`, `<access key>`, `<secret>`.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ended, environment, bin } from "./command.ts";

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
  // A function and not a script: nothing in a folder for temporary files may be executable.
  const command = [process.execPath, bin].map((word) => `'${word}'`).join(" ");
  const envelope = `envelope() { ${command} "$@"; }`;

  const played: Step[] = [];
  for (const step of steps) {
    const child = spawn("sh", ["-c", `${envelope}\n{ ${step.command}\n} 2>&1`], {
      cwd: work,
      env: environment(),
    });
    child.stdin.end();
    const { code, stdout } = await ended(child);
    const exit = code === 0 ? [] : [`[exit ${code}]`];
    const lines = [stdout.toString().trimEnd(), ...exit].filter((line) => line !== "");
    played.push({ command: step.command, output: normalise(lines.join("\n").trimEnd(), work) });
  }
  return played;
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
