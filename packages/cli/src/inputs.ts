/**
 * From the paths on the command line to one piece of work after another.
 *
 * One failing file does not stop the others: each failure is reported with its path, and the exit code
 * tells. The order is that of the command line, and by name within a folder.
 *
 * @module
 */
import { addAbortSignal } from "node:stream";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { CommandError, fileError, InputError, OutputClosed, usageError } from "./errors.ts";
import { readFront, readMessage, readPieces, readSource, walk } from "./files.ts";
import type { Progress } from "./progress.ts";
import { count } from "./text.ts";
import type { Host, Ui } from "./ui.ts";

/** stdin or stdout, as a path. */
export const STANDARD = "-";
/** What encrypted files are called: `x` becomes `x.envelope`. */
export const EXTENSION = ".envelope";

const MAGIC = "8e454e56";
const TEXT_PREFIX = Buffer.from("env1.").toString("hex");

export interface Input {
  readonly path: string;
  /** Bytes; `undefined` where it is not known. */
  readonly size: number | undefined;
  /** Found in a folder, and not named on the command line. */
  readonly found: boolean;
  readonly error?: unknown;
}

/** The files to work on: those named, and with `recursive` those in the folders named. */
export async function listInputs(paths: readonly string[], recursive: boolean): Promise<Input[]> {
  if (paths.includes(STANDARD) && paths.length > 1) {
    throw usageError("- (stdin) cannot be given together with other paths");
  }
  const inputs: Input[] = [];
  for (const path of paths) {
    if (path === STANDARD) {
      inputs.push({ path, size: undefined, found: false });
      continue;
    }
    try {
      const stats = await stat(path);
      if (!stats.isDirectory()) {
        inputs.push({ path, size: stats.isFile() ? stats.size : undefined, found: false });
      } else if (recursive) {
        for await (const file of walk(path)) inputs.push({ ...file, found: true });
      } else {
        const hint = "add --recursive for all files in it";
        const error = new CommandError("ERR_CLI_FILE", `${path}: it is a folder`, hint);
        inputs.push({ path, size: undefined, found: false, error });
      }
    } catch (error) {
      inputs.push({ path, size: undefined, found: false, error: fileError(path, error) });
    }
  }
  return inputs;
}

export interface Totals {
  readonly files: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What became of one input: `"skipped"` is for what was found in a folder and is not meant. */
export type Outcome = "done" | "skipped";

/**
 * Works through inputs one by one.
 *
 * @returns How many there were; a single failure of a single input is thrown instead.
 */
export async function forEachInput(
  ui: Ui,
  inputs: readonly Input[],
  work: (input: Input, progress: Progress) => Promise<Outcome>,
): Promise<Totals> {
  const { signal } = ui.host;
  const sizes = inputs.map(({ size, found }) => (found ? (size ?? 0) : size));
  const total = sizes.reduce((sum, size) => (sum === undefined ? sum : size && sum + size), 0);
  let files = 0;
  let failed = 0;
  let skipped = 0;
  using progress = ui.progress(total);
  for (const input of inputs) {
    signal.throwIfAborted();
    progress.label = input.path;
    try {
      if (input.error !== undefined) throw input.error;
      const left = input.found && input.size === undefined;
      if (left || (await work(input, progress)) === "skipped") skipped++;
      else files++;
    } catch (error) {
      if (error instanceof OutputClosed) throw error;
      if (signal.aborted) throw signal.reason;
      const named = new InputError(input.path, error);
      if (inputs.length === 1) throw named;
      progress.clear();
      ui.error(named);
      failed++;
      files++;
    }
  }
  return { files, failed, skipped };
}

/** Says what was left alone in folders, so that nobody takes it for done. */
export function noteSkipped(ui: Ui, { files, skipped }: Totals, noun: string): void {
  if (files === 0) ui.note(`there is nothing to ${noun}`);
  if (skipped > 0) ui.note(`${count(skipped, "other file")} left alone`);
}

/** Ends the command with the exit code for partial failure, where there was one. */
export function requireAllDone({ files, failed }: Totals): void {
  if (failed === 0) return;
  throw new CommandError("ERR_CLI_SOME_FAILED", `${failed} of ${count(files, "file")} failed`);
}

/** How a message starts. */
export type Form = "binary" | "text";

/** Whether a file is called as an encrypted one is. What is called so and is not one must not be passed over. */
export function isNamedMessage(path: string): boolean {
  const name = basename(path);
  return name.endsWith(EXTENSION) && name !== EXTENSION;
}

/** How a file starts: as a message, as a message in text form, or as something else. */
export async function formOf(path: string): Promise<Form | undefined> {
  return readMessage(path, async (source) =>
    formOfFront(await readFront(source, TEXT_PREFIX.length / 2)),
  );
}

export function formOfFront(front: Uint8Array): Form | undefined {
  const hex = Buffer.from(front.subarray(0, 5)).toString("hex");
  if (hex.startsWith(MAGIC)) return "binary";
  return hex === TEXT_PREFIX ? "text" : undefined;
}

/** @yields stdin, piece by piece. */
export async function* readStdin({ stdin, signal }: Host): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  addAbortSignal(signal, stdin);
  try {
    for await (const piece of stdin) if (piece instanceof Uint8Array) yield piece;
  } catch (error) {
    signal.throwIfAborted();
    throw fileError("stdin", error);
  }
}

/** All of it, up to `maxBytes`; `undefined` for more. */
export async function gather(
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    parts.push(piece);
  }
  return Buffer.concat(parts);
}

/**
 * A small file as text; `-` is stdin.
 *
 * @throws CommandError `ERR_CLI_USAGE` for more than `maxBytes`, and for what is not UTF-8.
 */
export async function readTextInput(ui: Ui, path: string, maxBytes: number): Promise<string> {
  const bytes =
    path === STANDARD
      ? await gather(readStdin(ui.host), maxBytes)
      : await readSource(path, (source) => gather(readPieces(source), maxBytes));
  if (bytes === undefined) throw usageError(`${path}: it has more than ${maxBytes} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageError(`${path}: it is not text in UTF-8`);
  }
}

/** The first `length` bytes or all there are, and everything again with those in front. */
export async function peek(
  pieces: AsyncGenerator<Uint8Array, void>,
  length: number,
): Promise<{ front: Uint8Array; pieces: AsyncGenerator<Uint8Array, void> }> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < length) {
    const { value, done } = await pieces.next();
    if (done === true || value === undefined) break;
    parts.push(value);
    bytes += value.length;
  }
  const front = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  return { front, pieces: again(front, pieces) };
}

async function* again(
  front: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void>,
): AsyncGenerator<Uint8Array, void> {
  try {
    if (front.length > 0) yield front;
    yield* rest;
  } finally {
    await rest.return();
  }
}
