/**
 * Files that appear under their own name only when they are whole.
 *
 * A file is written beside its target as `<target>.partial-<process id>-<8 hex digits>`, synced, and then linked to
 * the target's name, which never overwrites anything. A process that is killed leaves the partial file behind.
 * The next process that makes the same target recognises it by its name and removes it.
 *
 * Source: link(2)
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, readdirSync, renameSync, unlinkSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { requireFree, syncFolder } from "./database-files.ts";

/** A partial file whose process cannot be identified any more is abandoned after this time. */
const ABANDONED_MS = 86_400_000;
/** SQLite's own files beside a partial database have the same fate. */
const PARTIAL = /^\.partial-([0-9]{1,10})-[0-9a-f]{8}(?:-journal|-wal|-shm)?$/;

/** The partial files that this process is writing. Process ids are used again, in containers always the same ones. */
const own = new Set<string>();

/** The name of one partial file, and what becomes of it. Creating and syncing the file is up to the caller. */
export class PartialFile {
  readonly path: string;
  readonly #target: string;

  /** Removes what killed processes left of the same target. */
  constructor(target: string) {
    removeAbandoned(target);
    this.#target = target;
    this.path = `${target}.partial-${process.pid}-${randomBytes(4).toString("hex")}`;
    own.add(this.path);
  }

  /**
   * Gives the file, which must be synced, the target's name as well, on disk.
   *
   * @throws what the file system throws; `EEXIST` if something has the name. The target is then not there.
   */
  publish(): void {
    try {
      linkSync(this.path, this.#target);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      // Some file systems have no links, for example those of memory sticks.
      if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
      requireFree(this.#target);
      renameSync(this.path, this.#target);
    }
    try {
      syncFolder(this.#target);
    } catch (error) {
      // Whoever hears of a failure takes the target for one that is not there.
      unlinkIfThere(this.#target);
      throw error;
    }
  }

  /** Gives the file the target's name, and replaces a file that has it. */
  replace(): void {
    renameSync(this.path, this.#target);
    own.delete(this.path);
    syncFolder(this.#target);
  }

  /** Removes the partial name, and the file with it unless it was published. */
  discard(): void {
    own.delete(this.path);
    unlinkIfThere(this.path);
  }
}

/** Removes the partial files of a target whose processes are gone. Best effort. */
export function removeAbandoned(target: string): void {
  for (const path of abandoned(target)) unlinkIfThere(path);
}

/** Does the same for every target in a folder whose name `isTarget` accepts. */
export function removeAbandonedIn(folder: string, isTarget: (name: string) => boolean): void {
  for (const name of namesIn(folder)) {
    const at = name.lastIndexOf(".partial-");
    if (at > 0 && isTarget(name.slice(0, at)) && isAbandoned(join(folder, name), name.slice(at))) {
      unlinkIfThere(join(folder, name));
    }
  }
}

/**
 * The partial names that a killed process left of a target after it had published it: links of the same file.
 * Such a target was made by a process that did not get to its end.
 */
export function unfinishedLinks(target: string): readonly string[] {
  const published = statsOf(target);
  if (published === undefined) return [];
  return abandoned(target).filter((path) => {
    const stats = statsOf(path);
    return stats?.ino === published.ino && stats.dev === published.dev;
  });
}

function abandoned(target: string): readonly string[] {
  const [folder, base] = [dirname(target), basename(target)];
  return namesIn(folder)
    .filter((name) => name.startsWith(`${base}.partial-`))
    .filter((name) => isAbandoned(join(folder, name), name.slice(base.length)))
    .map((name) => join(folder, name));
}

function isAbandoned(path: string, suffix: string): boolean {
  const [, pid] = PARTIAL.exec(suffix) ?? [];
  const stats = statsOf(path);
  if (pid === undefined || stats === undefined || !stats.isFile()) return false;
  if (Number(pid) === process.pid) {
    return ![...own].some((mine) => path === mine || path.startsWith(`${mine}-`));
  }
  return Date.now() - stats.mtimeMs > ABANDONED_MS || !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Anything else, such as EPERM, means that there is such a process.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Whoever makes a file there learns what is wrong with the folder.
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already, or is not ours to remove.
  }
}
