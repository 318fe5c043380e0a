/**
 * Where results go: stdout, beside their inputs, one named file, or a folder.
 *
 * @module
 */
import type { Stats } from "node:fs";
import { lstat, mkdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { CommandError, fileError, usageError } from "./errors.ts";
import { requireOtherFile } from "./files.ts";
import { OutputExists, STANDARD, type Input } from "./inputs.ts";
import type { OwnFiles } from "./own-files.ts";

export interface OutputOptions {
  readonly output?: string | undefined;
  readonly recursive?: boolean | undefined;
  readonly force?: boolean | undefined;
  readonly skipExisting?: boolean | undefined;
}

/** What becomes of `-o`, for all inputs of one command. */
export class Outputs {
  /** All results go to stdout; there is one. */
  readonly toStdout: boolean;
  /** The folder that `-o` names. */
  readonly folder: string | undefined;
  readonly #file: string | undefined;
  readonly #several: boolean;
  readonly #options: OutputOptions;
  readonly #inputs = new Map<string, string>();

  private constructor(paths: readonly string[], options: OutputOptions, isFolder: boolean) {
    const { output } = options;
    this.#several = paths.length > 1;
    this.#options = options;
    this.toStdout = output === STANDARD || (output === undefined && paths[0] === STANDARD);
    this.folder = isFolder ? output : undefined;
    this.#file = isFolder || this.toStdout ? undefined : output;
  }

  /**
   * Decides what `-o` names, as `cp` does: a folder if it is one, if it ends in a slash, and whenever there may
   * be several results.
   *
   * @throws CommandError `ERR_CLI_USAGE`, and `ERR_CLI_FILE` where a file is in the folder's place.
   */
  static async of(paths: readonly string[], options: OutputOptions): Promise<Outputs> {
    const { output, recursive = false, force, skipExisting } = options;
    if (force === true && skipExisting === true) {
      throw usageError("--force and --skip-existing exclude each other");
    }
    const several = paths.length > 1 || recursive;
    if (output === STANDARD) {
      if (several) throw usageError("-o - takes one input", "name a folder with -o");
      return new Outputs(paths, options, false);
    }
    if (output === undefined) return new Outputs(paths, options, false);
    if (output === "") throw usageError("-o needs the name of a file or a folder");
    const stats = await stat(output).catch(() => undefined);
    const isFolder =
      stats?.isDirectory() ?? (several || output.endsWith("/") || output.endsWith(sep));
    if (several && !isFolder) {
      throw new CommandError(
        "ERR_CLI_FILE",
        `${output}: it is not a folder`,
        "with several inputs or --recursive, -o names a folder",
      );
    }
    if (isFolder && paths[0] === STANDARD) {
      throw usageError(`${output}: it is a folder, and stdin has no name`, "name a file with -o");
    }
    return new Outputs(paths, options, isFolder);
  }

  /**
   * The path of a result, checked before any work is done for it; `-` for stdout.
   *
   * @param name - Of the result where `-o` does not say it.
   * @returns `undefined` where the result exists and is to be left alone.
   * @throws OutputExists; CommandError where it is the input, a file of the command's own, or the result of
   * another input.
   */
  async target(input: Input, name: () => string, own: OwnFiles): Promise<string | undefined> {
    if (this.toStdout) return STANDARD;
    const target = this.#file ?? join(this.#folderOf(input), name());
    await own.refuse(target);
    if (input.path !== STANDARD) await requireOtherFile(input.path, target);
    const { force, skipExisting } = this.#options;
    const stats = await lstat(target).catch(() => undefined);
    const exists = stats !== undefined;
    if (exists && !stats.isFile()) throw notReplaceable(target, stats);
    if (exists && skipExisting === true) return undefined;
    const other = this.#inputs.get(resolve(target));
    if (other !== undefined) throw usageError(`${target}: ${other} has the same output`);
    if (exists && force !== true) throw new OutputExists(target);
    this.#inputs.set(resolve(target), input.path);
    if (this.folder !== undefined) await makeFolder(dirname(target));
    return target;
  }

  /** Keeps the tree of a folder below `-o`; several folders keep their names. */
  #folderOf({ path, folder }: Input): string {
    if (this.folder === undefined) return dirname(path);
    if (folder === undefined) return this.folder;
    const top = this.#several ? basename(resolve(folder)) : "";
    return join(this.folder, top, dirname(relative(folder, path)));
  }
}

/** Only regular files are ever replaced. */
function notReplaceable(target: string, stats: Stats): CommandError {
  if (stats.isDirectory()) return new CommandError("ERR_CLI_FILE", `${target}: it is a folder`);
  const what = stats.isSymbolicLink() ? "a symbolic link" : "not a regular file";
  return new CommandError(
    "ERR_CLI_FILE",
    `${target}: it is ${what}`,
    "choose another name, or -o - for stdout; `envelope verify` checks a message without writing",
  );
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(path, error);
  }
}
