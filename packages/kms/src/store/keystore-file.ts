/**
 * The file of a keystore: making and opening it, its root key, and what is done to it as a whole.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { randomUUID, type KeyObject } from "node:crypto";
import { KEY_BYTES, random, secretKey } from "../material/seal.ts";
import { isRegion } from "../arn.ts";
import { backupDatabase } from "./backup.ts";
import { removeDatabase, requireFree } from "./database-files.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import {
  descriptorDigest,
  insertDescriptor,
  isAccountId,
  openDescriptor,
  readDescriptor,
  replaceDescriptor,
  sealDescriptor,
  type Descriptor,
} from "./descriptor.ts";
import { Fault, named } from "./file-errors.ts";
import { PartialFile, removeAbandoned } from "./partial-file.ts";
import {
  newSourceKey,
  rootKeyError,
  sourceKey,
  type NewKeyFile,
  type RootKeySource,
} from "./root-key.ts";
import { SqliteStore } from "./sqlite-store.ts";
import type { Store } from "./store.ts";
import { DATABASE, verifyLibrary, verifyStore, type Finding } from "./verify.ts";

export interface OpenFileOptions {
  /** Where to get the key that the root key is sealed under. */
  readonly root: RootKeySource;
  /** How long to wait for another process's lock, in ms. Default: 5000. */
  readonly busyTimeout?: number;
  /**
   * Opens a keystore that cannot or must not be changed, such as one on a read-only mount. Every change is refused, and
   * nothing that is due happens: no rotation, no deletion. Calls are not recorded in the file, so `audit.sink` must be
   * given. Default: `false`.
   */
  readonly readOnly?: boolean;
  /**
   * States that SQLite has the fix for lost changes in WAL mode although its version is one without it, as some
   * distributions have it. Default: `false`: such a version is refused.
   */
  readonly patchedSqlite?: boolean;
}

export interface CreateFileOptions extends Omit<OpenFileOptions, "readOnly"> {
  /** Twelve digits that are part of every ARN. Default: `000000000000`. */
  readonly accountId?: string;
  /** Lower-case letters, digits and dashes that are part of every ARN. Default: `local`. */
  readonly region?: string;
}

const DEFAULT_BUSY_TIMEOUT = 5000;

/** An open file. */
export class KeystoreFile implements Disposable {
  /** The root key: 32 bytes. */
  readonly root: KeyObject;
  readonly #database: Database;
  readonly #store: SqliteStore;
  #descriptor: Descriptor;

  private constructor(
    database: Database,
    store: SqliteStore,
    root: KeyObject,
    descriptor: Descriptor,
  ) {
    this.root = root;
    this.#database = database;
    this.#store = store;
    this.#descriptor = descriptor;
  }

  /**
   * Makes a file under another name beside it, which gets its own when it is whole and on disk, and opens it.
   *
   * @param prepare - Fills the file before it has its name. It is closed afterwards.
   */
  static async create(
    path: string,
    options: CreateFileOptions,
    prepare?: (file: KeystoreFile) => Promise<void>,
  ): Promise<KeystoreFile> {
    const { accountId = "000000000000", region = "local" } = options;
    if (!isAccountId(accountId)) throw new RangeError("accountId must be twelve digits");
    if (!isRegion(region)) throw new RangeError("region must be 1 to 32 of a-z, 0-9 and dashes");
    const shown = { ...databaseOptions({ ...options, readOnly: false }), shownAs: path };
    const keystoreId = randomUUID();
    const root = secretKey(random(KEY_BYTES));

    const open = async (file: string): Promise<KeystoreFile> =>
      KeystoreFile.#start(await Database.open(file, shown), root, keystoreId);

    requireNew(path, options.root);
    const partial = new PartialFile(path);
    let keyFile: NewKeyFile | undefined;
    try {
      const source = await newSourceKey(options.root, keystoreId);
      keyFile = source.file;
      const facts = { accountId, region, keystoreId, created: Date.now(), root: source.facts };
      const sealed = sealDescriptor(facts, source.key, root);
      Database.create(partial.path, shown, (database) => {
        insertDescriptor(database, sealed);
        new SqliteStore(database, root, keystoreId).create(descriptorDigest(sealed));
      });
      if (prepare !== undefined) {
        using file = await open(partial.path);
        await prepare(file);
      }
      keyFile?.publish();
      partial.publish();
    } catch (error) {
      keyFile?.withdraw();
      removeDatabase(partial.path);
      throw named(error, path);
    } finally {
      // In this order: while a key file has a partial name, it counts as one without a keystore.
      keyFile?.discard();
      partial.discard();
    }
    return open(path);
  }

  static async open(path: string, options: OpenFileOptions): Promise<KeystoreFile> {
    const database = await Database.open(path, databaseOptions(options));
    try {
      const { descriptor, sealed } = await database.read(() => readDescriptor(database));
      const key = await sourceKey(options.root, descriptor.root, descriptor.keystoreId);
      const root = openDescriptor(sealed, key);
      if (root === undefined) {
        throw rootKeyError(
          `keystore ${path}: this ${descriptor.root.kind} is not the one it was made with, or its descriptor was altered`,
        );
      }
      return await KeystoreFile.#start(database, root, descriptor.keystoreId);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Reads what a file says of itself, without its root key: nothing of it is authenticated. */
  static async inspect(
    path: string,
    options: Pick<OpenFileOptions, "patchedSqlite" | "readOnly">,
  ): Promise<Descriptor> {
    const database = await Database.open(path, databaseOptions(options));
    try {
      const { descriptor } = await database.read(() => readDescriptor(database));
      return descriptor;
    } finally {
      database.close();
    }
  }

  /** Reads the descriptor again, which must be the latest one: until now, only the root key has authenticated it. */
  static async #start(
    database: Database,
    root: KeyObject,
    keystoreId: string,
  ): Promise<KeystoreFile> {
    try {
      const store = new SqliteStore(database, root, keystoreId);
      const descriptor = await store.read(() => latestDescriptor(database, store));
      return new KeystoreFile(database, store, root, descriptor);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get store(): Store {
    return this.#store;
  }

  /** The path that errors show. */
  get path(): string {
    return this.#database.path;
  }

  get descriptor(): Descriptor {
    return this.#descriptor;
  }

  /** Seals the root key under another source. */
  async changeRoot(source: RootKeySource): Promise<void> {
    const made = await newSourceKey(source, this.#descriptor.keystoreId);
    const descriptor = { ...this.#descriptor, root: made.facts };
    try {
      const sealed = sealDescriptor(descriptor, made.key, this.root);
      // Before the change: a keystore whose key file is missing would be worse than a key file too many.
      made.file?.publish();
      made.file?.discard();
      await this.#store.write(() => {
        replaceDescriptor(this.#database, sealed);
        this.#store.freshness.setDescriptor(descriptorDigest(sealed));
      });
      this.#database.checkpoint();
    } catch (error) {
      made.file?.withdraw();
      throw error;
    } finally {
      made.file?.discard();
    }
    this.#descriptor = descriptor;
  }

  /**
   * Checks the SQLite library and every record.
   *
   * @param more - Checks what is in the rows of the audit log, if SQLite can read all rows.
   */
  async verify(
    more: (file: KeystoreFile) => Promise<readonly Finding[]>,
  ): Promise<readonly Finding[]> {
    // First what this process knows of the past, then a reader that knows nothing and reads every row.
    await this.#store.read(() => undefined);
    const database = await this.#database.openAgain();
    try {
      const store = new SqliteStore(database, this.root, this.#descriptor.keystoreId);
      const isLatest = (): unknown => latestDescriptor(database, store);
      const findings = [...verifyLibrary(), ...(await verifyStore(database, store, isLatest))];
      if (findings.some(({ record }) => record === DATABASE)) return findings;
      const file = new KeystoreFile(database, store, this.root, this.#descriptor);
      return [...findings, ...(await more(file))];
    } finally {
      database.close();
    }
  }

  /** Copies the current state into a new file of mode 0600, which appears once it is whole and on disk. */
  backup(path: string): Promise<void> {
    return backupDatabase(this.#database, path);
  }

  /** Idempotent. */
  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
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

function databaseOptions({
  busyTimeout = DEFAULT_BUSY_TIMEOUT,
  readOnly = false,
  patchedSqlite = false,
}: Partial<OpenFileOptions>): DatabaseOptions {
  if (!(busyTimeout >= 0)) throw new RangeError("busyTimeout must be a number of ms, 0 or more");
  return { busyTimeout, readOnly, patchedSqlite };
}

/** @throws Fault if an older row was put back. */
function latestDescriptor(database: Database, store: SqliteStore): Descriptor {
  const { descriptor, sealed } = readDescriptor(database);
  if (descriptorDigest(sealed) === store.freshness.descriptor) return descriptor;
  throw new Fault("the descriptor", "an older row of it was put back");
}
