/**
 * The file of a keystore: making and opening it.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { removeDatabase, requireFree, requireNoLog } from "./database-files.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import { readDescriptor, type Descriptor } from "./descriptor.ts";
import { named } from "./file-errors.ts";
import {
  newKeystore,
  OpenKeystore,
  realmOf,
  type NewKeystore,
  type NewKeystoreOptions,
} from "./open-keystore.ts";
import { PartialFile, removeAbandoned } from "./partial-file.ts";
import type { RootKeySource } from "./root-key.ts";

export interface OpenFileOptions {
  /** Where to get the key that the root key is sealed under. */
  readonly root: RootKeySource;
  /** How long to wait for another process's lock, or for PostgreSQL, in ms. Default: 5000. */
  readonly busyTimeout?: number;
  /**
   * Opens a keystore that cannot or must not be changed, such as one on a read-only mount. Every change is refused, and
   * nothing that is due happens: no rotation, no deletion. Calls are not recorded in the file, so `audit.sink` must be
   * given. Only for files. Default: `false`.
   */
  readonly readOnly?: boolean;
  /**
   * States that SQLite has the fix for lost changes in WAL mode although its version is one without it, as some
   * distributions have it. Default: `false`: such a version is refused.
   */
  readonly patchedSqlite?: boolean;
}

export interface CreateFileOptions
  extends Omit<OpenFileOptions, "readOnly" | "root">, NewKeystoreOptions {}

const DEFAULT_BUSY_TIMEOUT = 5000;

/**
 * Makes a file under another name beside it, which gets its own when it is whole and on disk, and opens it.
 *
 * @param prepare - Fills the file before it has its name. It is closed afterwards.
 * @param make - What to begin with. Default: a new keystore.
 */
export async function createFile(
  path: string,
  options: CreateFileOptions,
  prepare?: (file: OpenKeystore) => Promise<void>,
  make?: () => Promise<NewKeystore>,
): Promise<OpenKeystore> {
  const realm = realmOf(options);
  const shown = { ...databaseOptions({ ...options, readOnly: false }), shownAs: path };
  requireNew(path, options.root);
  const partial = new PartialFile(path);
  let made: NewKeystore | undefined;
  const open = async (file: string, known: NewKeystore): Promise<OpenKeystore> =>
    OpenKeystore.start(await Database.open(file, shown), known);
  try {
    made = await (make === undefined ? newKeystore(options.root, realm) : make());
    Database.create(partial.path, shown, made.fill);
    if (prepare !== undefined) {
      {
        using file = await open(partial.path, made);
        await prepare(file);
      }
      requireNoLog(partial.path, path);
    }
    made.keyFile?.publish();
    partial.publish();
  } catch (error) {
    made?.keyFile?.withdraw();
    removeDatabase(partial.path);
    throw named(error, path);
  } finally {
    // In this order: while a key file has a partial name, it counts as one without a keystore.
    made?.keyFile?.discard();
    partial.discard();
  }
  return open(path, made);
}

export async function openFile(
  path: string,
  options: OpenFileOptions,
  isMover = false,
): Promise<OpenKeystore> {
  const database = await Database.open(path, databaseOptions(options));
  return OpenKeystore.open(database, options.root, isMover);
}

/** Reads what a file says of itself, without its root key: nothing of it is authenticated. */
export async function inspectFile(
  path: string,
  options: Pick<OpenFileOptions, "patchedSqlite" | "readOnly">,
): Promise<Descriptor> {
  const database = await Database.open(path, databaseOptions(options));
  try {
    return (await database.read(() => readDescriptor(database))).descriptor;
  } finally {
    database.close();
  }
}

/** Clears what killed processes have left where a keystore exists, and refuses to make it again. */
function requireNew(path: string, root: RootKeySource): void {
  try {
    requireFree(path);
  } catch (error) {
    removeAbandoned(path);
    if ("keyFile" in root) removeAbandoned(root.keyFile);
    throw error;
  }
}

/** @throws RangeError */
export function requireBusyTimeout(busyTimeout: number = DEFAULT_BUSY_TIMEOUT): number {
  if (!(busyTimeout >= 0)) throw new RangeError("busyTimeout must be a number of ms, 0 or more");
  return busyTimeout;
}

function databaseOptions({
  busyTimeout,
  readOnly = false,
  patchedSqlite = false,
}: Partial<OpenFileOptions>): DatabaseOptions {
  return { busyTimeout: requireBusyTimeout(busyTimeout), readOnly, patchedSqlite };
}
