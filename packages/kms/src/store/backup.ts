/**
 * A copy of the file while it is in use.
 *
 * SQLite writes one state of it into a file beside the target, without the pages of what was deleted.
 * The copy gets the target's name once it is whole and on disk, and never takes the name of an existing file.
 *
 * Source: https://sqlite.org/lang_vacuum.html#vacuuminto, spec/kms-store-v1.md#backup
 *
 * @module
 */
import { claim, requireFree, syncFile } from "./database-files.ts";
import type { Database } from "./database.ts";
import { named } from "./file-errors.ts";
import { PartialFile } from "./partial-file.ts";

/** Blocks the event loop while SQLite copies. If it fails, nothing new is left behind. */
export async function backupDatabase(database: Database, target: string): Promise<void> {
  requireFree(target);
  const partial = new PartialFile(target);
  try {
    claim(partial.path, target);
    await database.copyInto(partial.path, target);
    syncFile(partial.path);
    partial.publish();
  } catch (error) {
    throw named(error, target);
  } finally {
    partial.discard();
  }
}
