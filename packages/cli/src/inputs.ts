/**
 * The inputs of a command: paths on the command line, worked on one after another, or some at a time.
 *
 * A file that fails does not stop the others: each failure is reported with its path, and the exit code
 * shows it. The order is that of the command line, and by name within a folder.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { addAbortSignal } from "node:stream";
import { stat } from "node:fs/promises";
import { basename, matchesGlob } from "node:path";
import { CommandError, fileError, InputError, OutputClosed, usageError } from "./errors.ts";
import { readFront, readMessage, readPieces, readSource, walk, type Reason } from "./files.ts";
import type { OwnFiles } from "./own-files.ts";
import { collect } from "./program.ts";
import type { Progress } from "./progress.ts";
import { count, printableLine } from "./text.ts";
import type { Host, Ui } from "./ui.ts";

/** stdin or stdout, as a path. */
export const STANDARD = "-";
/** The ending of the names of encrypted files: `x` becomes `x.envelope`. */
export const EXTENSION = ".envelope";

const MAGIC = "8e454e56";
const TEXT_PREFIX = Buffer.from("env1.").toString("hex");

export interface Input {
  readonly path: string;
  /** Size in bytes; `undefined` if it is not known. */
  readonly size: number | undefined;
  /** The folder on the command line in which it was found; `undefined` for what was named itself. */
  readonly folder?: string | undefined;
  /** Why it is left alone. */
  readonly left?: Reason | undefined;
  readonly error?: unknown;
}

export interface ListOptions {
  /** `undefined` for a command that takes no folders. */
  readonly recursive?: boolean | undefined;
  /** Globs, for what is found in folders. */
  readonly exclude?: readonly string[] | undefined;
  /** A folder that results are written to. */
  readonly output?: string | undefined;
}

/** `--exclude`, for commands that take folders. */
export function excludeOption(): Option<"--exclude <glob>", undefined, undefined, string[]> {
  return new Option(
    "--exclude <glob>",
    "leave out files and folders in folders by name, or by path below the folder; repeatable",
  ).argParser((glob: string, previous: string[] | undefined) => {
    if (glob === "") throw usageError("--exclude needs a name or a pattern");
    return collect(glob, previous);
  });
}

/** What `--exclude` leaves out: `*.log` and `node_modules` match names anywhere, `logs/*` and `**\/tmp` paths below the folder. */
export function matcher(
  globs: readonly string[] | undefined,
): ((path: string) => boolean) | undefined {
  if (globs === undefined) return undefined;
  const patterns = globs.map((glob) => glob.replace(/(?<=.)\/$/, ""));
  return (path) =>
    patterns.some((glob) => matchesGlob(path, glob) || matchesGlob(basename(path), glob));
}

/** The files to work on: those named, and with `recursive` those in the folders named. */
export async function listInputs(
  paths: readonly string[],
  { recursive, exclude, output }: ListOptions = {},
): Promise<Input[]> {
  if (paths.includes(STANDARD) && paths.length > 1) {
    throw usageError("- (stdin) cannot be combined with other paths");
  }
  const excluded = matcher(exclude);
  const inputs: Input[] = [];
  for (const path of paths) {
    if (path === STANDARD) {
      inputs.push({ path, size: undefined });
      continue;
    }
    try {
      const stats = await stat(path);
      if (!stats.isDirectory()) {
        inputs.push({ path, size: stats.isFile() ? stats.size : undefined });
      } else if (recursive === true) {
        for await (const file of walk(path, { excluded, output })) {
          inputs.push({ ...file, folder: path });
        }
      } else {
        const hint =
          recursive === undefined ? "name the files in it" : "add --recursive for all files in it";
        const error = new CommandError("ERR_CLI_FILE", `${path}: it is a folder`, hint);
        inputs.push({ path, size: undefined, error });
      }
    } catch (error) {
      inputs.push({ path, size: undefined, error: fileError(path, error) });
    }
  }
  return inputs;
}

export interface Totals {
  /** Those that were worked on, failed ones among them. */
  readonly files: number;
  readonly failed: number;
  /** How many failed because their output exists. */
  readonly existing: number;
  readonly skipped: number;
}

/** A result that would have to replace a file. */
export class OutputExists extends CommandError {
  readonly output: string;

  constructor(output: string) {
    super(
      "ERR_CLI_FILE",
      `${output}: it already exists`,
      "add --force to replace it, or choose another name with -o",
    );
    this.output = output;
  }
}

/**
 * Works through inputs in their order.
 *
 * @param own - What must not be opened: refused where it was named, left alone where it was found.
 * @param work - Gives a reason for what was found in a folder and is not meant.
 * @param concurrency - Inputs that are worked on at a time. Default: 1.
 * @returns How many there were; a single failure of a single input is thrown instead.
 */
export async function forEachInput<T extends Input>(
  ui: Ui,
  inputs: readonly T[],
  own: OwnFiles | undefined,
  work: (input: T, progress: Progress) => Promise<Reason | void>,
  concurrency = 1,
): Promise<Totals> {
  const { signal } = ui.host;
  const sizes = inputs.map(({ size, folder }) => (folder === undefined ? size : (size ?? 0)));
  const total = sizes.reduce((sum, size) => (sum === undefined ? sum : size && sum + size), 0);
  let files = 0;
  let failed = 0;
  const existing: string[] = [];
  const skipped = new Skipped(ui);
  using progress = ui.progress(total);
  const one = async (input: T): Promise<void> => {
    signal.throwIfAborted();
    progress.label = input.path;
    try {
      if (input.error !== undefined) throw input.error;
      const left = input.left ?? (await ownOf(input, own)) ?? (await work(input, progress));
      if (left === undefined) files++;
      else {
        progress.clear();
        await skipped.add(input.path, left);
        progress.add(input.size ?? 0);
      }
    } catch (error) {
      if (error instanceof OutputClosed) throw error;
      if (signal.aborted) throw signal.reason;
      const named = new InputError(input.path, error);
      if (inputs.length === 1) throw named;
      progress.clear();
      // One line for all of them, at the end: a second run over a folder meets nothing else.
      if (error instanceof OutputExists && !ui.json) existing.push(error.output);
      else ui.error(named);
      progress.add(input.size ?? 0);
      failed++;
      files++;
    }
  };
  await concurrently(inputs, concurrency, one);
  progress.clear();
  skipped.report();
  if (existing.length > 0) ui.error(existError(existing));
  return { files, failed, existing: existing.length, skipped: skipped.number };
}

/** Works on so many items at a time. After an error none is begun, and those in progress are waited for. */
async function concurrently<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of waiting) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

async function ownOf(
  { path, folder }: Input,
  own: OwnFiles | undefined,
): Promise<Reason | undefined> {
  if (own === undefined || path === STANDARD) return undefined;
  if (folder === undefined) await own.refuse(path);
  return own.reason(path);
}

function existError(outputs: readonly string[]): CommandError {
  const shown = outputs.slice(0, MAX_NAMED).join(", ");
  const more = outputs.length > MAX_NAMED ? `, and ${outputs.length - MAX_NAMED} more` : "";
  const exist = outputs.length === 1 ? "output already exists" : "outputs already exist";
  return new CommandError(
    "ERR_CLI_FILE",
    `${outputs.length} ${exist}: ${shown}${more}`,
    "add --skip-existing to leave them alone, or --force to replace them",
  );
}

/** So many are named; of more there is the number. */
const MAX_NAMED = 10;
const MAX_SKIPPED = 20;

/** Says what was left alone in folders and why, so that nobody takes it for done. */
class Skipped {
  readonly #ui: Ui;
  readonly #lines: string[] = [];
  readonly #counts = new Map<Reason, number>();
  number = 0;

  constructor(ui: Ui) {
    this.#ui = ui;
  }

  /** JSON has all of them, as lines of their own. */
  async add(path: string, reason: Reason): Promise<void> {
    this.number++;
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    if (this.#ui.json) await this.#ui.result("", { path, skipped: reason });
    else if (this.#lines.length < MAX_SKIPPED) this.#lines.push(`  ${path}: ${reason}`);
  }

  report(): void {
    if (this.number === 0) return;
    const capped = this.number > this.#lines.length;
    const counts = [...this.#counts].map(([reason, number]) => `${number} ${reason}`);
    this.#ui.note(
      `${count(this.number, "file")} left alone${capped ? ` (${counts.join(", ")})` : ""}:`,
    );
    for (const line of this.#lines) this.#ui.note(printableLine(line));
    if (capped) this.#ui.note(`  … and ${this.number - this.#lines.length} more; --json lists all`);
  }
}

/** Ends the command with the exit code for partial failure, where there was one. */
export function requireAllDone({ files, failed, existing }: Totals): void {
  if (failed === 0) return;
  const because =
    existing > 0 && existing < failed ? `, ${existing} of them for an existing output` : "";
  throw new CommandError(
    "ERR_CLI_SOME_FAILED",
    `${failed} of ${count(files, "file")} failed${because}`,
  );
}

/** The form of a message. */
export type Form = "binary" | "text";

/**
 * Whether a file has the name of an encrypted one. If it is not a message it is damaged, and must not be passed over
 * in silence.
 */
export function isNamedMessage(path: string): boolean {
  const name = basename(path);
  return name.endsWith(EXTENSION) && name !== EXTENSION;
}

/** How a file starts: as a message in binary or in text form; `undefined` for anything else. */
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

/** Everything, up to `maxBytes`; `undefined` if there is more. */
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
  if (bytes === undefined) throw usageError(`${path}: it is larger than ${maxBytes} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageError(`${path}: it is not UTF-8 text`);
  }
}

/** The first `length` bytes or all there are, and everything again from the start. */
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
