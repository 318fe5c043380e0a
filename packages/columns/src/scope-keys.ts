/**
 * The data keys of scopes: which one writes, and which ones are held for reading.
 *
 * A key that writes is leased: for a time, and for a number of values that the database has counted already.
 * Within a lease nothing is asked; and when a key is retired, no process writes with it any longer than that.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { EnvelopeError } from "@env/core";
import type { DataKeys, HeldDataKey } from "@env/core/data-keys";
import { sqlFences, type FenceStore } from "./fences.ts";
import {
  insertKey,
  keysAfter,
  readableKeys,
  readKeys,
  reserveUses,
  scopeHash,
  type KeyRow,
} from "./key-table.ts";
import { contextOf, type Purpose, type Scope } from "./place.ts";
import type { SqlClient } from "./sql.ts";
import { headerOf, KEY_ID_BYTES } from "./value.ts";

/** When a scope gets a new data key, and how long a process may write with what it knows. */
export interface RotationPolicy {
  /** Milliseconds. */
  readonly maxAge: number;
  /** Values of one data key, over all processes. */
  readonly maxValues: number;
  /** Milliseconds for which a process writes with a data key before it asks the database again. */
  readonly lease: number;
}

/** A data key that may encrypt. */
export interface WritingKey {
  readonly id: string;
  /** The first bytes of its values. */
  readonly header: Uint8Array;
  readonly dataKey: HeldDataKey;
}

interface Lease extends WritingKey {
  left: number;
  readonly until: number;
}

/** The number of concurrent calls to the KMS. */
const PARALLEL = 16;
/** The most values that are counted in advance. */
const MOST_AT_ONCE = 65_536;
/** How many scopes a process writes in without asking. */
const LEASES = 10_000;
/** The most keys that one statement asks for. */
const KEYS_AT_ONCE = 500;

export class ScopeKeys {
  readonly #client: SqlClient;
  readonly #held: DataKeys;
  readonly #policy: RotationPolicy;
  readonly #fences: readonly FenceStore[];
  readonly #leases = new Map<string, Lease>();
  readonly #leasing = new Map<string, Promise<Lease>>();

  constructor(
    client: SqlClient,
    held: DataKeys,
    policy: RotationPolicy,
    fences: readonly FenceStore[],
  ) {
    this.#client = client;
    this.#held = held;
    this.#policy = policy;
    this.#fences = fences;
  }

  /**
   * Returns a key for `uses` values of a scope, and creates one where there is none.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_SHREDDED`; like `Envelope.encrypt` and `Envelope.decrypt`.
   */
  async forWriting(scope: Scope, purpose: Purpose, uses: number): Promise<WritingKey> {
    for (;;) {
      const leased = this.writable(scope, purpose, uses);
      if (leased !== undefined) return leased;
      const pending = this.#leasing.get(nameOf(scope, purpose));
      if (pending === undefined) break;
      await pending;
    }
    const lease = await this.#renew(scope, purpose, uses);
    lease.left -= uses;
    return lease;
  }

  /** Does what {@link forWriting} does without waiting; returns `undefined` where it would have to. */
  writable(scope: Scope, purpose: Purpose, uses: number): WritingKey | undefined {
    const name = nameOf(scope, purpose);
    const lease = this.#leases.get(name);
    if (lease === undefined || lease.left < uses || Date.now() >= lease.until) return undefined;
    // A cache that was cleared no longer has it.
    if (this.#held.held(lease.id) !== lease.dataKey) return undefined;
    lease.left -= uses;
    if (Date.now() > lease.until - this.#policy.lease / 2 && !this.#leasing.has(name)) {
      // Nobody waits for this one: while it fails, the lease is used to its end.
      this.#renew(scope, purpose, uses).catch(() => undefined);
    }
    return lease;
  }

  /** Opens what the synchronous converters need: all keys of a scope that read, and one that writes. */
  async hold(scope: Scope): Promise<void> {
    await this.open((await readableKeys(this.#client, "values", scope)).map((row) => row.id));
    await this.forWriting(scope, "values", 0);
  }

  /** Returns the data key with this id if it is held. */
  held(id: string): HeldDataKey | undefined {
    return this.#held.held(id);
  }

  /**
   * Opens keys that are not held.
   *
   * @throws EnvelopeError `ERR_ENVELOPE_SHREDDED`, `ERR_ENVELOPE_NO_KEY`; like `Envelope.decrypt`.
   */
  async open(ids: Iterable<string>): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => this.#held.held(id) === undefined);
    for (let at = 0; at < missing.length; at += KEYS_AT_ONCE) {
      const wanted = missing.slice(at, at + KEYS_AT_ONCE);
      const rows = new Map((await readKeys(this.#client, wanted)).map((row) => [row.id, row]));
      const found = wanted.map((id) => rows.get(id) ?? noKey(id));
      await inParallel(found, (row) => this.#open(row));
    }
  }

  /** All keys of a scope that may be searched for, opened; the newest first. */
  async active(
    scope: Scope,
    purpose: Purpose,
  ): Promise<readonly { id: string; dataKey: HeldDataKey }[]> {
    const rows = (await readableKeys(this.#client, purpose, scope)).filter(isActive);
    return Promise.all(rows.map(async (row) => ({ id: row.id, dataKey: await this.#open(row) })));
  }

  /** Creates a key for each scope that has an active one, unless that was created after `since`, in milliseconds since 1970. */
  async renewAll(purpose: Purpose, since: number): Promise<void> {
    const newest = new Map<string, KeyRow>();
    for (let last = ""; ;) {
      const rows = await keysAfter(this.#client, last, KEYS_AT_ONCE);
      for (const row of rows.filter((one) => one.purpose === purpose && isActive(one))) {
        const known = newest.get(row.scopeHash);
        if (known === undefined || known.created < row.created) newest.set(row.scopeHash, row);
      }
      if (rows.length < KEYS_AT_ONCE) break;
      last = rows.at(-1)?.id ?? last;
    }
    await inParallel([...newest.values()], async ({ scope, created, fenced }) => {
      if (scope !== undefined && !fenced && created <= since)
        await this.#create(scope, purpose, since);
    });
    this.forgetLeases();
  }

  /** Forgets data keys that were destroyed, in this process. */
  forget(ids: readonly string[]): void {
    if (ids.length === 0) return;
    this.#held.clear();
    this.#leases.clear();
  }

  /** Asks the database again before the next value is written. */
  forgetLeases(): void {
    this.#leases.clear();
  }

  #renew(scope: Scope, purpose: Purpose, uses: number): Promise<Lease> {
    const name = nameOf(scope, purpose);
    const leasing = this.#lease(scope, purpose, uses)
      .then((lease) => {
        if (this.#leases.size >= LEASES) this.#leases.clear();
        this.#leases.set(name, lease);
        return lease;
      })
      .finally(() => this.#leasing.delete(name));
    this.#leasing.set(name, leasing);
    return leasing;
  }

  async #lease(scope: Scope, purpose: Purpose, uses: number): Promise<Lease> {
    const { maxAge, maxValues, lease } = this.#policy;
    const asked = Date.now();
    // An index that changed its key with time would find nothing older.
    const oldest = purpose === "index" ? 0 : asked - maxAge;
    const most = purpose === "index" ? Number.MAX_SAFE_INTEGER : maxValues;
    const left = Math.max(uses, Math.min(MOST_AT_ONCE, Math.ceil(most / 16)));
    for (const row of (await readableKeys(this.#client, purpose, scope)).filter(isActive)) {
      if (row.created < oldest || !(await reserveUses(this.#client, row.id, left, most))) continue;
      const dataKey = await this.#open(row);
      return { id: row.id, header: headerOf(row.id), dataKey, left, until: asked + lease };
    }
    const { id, dataKey } = await this.#create(scope, purpose);
    await reserveUses(this.#client, id, left, Math.max(left, most));
    return { id, header: headerOf(id), dataKey, left, until: asked + lease };
  }

  async #create(
    scope: Scope,
    purpose: Purpose,
    since = 0,
  ): Promise<{ id: string; dataKey: HeldDataKey }> {
    const hash = scopeHash(scope);
    await this.#requireNoFence(hash, await sqlFences(this.#client).has(hash));
    // Clocks of machines differ, and what is newer must be newer.
    const created = Math.max(Date.now(), since + 1);
    for (;;) {
      const id = randomBytes(KEY_ID_BYTES).toString("hex");
      const message = await this.#held.create(id, {
        context: contextOf(scope, purpose),
        aad: { key: id },
      });
      if (!(await insertKey(this.#client, { id, purpose, scope, message, created }))) continue;
      const [row] = await readKeys(this.#client, [id]);
      if (row === undefined) throw noKey(id);
      return { id, dataKey: await this.#open(row) };
    }
  }

  async #open(row: KeyRow): Promise<HeldDataKey> {
    await this.#requireNoFence(row.scopeHash, row.fenced);
    const { id, scope, purpose, message } = row;
    if (message === undefined || row.state === "destroyed") {
      throw new EnvelopeError(
        "ERR_ENVELOPE_NO_KEY",
        `data key ${id} was destroyed: nothing under it can be read`,
      );
    }
    if (scope === undefined) throw shredded();
    return this.#held.open(id, message, { context: contextOf(scope, purpose), aad: { key: id } });
  }

  async #requireNoFence(hash: string, known: boolean): Promise<void> {
    if (known) throw shredded();
    for (const fences of this.#fences) if (await fences.has(hash)) throw shredded();
  }
}

/** Does something that calls the KMS for several keys. */
async function inParallel(
  rows: readonly KeyRow[],
  work: (row: KeyRow) => Promise<unknown>,
): Promise<void> {
  const queue = [...rows];
  const worker = async (): Promise<void> => {
    for (let row = queue.pop(); row !== undefined; row = queue.pop()) await work(row);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, queue.length) }, worker));
}

function isActive({ state }: KeyRow): boolean {
  return state === "active";
}

function nameOf(scope: Scope, purpose: Purpose): string {
  return `${purpose} ${scope.name}`;
}

function shredded(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_SHREDDED",
    "the data of this scope was shredded: its data key was destroyed on purpose, and there is a receipt",
  );
}

function noKey(id: string): never {
  throw new EnvelopeError(
    "ERR_ENVELOPE_NO_KEY",
    `the key table has no data key ${id}: restore its row of envelope_keys`,
  );
}
