/**
 * An open keystore, in a file or in PostgreSQL: its root key, and what is done to it as a whole.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { randomUUID, type KeyObject } from "node:crypto";
import { isRegion, type Realm } from "../arn.ts";
import { KEY_BYTES, random, secretKey } from "../material/seal.ts";
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
import type { Engine } from "./engine.ts";
import { Fault } from "./file-errors.ts";
import {
  newSourceKey,
  rootKeyError,
  sourceKey,
  type NewKeyFile,
  type RootKeySource,
} from "./root-key.ts";
import { RecordStore } from "./record-store.ts";
import type { AuditRow, Store } from "./store.ts";
import { DATABASE, verifyLibrary, verifyStore, type Finding } from "./verify.ts";

/** An engine that a keystore is opened on. */
export interface KeystoreEngine extends Engine {
  /** Another one on the same tables, which knows nothing of the past. */
  openAgain(): Promise<KeystoreEngine>;
  backup(path: string): Promise<void>;
  /** Fulfils once no transaction can be under way that has not seen the last change. */
  fence(): Promise<void>;
  /** Adds rows of the audit log as they are, unless they are there. */
  addAuditRows(rows: readonly AuditRow[]): Promise<void>;
  /** Removes a keystore that is of no use. */
  destroy(): Promise<void>;
  close(): void;
}

export class OpenKeystore implements Disposable {
  /** The root key: 32 bytes. */
  readonly root: KeyObject;
  /** What only files of this room use. */
  readonly inner: { readonly engine: KeystoreEngine; readonly store: RecordStore };
  readonly #isMover: boolean;
  #descriptor: Descriptor;

  private constructor(
    engine: KeystoreEngine,
    store: RecordStore,
    root: KeyObject,
    descriptor: Descriptor,
    isMover: boolean,
  ) {
    this.root = root;
    this.inner = { engine, store };
    this.#descriptor = descriptor;
    this.#isMover = isMover;
  }

  /**
   * Opens what is on an engine. Closes the engine if that fails.
   *
   * @param isMover - Whether it may be on its way to another place: for the move itself.
   */
  static async open(
    engine: KeystoreEngine,
    source: RootKeySource,
    isMover = false,
  ): Promise<OpenKeystore> {
    try {
      const { descriptor, sealed } = await engine.read(() => readDescriptor(engine));
      const key = await sourceKey(source, descriptor.root, descriptor.keystoreId);
      const root = openDescriptor(sealed, key);
      if (root === undefined) {
        throw rootKeyError(
          `keystore ${engine.path}: this ${descriptor.root.kind} is not the one it was made with, or its descriptor was altered`,
        );
      }
      return await OpenKeystore.start(engine, { root, keystoreId: descriptor.keystoreId, isMover });
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  /** Reads the descriptor again, which must be the latest one: until now, only the root key has authenticated it. */
  static async start(
    engine: KeystoreEngine,
    { root, keystoreId, isMover = false }: Pick<NewKeystore, "isMover" | "keystoreId" | "root">,
  ): Promise<OpenKeystore> {
    try {
      const store = new RecordStore(engine, root, keystoreId, isMover);
      const descriptor = await store.read(() => latestDescriptor(engine, store));
      return new OpenKeystore(engine, store, root, descriptor, isMover);
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  get store(): Store {
    return this.inner.store;
  }

  /** The path or URL that errors show. */
  get path(): string {
    return this.inner.engine.path;
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
      await this.inner.store.write(() => {
        replaceDescriptor(this.inner.engine, sealed);
        this.inner.store.freshness.setDescriptor(descriptorDigest(sealed));
      });
      this.inner.engine.checkpoint();
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
   * @param more - Checks what is in the rows of the audit log, if all rows can be read.
   */
  async verify(
    more: (keystore: OpenKeystore) => Promise<readonly Finding[]>,
  ): Promise<readonly Finding[]> {
    // First what this process knows of the past, then a reader that knows nothing and reads every row.
    await this.inner.store.read(() => undefined);
    const engine = await this.inner.engine.openAgain();
    const isMover = this.#isMover;
    try {
      const store = new RecordStore(engine, this.root, this.#descriptor.keystoreId, isMover);
      const isLatest = (): unknown => latestDescriptor(engine, store);
      const ofSqlite = store.isShared ? [] : verifyLibrary();
      const found = [...ofSqlite, ...(await verifyStore(engine, store, isLatest))];
      if (found.some(({ record }) => record === DATABASE)) return found;
      const again = new OpenKeystore(engine, store, this.root, this.#descriptor, isMover);
      return [...found, ...(await more(again))];
    } finally {
      engine.close();
    }
  }

  /** Copies the current state into a new file of mode 0600, which appears once it is whole and on disk. */
  backup(path: string): Promise<void> {
    return this.inner.engine.backup(path);
  }

  /** Idempotent. */
  close(): void {
    this.inner.engine.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What a new keystore says of itself. */
export interface NewKeystoreOptions {
  readonly root: RootKeySource;
  /** Twelve digits that are part of every ARN. Default: `000000000000`. */
  readonly accountId?: string;
  /** Lower-case letters, digits and dashes that are part of every ARN. Default: `local`. */
  readonly region?: string;
}

/** A keystore that is about to be written. */
export interface NewKeystore {
  readonly keystoreId: string;
  readonly root: KeyObject;
  /** The key file, which does not have its name yet. */
  readonly keyFile: NewKeyFile | undefined;
  /** Writes the descriptor, the first state and what else there is into empty tables. */
  readonly fill: (engine: Engine) => void;
  /** Whether it comes from another place and is not complete yet. */
  readonly isMover?: boolean;
}

/** @throws RangeError for options out of bounds. */
export function realmOf({
  accountId = "000000000000",
  region = "local",
}: Omit<NewKeystoreOptions, "root">): Realm {
  if (!isAccountId(accountId)) throw new RangeError("accountId must be twelve digits");
  if (!isRegion(region)) throw new RangeError("region must be 1 to 32 of a-z, 0-9 and dashes");
  return { accountId, region };
}

/** @throws as {@link newSourceKey}. */
export async function newKeystore(source: RootKeySource, realm: Realm): Promise<NewKeystore> {
  const keystoreId = randomUUID();
  const root = secretKey(random(KEY_BYTES));
  const made = await newSourceKey(source, keystoreId);
  const facts = { ...realm, keystoreId, created: Date.now(), root: made.facts };
  const sealed = sealDescriptor(facts, made.key, root);
  return {
    keystoreId,
    root,
    keyFile: made.file,
    fill: (engine) => {
      insertDescriptor(engine, sealed);
      new RecordStore(engine, root, keystoreId).create(descriptorDigest(sealed));
    },
  };
}

/** @throws Fault if an older row was put back. */
function latestDescriptor(engine: Engine, store: RecordStore): Descriptor {
  const { descriptor, sealed } = readDescriptor(engine);
  if (descriptorDigest(sealed) === store.freshness.descriptor) return descriptor;
  throw new Fault("the descriptor", "an older row of it was put back");
}
