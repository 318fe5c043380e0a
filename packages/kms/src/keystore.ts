/**
 * A keystore: one file, one root key, any number of principals.
 *
 * Source: spec/kms-store-v1.md
 *
 * @module
 */
import { principalArn, type Realm } from "./arn.ts";
import {
  effectiveAccess,
  type EffectiveAccessRequest,
  type EffectiveAccessResponse,
} from "./access/effective-access.ts";
import { explainCall, type ExplainRequest } from "./access/explain-request.ts";
import { Iam } from "./access/iam.ts";
import { Quotas, type QuotaOptions } from "./access/quotas.ts";
import { Session, type SessionOptions } from "./access/session.ts";
import { AuditLog, type AuditOptions } from "./audit/log.ts";
import { oldestRotation, unusedKeys, type UnusedKey } from "./keys/survey.ts";
import { KmsClient } from "./client.ts";
import { forgetReplica } from "./keys/multi-region.ts";
import { ownEvent } from "./operations/trail.ts";
import type { Explanation } from "./policy/explain.ts";
import { Seeding } from "./seed/seeding.ts";
import type { Descriptor } from "./store/descriptor.ts";
import {
  createFile,
  inspectFile,
  openFile,
  type CreateFileOptions,
  type OpenFileOptions,
} from "./store/keystore-file.ts";
import type { OpenKeystore } from "./store/open-keystore.ts";
import {
  createInPostgres,
  inspectInPostgres,
  isPostgresUrl,
  openInPostgres,
} from "./store/keystore-database.ts";
import type { RootKeyKind, RootKeySource } from "./store/root-key.ts";
import { sqliteVersion } from "./store/sqlite-version.ts";
import type { Finding } from "./store/verify.ts";

/** What a keystore does besides keeping its file. */
interface ServiceOptions {
  /** The audit log: its durability, what happens if it cannot be written, and how much of it is kept. */
  readonly audit?: AuditOptions;
  /** Request quotas, for rehearsing how AWS throttles. Default: `off`. */
  readonly quotas?: QuotaOptions;
  /**
   * How long a new grant counts only for calls with its token, in ms. In AWS, this takes up to five minutes. Default: 0.
   */
  readonly grantDelay?: number;
}

export interface OpenKeystoreOptions extends OpenFileOptions, ServiceOptions {}

export interface CreateKeystoreOptions extends CreateFileOptions, ServiceOptions {
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
  const { prepare } = options;
  const fill = async (open: OpenKeystore): Promise<void> => {
    using keystore = await start(open, options);
    await prepare?.(keystore);
  };
  const create = isPostgresUrl(path) ? createInPostgres : createFile;
  return start(await create(path, options, prepare === undefined ? undefined : fill), options);
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
  const open = isPostgresUrl(path) ? openInPostgres : openFile;
  return start(await open(path, options), options);
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
  const inspect = isPostgresUrl(path) ? inspectInPostgres : inspectFile;
  return facts(await inspect(path, options));
}

async function start(open: OpenKeystore, options: ServiceOptions): Promise<Keystore> {
  try {
    const keystore = new Keystore(open, options);
    if (!open.store.readOnly) await keystore.purge();
    return keystore;
  } catch (error) {
    open.close();
    throw error;
  }
}

/** An open keystore. It has the root key, and does not reveal key material to anybody. */
export class Keystore implements Disposable {
  readonly #open: OpenKeystore;
  readonly #quotas: Quotas | undefined;
  readonly #grantDelay: number;
  /** The record of every call, including refused ones. */
  readonly audit: AuditLog;
  /** Users, roles and groups, and their policies. */
  readonly iam: Iam;
  /** Makes keys and principals match a seed, and exports a seed of what exists. */
  readonly seeding: Seeding;

  /** Not for applications: they call {@link openKeystore}. */
  constructor(open: OpenKeystore, options: ServiceOptions) {
    const { store, root, descriptor } = open;
    this.#open = open;
    this.#quotas = Quotas.from(options.quotas);
    this.#grantDelay = grantDelay(options);
    this.audit = new AuditLog(store, root, descriptor, options.audit);
    this.iam = new Iam(store, descriptor, this.audit);
    this.seeding = new Seeding({ store, realm: descriptor, audit: this.audit, iam: this.iam });
    store.onDelete((key) => {
      // This runs inside the change that deletes the key: there is nothing to wait for.
      forgetReplica(key, store);
      void this.audit.append(ownEvent({ operation: "DeleteKey", key }, descriptor, store.now()));
    });
  }

  get path(): string {
    return this.#open.path;
  }

  /** The version of SQLite in use. */
  get sqliteVersion(): string {
    return sqliteVersion();
  }

  get facts(): KeystoreFacts {
    return facts(this.#open.descriptor);
  }

  /**
   * The KMS as a principal sees it, with the policies that {@link iam} has for that principal.
   *
   * @param principal - ARN of a user, role, session, federated user or account root; in short
   * `user/alice`, `role/app` or `root`; or the name of a service. Default: `root`.
   * @throws TypeError if it is not a principal, RangeError for session options out of bounds.
   */
  as(principal: string = "root", session: SessionOptions = {}): KmsClient {
    const { store, descriptor: realm } = this.#open;
    return new KmsClient({
      store,
      session: new Session(principalArn(principal, realm), realm, session),
      audit: this.audit,
      lastUse: (arn) => this.audit.lastUse(arn),
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
    const { store, descriptor } = this.#open;
    return explainCall({ store, lastUse: (arn) => this.audit.lastUse(arn) }, descriptor, request);
  }

  /**
   * Lists who may do what with a key, and through which statement or grant, one page of principals at a time.
   *
   * @param region - Where the key is. Default: the keystore's own.
   * @throws {@link KmsError} `ValidationException`, `NotFoundException`, `InvalidMarkerException`.
   */
  effectiveAccess(
    request: EffectiveAccessRequest,
    region: string = this.facts.region,
  ): Promise<EffectiveAccessResponse> {
    const { store, descriptor } = this.#open;
    const source = { store, lastUse: (arn: string) => this.audit.lastUse(arn) };
    return effectiveAccess(source, { ...descriptor, region }, request);
  }

  /**
   * The customer managed keys of all regions that were not used for cryptography in the last `days` days, or since they were
   * created if that is longer ago. The key that was unused for longest is the first.
   *
   * @param days - 1 to 36,500. Default: 90.
   * @throws RangeError
   */
  unusedKeys(days: number = 90): Promise<readonly UnusedKey[]> {
    const { store, descriptor } = this.#open;
    return unusedKeys(store, descriptor, (arn) => this.audit.lastUse(arn), days);
  }

  /**
   * When the key whose automatic rotation is longest ago was last rotated, or else created. Only enabled customer managed keys
   * with automatic rotation count; `undefined` if there is none. Reads all keys.
   */
  oldestRotation(): Promise<Date | undefined> {
    return oldestRotation(this.#open.store);
  }

  /**
   * Seals the root key under another source. The keys do not change. Copies of the file still open with the old source.
   */
  changeRoot(source: RootKeySource): Promise<void> {
    return this.#open.changeRoot(source);
  }

  /**
   * Checks every record, including those of the audit log, and names those that were altered, exchanged, put back from an
   * older state of the file, removed or added. A SQLite library whose version can lose changes is named as well, even if
   * `patchedSqlite` vouches for it. An empty list means that everything verifies. Others may read and write in the
   * meantime. `audit.verify` checks only the log, and compares it with an anchor.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT` if the file is too damaged to read its records.
   */
  verify(): Promise<readonly Finding[]> {
    return verifyOpen(this.#open);
  }

  /**
   * Copies the current keystore into a new file of mode 0600, which appears once it is whole and on disk. Other processes
   * may read and write in the meantime; this one is blocked. The copy opens with the same root key. To restore it, open it:
   * it knows nothing of later changes.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO` and what reading throws. Then nothing is left behind.
   */
  backup(path: string): Promise<void> {
    return this.#open.backup(path);
  }

  /**
   * Sets the keystore's clock, which otherwise never goes back, to the machine's, after the machine's clock was far ahead.
   * Keys that had expired because of it are pending deletion again, unless the clock was wrong for more than a day.
   */
  async resetClock(): Promise<void> {
    const { store } = this.#open;
    await store.write(() => store.resetClock());
  }

  /** Reads the state as it is now. Rejects while that is not possible, for example because the database does not answer. */
  async requireReady(): Promise<void> {
    await this.#open.store.read(() => undefined);
  }

  /** Deletes keys whose deletion date has passed. Opening and every change also do so. */
  async purge(): Promise<void> {
    const { store } = this.#open;
    if (await store.read(() => store.hasExpired())) await store.write(() => undefined);
  }

  /** Closes the file. Idempotent; later calls of its clients throw `ERR_ENVELOPE_CLOSED`. */
  close(): void {
    try {
      this.audit.close();
    } finally {
      this.#open.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** {@link Keystore.verify} */
export function verifyOpen(open: OpenKeystore): Promise<readonly Finding[]> {
  return open.verify(async ({ store, root, descriptor }) => {
    const { problems } = await new AuditLog(store, root, descriptor).verify();
    return problems.map(({ message }) => ({ record: "the audit log", problem: message }));
  });
}

function grantDelay({ grantDelay: given = 0 }: ServiceOptions): number {
  if (!(given >= 0)) throw new RangeError("grantDelay must be a number of ms, 0 or more");
  return given;
}

function facts({ keystoreId, accountId, region, created, root }: Descriptor): KeystoreFacts {
  return { keystoreId, accountId, region, created: new Date(created), rootKind: root.kind };
}
