/**
 * A copy of the file while it is in use.
 *
 * SQLite writes one state of it into a file beside the target, without the pages of what was deleted.
 * Only once that is whole and on disk does it get the target's name, and never that of a file which is
 * there.
 *
 * Source: https://sqlite.org/lang_vacuum.html#vacuuminto, spec/kms-store-v1.md#backup
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { claim, requireFree, syncFolder, type Database } from "./database.ts";
import { named } from "./file-errors.ts";

/** Blocks the event loop while SQLite copies. Whatever fails, nothing is left but what was there. */
export async function backupDatabase(database: Database, target: string): Promise<void> {
  requireFree(target);
  const partial = `${target}.partial-${randomUUID()}`;
  claim(partial);
  try {
    await database.copyInto(partial);
    const file = openSync(partial, "r+");
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    publish(partial, target);
    syncFolder(target);
  } catch (error) {
    throw named(error, target);
  } finally {
    if (existsSync(partial)) unlinkSync(partial);
  }
}

/** Gives a file another name, unless something has it. */
function publish(partial: string, target: string): void {
  try {
    linkSync(partial, target);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // File systems without links, those of memory sticks for one.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    requireFree(target);
    renameSync(partial, target);
  }
}
