/**
 * What the command shows, and where.
 *
 * stdout carries results: text for people, or with `--json` one JSON document or line each. stderr
 * carries errors and progress. Names, labels and contexts may come from a message, so an attacker may
 * have chosen them: nothing reaches a terminal with control characters in it.
 *
 * @module
 */
import type { Readable, Writable } from "node:stream";
import { styleText } from "node:util";
import { fileError, NegativeAnswer, OutputClosed, reportOf, type ExitCode } from "./errors.ts";
import { Progress } from "./progress.ts";
import { jsonText, printable, printableLine } from "./text.ts";

/** The process, as far as the command knows it. */
export interface Host {
  readonly stdin: Readable & {
    readonly isTTY?: boolean;
    readonly setRawMode?: (raw: boolean) => unknown;
  };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /** Why `@env/native` is not used although it is installed. */
  readonly cryptoProblem?: string | undefined;
}

export interface Mode {
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

type Style = Parameters<typeof styleText>[0];

export class Ui {
  readonly host: Host;
  /** Passphrases that were typed, by keystore. */
  readonly passphrases: Map<string, string> = new Map();
  #json = false;
  #quiet = false;

  constructor(host: Host, mode: Mode) {
    this.host = host;
    this.mode = mode;
  }

  set mode({ json = false, quiet = false }: Mode) {
    this.#json = json;
    this.#quiet = quiet;
  }

  get json(): boolean {
    return this.#json;
  }

  get quiet(): boolean {
    return this.#quiet;
  }

  /** A result: `text` for people, `data` as one line of JSON for programs. */
  async result(text: string, data: unknown): Promise<void> {
    if (this.#json) await this.writeOut(`${jsonText(data)}\n`);
    else if (!this.#quiet) await this.writeOut(`${printable(text)}\n`);
  }

  /** Like {@link result}, for the answer that was asked for: shown even with `--quiet`, JSON in several lines. */
  async answer(text: string, data: unknown): Promise<void> {
    await this.writeOut(`${this.#json ? jsonText(data, 2) : printable(text)}\n`);
  }

  /** Like {@link answer}, for one of many: JSON in one line. */
  async line(text: string, data: unknown): Promise<void> {
    await this.writeOut(`${this.#json ? jsonText(data) : printable(text)}\n`);
  }

  /** Something to know beside the results, on stderr. */
  note(text: string): void {
    if (!this.#json && !this.#quiet) this.host.stderr.write(`${printable(text)}\n`);
  }

  /** Something that may be a mistake, on stderr. Shown with `--quiet` too; with `--json` the results hold it. */
  warn(text: string): void {
    if (this.#json) return;
    this.host.stderr.write(`${this.style("yellow", "warning:")} ${printableLine(text)}\n`);
  }

  /** The width of the terminal that stdout is, in characters; `undefined` for a pipe or a file. */
  get columns(): number | undefined {
    const { stdout } = this.host;
    return stdout.isTTY === true ? stdout.columns || 80 : undefined;
  }

  /**
   * Writes to stdout and waits until it is taken.
   *
   * @throws OutputClosed where the reader is gone.
   */
  async writeOut(...pieces: readonly (string | Uint8Array)[]): Promise<void> {
    const { stdout } = this.host;
    stdout.cork();
    const written = pieces.map((piece) => this.#write(piece));
    stdout.uncork();
    await Promise.all(written);
  }

  #write(piece: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.host.stdout.write(piece, (error) => {
        if (error === null || error === undefined) resolve();
        else if ("code" in error && (error.code === "EPIPE" || error.code === "EOF")) {
          reject(new OutputClosed("the reader of the output is gone"));
        } else reject(fileError("stdout", error));
      });
    });
  }

  /** Reports an error and gives the exit code for it. */
  error(error: unknown): ExitCode {
    if (error instanceof OutputClosed) return 0;
    if (error instanceof NegativeAnswer) return 9;
    const report = reportOf(error);
    const { stderr } = this.host;
    if (this.#json) {
      stderr.write(`${jsonText({ error: report })}\n`);
    } else {
      // The codes of core are documented by name; the command's own errors need no more than their message.
      const named = report.code.startsWith("ERR_ENVELOPE_") ? ` [${report.code}]` : "";
      stderr.write(`${this.style("red", "error:")} ${printableLine(report.message)}${named}\n`);
      for (const { provider, keyId, code } of report.attempts.length > 1 ? report.attempts : []) {
        stderr.write(`  ${printableLine(`${provider} ${keyId}: ${code}`)}\n`);
      }
      if (report.hint !== undefined) {
        stderr.write(`${this.style("cyan", "hint:")} ${printableLine(report.hint)}\n`);
      }
    }
    if (process.env["ENVELOPE_DEBUG"] === "1") stderr.write(`${stackOf(error)}\n`);
    return report.exitCode;
  }

  /** Counts the bytes of long work, and shows them on a terminal. */
  progress(totalBytes?: number): Progress {
    const { stderr } = this.host;
    const visible = stderr.isTTY === true && !this.#quiet;
    return new Progress(visible ? stderr : undefined, totalBytes);
  }

  /** Colours text if stderr is a terminal that supports it; `NO_COLOR` and similar variables are respected. */
  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.host.stderr });
  }
}

function stackOf(error: unknown): string {
  const stacks: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) stacks.push(at.stack ?? at.message);
  return printable(stacks.join("\ncaused by: "));
}
