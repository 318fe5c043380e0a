/**
 * A keystore: one file, one root key, any number of principals.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { randomUUID, type KeyObject } from "node:crypto";
import { Access } from "./access.ts";
import { accountRoot, type Realm } from "./arn.ts";
import { authorizeAccountRoot, type Authorize } from "./authorize.ts";
import { KmsClient } from "./client.ts";
import { Database } from "./database.ts";
import {
  isAccountId,
  isRegion,
  MAX_FACTS_CHARS,
  openDescriptor,
  parseDescriptor,
  sealDescriptor,
  SEALED_ROOT_BYTES,
  type Descriptor,
  type SealedDescriptor,
} from "./descriptor.ts";
import {
  newSourceKey,
  rootKeyError,
  sourceKey,
  type NewSourceKey,
  type RootKeyKind,
  type RootKeySource,
} from "./root-key.ts";
import { KEY_BYTES, random, secretKey } from "./seal.ts";
import { Store } from "./store.ts";

export interface OpenKeystoreOptions {
  /** Where to get the key that the root key is sealed under. */
  readonly root: RootKeySource;
  /** Who may do what. Default: the account's root principal everything, nobody else anything. */
  readonly authorize?: Authorize;
  /** How long to wait for another process's lock, in ms. Default: 5000. */
  readonly busyTimeout?: number;
}

export interface CreateKeystoreOptions extends OpenKeystoreOptions {
  /** Twelve digits, part of every ARN. Default: `000000000000`. */
  readonly accountId?: string;
  /** Lower-case letters, digits, dashes; part of every ARN. Default: `local`. */
  readonly region?: string;
}

/** What a keystore says of itself to whoever can read the file. */
export interface KeystoreFacts extends Realm {
  /** UUID. */
  readonly keystoreId: string;
  readonly created: Date;
  /** Which kind of `root` opens it. */
  readonly rootKind: RootKeyKind;
}

/**
 * Makes a keystore in a new file of mode 0600. Never overwrites: neither the file nor a key file.
 *
 * @throws EnvelopeError `ERR_ENV_KEYSTORE_IO`, `ERR_ENV_KEYSTORE_ROOT_KEY`; TypeError or RangeError
 * for options out of bounds. Then nothing was left behind.
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
  const { accountId = "000000000000", region = "local" } = options;
  if (!isAccountId(accountId)) throw new RangeError("accountId must be twelve digits");
  if (!isRegion(region)) throw new RangeError("region must be 1 to 32 of a-z, 0-9 and dashes");
  const databaseOptions = { busyTimeout: busyTimeout(options) };
  const keystoreId = randomUUID();
  const root = secretKey(random(KEY_BYTES));

  const source = await newSourceKey(options.root, keystoreId);
  try {
    const created = Date.now();
    const sealed = seal({ accountId, region, keystoreId, created }, source, root);
    Database.create(path, databaseOptions, (database) => {
      database
        .prepare("INSERT INTO descriptor (id, facts, root) VALUES (1, ?, ?)")
        .run(sealed.facts, sealed.root);
    });
  } catch (error) {
    source.undo?.();
    throw error;
  }
  const database = await Database.open(path, databaseOptions);
  return new Keystore(database, readDescriptor(database).descriptor, root, options);
}

/**
 * Opens a keystore. Many processes may have the same one open.
 *
 * @throws EnvelopeError `ERR_ENV_KEYSTORE_FORMAT`, `ERR_ENV_KEYSTORE_ROOT_KEY`,
 * `ERR_ENV_KEYSTORE_BUSY`, `ERR_ENV_KEYSTORE_IO`; what the CMK of `root` throws.
 */
export async function openKeystore(path: string, options: OpenKeystoreOptions): Promise<Keystore> {
  const database = await Database.open(path, { busyTimeout: busyTimeout(options) });
  try {
    const { descriptor, sealed } = await database.read(() => readDescriptor(database));
    const key = await sourceKey(options.root, descriptor.root, descriptor.keystoreId);
    const root = openDescriptor(sealed, key);
    if (root === undefined) {
      throw rootKeyError(
        `keystore ${path}: this ${descriptor.root.kind} is not the one it was made with, or its descriptor was altered`,
      );
    }
    const keystore = new Keystore(database, descriptor, root, options);
    await keystore.purge();
    return keystore;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * What a keystore says of itself, without its root key: nothing of it is authenticated.
 *
 * @throws EnvelopeError `ERR_ENV_KEYSTORE_FORMAT`, `ERR_ENV_KEYSTORE_BUSY`, `ERR_ENV_KEYSTORE_IO`.
 */
export async function inspectKeystore(path: string): Promise<KeystoreFacts> {
  const database = await Database.open(path, { busyTimeout: DEFAULT_BUSY_TIMEOUT });
  try {
    const { descriptor } = await database.read(() => readDescriptor(database));
    return facts(descriptor);
  } finally {
    database.close();
  }
}

/** An open keystore. Holds the root key and gives no one key material. */
export class Keystore implements Disposable {
  readonly #database: Database;
  readonly #root: KeyObject;
  readonly #store: Store;
  readonly #authorize: Authorize;
  #descriptor: Descriptor;

  /** Not for applications: they call {@link openKeystore}. */
  constructor(
    database: Database,
    descriptor: Descriptor,
    root: KeyObject,
    { authorize = authorizeAccountRoot }: OpenKeystoreOptions,
  ) {
    this.#database = database;
    this.#descriptor = descriptor;
    this.#root = root;
    this.#store = new Store(database, root, descriptor.keystoreId);
    this.#authorize = authorize;
  }

  get path(): string {
    return this.#database.path;
  }

  get facts(): KeystoreFacts {
    return facts(this.#descriptor);
  }

  /**
   * The KMS as a principal sees it.
   *
   * @param principal - ARN of a user, role, session or account root. Default: the account's root.
   */
  as(principal: string = accountRoot(this.#descriptor.accountId)): KmsClient {
    if (!PRINCIPAL.test(principal)) throw new TypeError("principal must be an IAM or STS ARN");
    const access = new Access(this.#store, this.#descriptor, principal, this.#authorize);
    return new KmsClient(this.#store, this.#descriptor, access);
  }

  /**
   * Seals the root key under another source. The keys stay as they are, and so do copies of the file:
   * those open with the old source.
   */
  async changeRoot(source: RootKeySource): Promise<void> {
    const { root: _, ...rest } = this.#descriptor;
    const made = await newSourceKey(source, rest.keystoreId);
    try {
      const sealed = seal(rest, made, this.#root);
      await this.#database.write(() => {
        this.#database
          .prepare("UPDATE descriptor SET facts = ?, root = ? WHERE id = 1")
          .run(sealed.facts, sealed.root);
      });
      this.#database.checkpoint();
    } catch (error) {
      made.undo?.();
      throw error;
    }
    this.#descriptor = { ...rest, root: made.facts };
  }

  /** Deletes keys whose deletion date has passed. Opening and every change do so too. */
  async purge(): Promise<void> {
    if (await this.#store.read(() => this.#store.hasExpired())) {
      await this.#store.write(() => undefined);
    }
  }

  /** Closes the file. Idempotent; later calls of its clients throw `ERR_ENV_CLOSED`. */
  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const PRINCIPAL = /^arn:aws:(?:iam|sts)::[0-9]{12}:[\x21-\x7e]{1,1024}$/;
const DEFAULT_BUSY_TIMEOUT = 5000;

function busyTimeout({ busyTimeout: given = DEFAULT_BUSY_TIMEOUT }: OpenKeystoreOptions): number {
  if (!(given >= 0)) throw new RangeError("busyTimeout must be a number of ms, 0 or more");
  return given;
}

function seal(
  rest: Omit<Descriptor, "root">,
  { facts: root, key }: NewSourceKey,
  rootKey: KeyObject,
): SealedDescriptor {
  return sealDescriptor({ ...rest, root }, key, rootKey);
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
