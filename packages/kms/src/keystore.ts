/**
 * A keystore: one file, one root key, any number of principals.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { randomUUID, type KeyObject } from "node:crypto";
import { keyArn, principalArn, type Realm } from "./arn.ts";
import { AuditLog, type AuditOptions } from "./audit/log.ts";
import { backupDatabase } from "./store/backup.ts";
import { KmsClient } from "./client.ts";
import { removeDatabase, requireFree } from "./store/database-files.ts";
import { Database, type DatabaseOptions } from "./store/database.ts";
import {
  descriptorDigest,
  isAccountId,
  isRegion,
  MAX_FACTS_CHARS,
  openDescriptor,
  parseDescriptor,
  sealDescriptor,
  SEALED_ROOT_BYTES,
  type Descriptor,
  type SealedDescriptor,
} from "./store/descriptor.ts";
import { Fault, named } from "./store/file-errors.ts";
import { explainCall, type ExplainRequest } from "./access/explain-request.ts";
import { Iam } from "./access/iam.ts";
import { PartialFile, removeAbandoned } from "./store/partial-file.ts";
import type { Explanation } from "./policy/explain.ts";
import { Quotas, type QuotaOptions } from "./access/quotas.ts";
import {
  newSourceKey,
  rootKeyError,
  sourceKey,
  type NewKeyFile,
  type NewSourceKey,
  type RootKeyKind,
  type RootKeySource,
} from "./store/root-key.ts";
import { KEY_BYTES, random, secretKey } from "./material/seal.ts";
import { Seeding } from "./seed/seeding.ts";
import { Session, type SessionOptions } from "./access/session.ts";
import { sqliteVersion } from "./store/sqlite-version.ts";
import { Store } from "./store/store.ts";
import { verifyKeystore, type Finding } from "./verify-keystore.ts";

export interface OpenKeystoreOptions {
  /** Where to get the key that the root key is sealed under. */
  readonly root: RootKeySource;
  /** The audit log: its durability, what happens if it cannot be written, and how much of it is kept. */
  readonly audit?: AuditOptions;
  /** Request quotas, for rehearsing how AWS throttles. Default: `off`. */
  readonly quotas?: QuotaOptions;
  /**
   * How long a new grant counts only for calls with its token, in ms. In AWS, this takes up to five minutes. Default: 0.
   */
  readonly grantDelay?: number;
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

export interface CreateKeystoreOptions extends Omit<OpenKeystoreOptions, "readOnly"> {
  /** Twelve digits that are part of every ARN. Default: `000000000000`. */
  readonly accountId?: string;
  /** Lower-case letters, digits and dashes that are part of every ARN. Default: `local`. */
  readonly region?: string;
  /**
   * Makes what the keystore should contain from the beginning, such as the first CMK and its alias, before the file has its
   * name. The keystore that is passed to it is closed afterwards.
   */
  readonly prepare?: (keystore: Keystore) => Promise<void>;
}

/** What everybody who can read the file can learn about the keystore. */
export interface KeystoreFacts extends Realm {
  /** UUID. */
  readonly keystoreId: string;
  readonly created: Date;
  /** Which kind of `root` opens it. */
  readonly rootKind: RootKeyKind;
}

/**
 * Makes a keystore in a new file of mode 0600. Overwrites nothing: neither a keystore nor a key file.
 *
 * The keystore is made under another name beside it and gets its own when it is whole and on disk, including
 * everything that `prepare` makes. If the process is killed before, the next call clears what is left.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`, `ERR_ENVELOPE_KEYSTORE_ROOT_KEY`; TypeError or RangeError
 * for options out of bounds; what `prepare` throws. Then nothing is left behind.
 *
 * @example
 * ```ts
 * using keystore = await createKeystore("dev.kms", { root: { keyFile: "dev.kms.key" } });
 * ```
 */
export async function createKeystore(
  path: string,
  options: CreateKeystoreOptions,
): Promise<Keystore> {
  const { accountId = "000000000000", region = "local", prepare } = options;
  if (!isAccountId(accountId)) throw new RangeError("accountId must be twelve digits");
  if (!isRegion(region)) throw new RangeError("region must be 1 to 32 of a-z, 0-9 and dashes");
  const shown = { ...databaseOptions({ ...options, readOnly: false }), shownAs: path };
  const keystoreId = randomUUID();
  const root = secretKey(random(KEY_BYTES));
  const open = async (file: string): Promise<Keystore> => {
    const database = await Database.open(file, shown);
    return start(database, new Store(database, root, keystoreId), root, options);
  };

  requireNew(path, options.root);
  const partial = new PartialFile(path);
  let keyFile: NewKeyFile | undefined;
  try {
    const source = await newSourceKey(options.root, keystoreId);
    keyFile = source.file;
    const created = Date.now();
    const sealed = seal({ accountId, region, keystoreId, created }, source, root);
    Database.create(partial.path, shown, (database) => {
      database
        .prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, ?, ?)")
        .run(sealed.facts, sealed.root);
      new Store(database, root, keystoreId).create(descriptorDigest(sealed));
    });
    if (prepare !== undefined) {
      using keystore = await open(partial.path);
      await prepare(keystore);
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

/**
 * Opens a keystore. Many processes may have the same one open.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`, `ERR_ENVELOPE_KEYSTORE_ROOT_KEY`,
 * `ERR_ENVELOPE_KEYSTORE_BUSY`, `ERR_ENVELOPE_KEYSTORE_IO`, `ERR_ENVELOPE_KEYSTORE_SQLITE`; what the CMK of `root`
 * throws. TypeError where `readOnly` comes without `audit.sink`, or the other way round.
 */
export async function openKeystore(path: string, options: OpenKeystoreOptions): Promise<Keystore> {
  const { readOnly = false, audit: { sink } = {} } = options;
  if (readOnly !== (sink !== undefined)) {
    throw new TypeError(
      readOnly
        ? 'readOnly needs audit.sink: a function that is given the record of every call, or "none"'
        : "audit.sink is only for a keystore that is opened with readOnly",
    );
  }
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
    const store = new Store(database, root, descriptor.keystoreId);
    return await start(database, store, root, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Reads what a keystore says of itself, without its root key: nothing of it is authenticated.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`, `ERR_ENVELOPE_KEYSTORE_BUSY`, `ERR_ENVELOPE_KEYSTORE_IO`,
 * `ERR_ENVELOPE_KEYSTORE_SQLITE`.
 */
export async function inspectKeystore(
  path: string,
  options: Pick<OpenKeystoreOptions, "patchedSqlite" | "readOnly"> = {},
): Promise<KeystoreFacts> {
  const database = await Database.open(path, databaseOptions(options));
  try {
    const { descriptor } = await database.read(() => readDescriptor(database));
    return facts(descriptor);
  } finally {
    database.close();
  }
}

/** Reads the descriptor again, which must be the latest one: until now, only the root key has authenticated it. */
async function start(
  database: Database,
  store: Store,
  root: KeyObject,
  options: OpenKeystoreOptions,
): Promise<Keystore> {
  const descriptor = await store.read(() => latestDescriptor(database, store));
  const keystore = new Keystore(database, store, descriptor, root, options);
  if (!database.readOnly) await keystore.purge();
  return keystore;
}

/** An open keystore. It has the root key, and does not reveal key material to anybody. */
export class Keystore implements Disposable {
  readonly #database: Database;
  readonly #root: KeyObject;
  readonly #store: Store;
  readonly #quotas: Quotas | undefined;
  readonly #grantDelay: number;
  /** The record of every call, including refused ones. */
  readonly audit: AuditLog;
  /** Users, roles and groups, and their policies. */
  readonly iam: Iam;
  /** Makes keys and principals match a seed, and exports a seed of what exists. */
  readonly seeding: Seeding;
  #descriptor: Descriptor;

  /** Not for applications: they call {@link openKeystore}. */
  constructor(
    database: Database,
    store: Store,
    descriptor: Descriptor,
    root: KeyObject,
    options: OpenKeystoreOptions,
  ) {
    this.#database = database;
    this.#descriptor = descriptor;
    this.#root = root;
    this.#store = store;
    this.#quotas = Quotas.from(options.quotas);
    this.#grantDelay = grantDelay(options);
    this.audit = new AuditLog(store, root, descriptor, options.audit);
    this.iam = new Iam(store, descriptor, this.audit);
    this.seeding = new Seeding({ store, realm: descriptor, audit: this.audit, iam: this.iam });
    store.onDelete(({ keyId }) => {
      // This runs inside the change that deletes the key: there is nothing to wait for.
      void this.audit.append({
        time: store.now(),
        operation: "DeleteKey",
        principal: "kms.amazonaws.com",
        accountId: descriptor.accountId,
        readOnly: false,
        resources: [keyArn(descriptor, keyId)],
        parameters: { KeyId: keyId },
        decisions: [],
      });
    });
  }

  get path(): string {
    return this.#database.path;
  }

  /** The version of SQLite in use. */
  get sqliteVersion(): string {
    return sqliteVersion();
  }

  get facts(): KeystoreFacts {
    return facts(this.#descriptor);
  }

  /**
   * The KMS as a principal sees it, with the policies that {@link iam} has for that principal.
   *
   * @param principal - ARN of a user, role, session, federated user or account root; in short
   * `user/alice`, `role/app` or `root`; or the name of a service. Default: `root`.
   * @throws TypeError if it is not a principal, RangeError for session options out of bounds.
   */
  as(principal: string = "root", session: SessionOptions = {}): KmsClient {
    return new KmsClient({
      store: this.#store,
      realm: this.#descriptor,
      session: new Session(principalArn(principal, this.#descriptor), this.#descriptor, session),
      audit: this.audit,
      quotas: this.#quotas,
      grantDelay: this.#grantDelay,
    });
  }

  /**
   * Explains why somebody may or may not do something, and what would allow it. Shows policies and contexts.
   *
   * @throws {@link KmsError} `ValidationException`, `NotFoundException`.
   */
  explain(request: ExplainRequest): Promise<Explanation> {
    return explainCall(this.#store, this.#descriptor, request);
  }

  /**
   * Seals the root key under another source. The keys do not change. Copies of the file still open with the old source.
   */
  async changeRoot(source: RootKeySource): Promise<void> {
    const { root: _, ...rest } = this.#descriptor;
    const made = await newSourceKey(source, rest.keystoreId);
    try {
      const sealed = seal(rest, made, this.#root);
      // Before the change: a keystore whose key file is missing would be worse than a key file too many.
      made.file?.publish();
      made.file?.discard();
      await this.#store.write(() => {
        this.#database
          .prepare("UPDATE descriptor SET facts = ?, root = ? WHERE id = 1")
          .run(sealed.facts, sealed.root);
        this.#store.setDescriptor(descriptorDigest(sealed));
      });
      this.#database.checkpoint();
    } catch (error) {
      made.file?.withdraw();
      throw error;
    } finally {
      made.file?.discard();
    }
    this.#descriptor = { ...rest, root: made.facts };
  }

  /**
   * Checks every record, including those of the audit log, and names those that were altered, exchanged, put back from an
   * older state of the file, removed or added. A SQLite library whose version can lose changes is named as well, even if
   * `patchedSqlite` vouches for it. An empty list means that everything verifies. Others may read and write in the
   * meantime. `audit.verify` checks only the log, and compares it with an anchor.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` if the file is too damaged to read its records.
   */
  async verify(): Promise<readonly Finding[]> {
    // First what this process knows of the past, then a reader that knows nothing and reads every row.
    await this.#store.read(() => undefined);
    const database = await this.#database.openAgain();
    try {
      const store = new Store(database, this.#root, this.#descriptor.keystoreId);
      const log = new AuditLog(store, this.#root, this.#descriptor);
      return await verifyKeystore(database, store, log, () => latestDescriptor(database, store));
    } finally {
      database.close();
    }
  }

  /**
   * Copies the current keystore into a new file of mode 0600, which appears once it is whole and on disk. Other processes
   * may read and write in the meantime; this one is blocked. The copy opens with the same root key. To restore it, open it:
   * it knows nothing of later changes.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO` and what reading throws. Then nothing is left behind.
   */
  backup(path: string): Promise<void> {
    return backupDatabase(this.#database, path);
  }

  /**
   * Sets the keystore's clock, which otherwise never goes back, to the machine's, after the machine's clock was far ahead.
   * Keys that had expired because of it are pending deletion again, unless the clock was wrong for more than a day.
   */
  async resetClock(): Promise<void> {
    await this.#store.write(() => this.#store.resetClock());
  }

  /** Deletes keys whose deletion date has passed. Opening and every change also do so. */
  async purge(): Promise<void> {
    if (await this.#store.read(() => this.#store.hasExpired())) {
      await this.#store.write(() => undefined);
    }
  }

  /** Closes the file. Idempotent; later calls of its clients throw `ERR_ENVELOPE_CLOSED`. */
  close(): void {
    try {
      this.audit.close();
    } finally {
      this.#database.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const DEFAULT_BUSY_TIMEOUT = 5000;

function grantDelay({ grantDelay: given = 0 }: OpenKeystoreOptions): number {
  if (!(given >= 0)) throw new RangeError("grantDelay must be a number of ms, 0 or more");
  return given;
}

function databaseOptions({
  busyTimeout = DEFAULT_BUSY_TIMEOUT,
  readOnly = false,
  patchedSqlite = false,
}: Partial<OpenKeystoreOptions>): DatabaseOptions {
  if (!(busyTimeout >= 0)) throw new RangeError("busyTimeout must be a number of ms, 0 or more");
  return { busyTimeout, readOnly, patchedSqlite };
}

function seal(
  rest: Omit<Descriptor, "root">,
  { facts: root, key }: NewSourceKey,
  rootKey: KeyObject,
): SealedDescriptor {
  return sealDescriptor({ ...rest, root }, key, rootKey);
}

/** @throws Fault if an older row was put back. */
function latestDescriptor(database: Database, store: Store): Descriptor {
  const { descriptor, sealed } = readDescriptor(database);
  if (descriptorDigest(sealed) === store.descriptor) return descriptor;
  throw new Fault("the descriptor", "an older row of it was put back");
}

function readDescriptor(database: Database): {
  readonly descriptor: Descriptor;
  readonly sealed: SealedDescriptor;
} {
  const row = database
    .prepare(
      `SELECT CASE WHEN length(facts) <= ${MAX_FACTS_CHARS} THEN facts END AS facts,
              CASE WHEN length(root) = ${SEALED_ROOT_BYTES} THEN root END AS root FROM descriptor`,
    )
    .get();
  const text = row?.["facts"];
  const root = row?.["root"];
  const descriptor = typeof text === "string" ? parseDescriptor(text) : undefined;
  if (descriptor === undefined || typeof text !== "string" || !(root instanceof Uint8Array)) {
    throw database.malformed("its descriptor is missing or malformed");
  }
  return { descriptor, sealed: { facts: text, root: new Uint8Array(root) } };
}

function facts({ keystoreId, accountId, region, created, root }: Descriptor): KeystoreFacts {
  return { keystoreId, accountId, region, created: new Date(created), rootKind: root.kind };
}
