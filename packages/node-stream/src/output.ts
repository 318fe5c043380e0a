/**
 * An output file that appears complete or not at all.
 *
 * Bytes go to a temporary file in the target's folder, which only this user may read. Once all are on
 * the disk it gets its final name in one step of the file system. Whatever goes wrong before, and a
 * process that is killed, leave nothing under the final name.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hasCode, systemError } from "./file-lock.ts";
import { syncFolder } from "./journal.ts";

/** What is asked of the file system. Tests pass one that fails on demand. */
export interface FileSystem {
  readonly open: typeof open;
  readonly link: typeof link;
  readonly lstat: typeof lstat;
  readonly rename: typeof rename;
  readonly unlink: typeof unlink;
}

export const nodeFileSystem: FileSystem = { open, link, lstat, rename, unlink };

export class OutputFile {
  /** For writes at positions. Do not close it. */
  readonly handle: FileHandle;
  readonly #files: FileSystem;
  readonly #target: string;
  readonly #temporary: string;
  readonly #overwrite: boolean;
  #open = true;
  #named = true;

  private constructor(
    files: FileSystem,
    handle: FileHandle,
    temporary: string,
    target: string,
    overwrite: boolean,
  ) {
    this.handle = handle;
    this.#files = files;
    this.#temporary = temporary;
    this.#target = target;
    this.#overwrite = overwrite;
  }

  /**
   * Makes the temporary file, `.<name>.<random>.tmp`, mode 0600.
   *
   * @param overwrite - Whether a file of the final name may be there, to be replaced.
   * @throws an Error with code `EEXIST` where it is there and may not; what the file system throws.
   */
  static async create(files: FileSystem, target: string, overwrite: boolean): Promise<OutputFile> {
    if (!overwrite && (await exists(files, target))) throw taken(target);
    // Shortened: with the ends added the name must not be too long for the file system.
    const name = `.${basename(target).slice(0, 48)}.${randomBytes(8).toString("hex")}.tmp`;
    const temporary = join(dirname(target), name);
    const { O_CREAT, O_EXCL, O_RDWR } = constants;
    const handle = await files.open(temporary, O_CREAT | O_EXCL | O_RDWR, 0o600);
    return new OutputFile(files, handle, temporary, target, overwrite);
  }

  /**
   * Gives the file its final name. Once this resolves, it will be there after a power cut. Where it
   * rejects at the very last step, the final name may be there already, of the complete file.
   *
   * @throws an Error with code `EEXIST` where the final name was taken meanwhile and may not be
   * replaced; what the file system throws. {@link abandon} is due then.
   */
  async commit(): Promise<void> {
    await this.handle.sync();
    await this.#close();
    if (this.#overwrite) {
      await this.#files.rename(this.#temporary, this.#target);
      this.#named = false;
    } else {
      await this.#link();
      await this.#unlink();
    }
    await syncFolder(this.#files, dirname(this.#target));
  }

  /** Closes and removes the temporary file, if it is still there. Never throws: an error led here. */
  async abandon(): Promise<void> {
    await this.#close().catch(() => undefined);
    if (this.#named) await this.#unlink().catch(() => undefined);
  }

  /** Unlike a rename, a link is refused where the name is taken, whoever took it and when. */
  async #link(): Promise<void> {
    try {
      await this.#files.link(this.#temporary, this.#target);
    } catch (error) {
      if (hasCode(error, "EEXIST")) throw taken(this.#target);
      if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
      throw systemError(
        "ENOTSUP",
        `this file system has no hard links, without which an existing file could be lost: pass overwrite to write '${this.#target}'`,
        this.#target,
      );
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.handle.close();
  }

  async #unlink(): Promise<void> {
    await this.#files.unlink(this.#temporary);
    this.#named = false;
  }
}

async function exists(files: FileSystem, path: string): Promise<boolean> {
  try {
    await files.lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

function taken(target: string): Error {
  return systemError("EEXIST", `'${target}' exists: pass overwrite to replace it`, target);
}
