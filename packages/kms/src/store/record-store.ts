/**
 * The store on an engine: a file, or PostgreSQL. Unencrypted columns only find records; sealed records say what is true.
 *
 * Whoever can write the tables can move, edit, copy or remove rows, but cannot seal. So every row is checked against the
 * record in it, and every record against the list of the latest ones. A contradiction is an error that names the record,
 * and is never followed.
 *
 * Source: spec/kms-store-v1.md#tables
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { AuditTable } from "./audit-table.ts";
import { isDayLater } from "./clock.ts";
import type { Engine, SharedLog } from "./engine.ts";
import { Freshness, type Move, type Snapshot } from "./freshness.ts";
import { GroupCommit } from "./group-commit.ts";
import { IamTable } from "./iam-table.ts";
import { KeyTable } from "./key-table.ts";
import type { KeyRecord } from "./key-record.ts";
import { headName, readEnds, writeEnds, writePledges, type LogEnd } from "./log-ends.ts";
import type { IamKind } from "./record-name.ts";
import { RowSealer } from "./row-sealer.ts";
import type { AuditRows, Store } from "./store.ts";

/** What goes to another place beside the rows. */
export interface Departure {
  readonly snapshot: Snapshot;
  readonly ends: readonly LogEnd[];
  /** The latest time that was used. */
  readonly time: number;
}

/** There must be only one store on an engine, which tells it when others have changed something. */
export class RecordStore implements Store {
  readonly keys: KeyTable;
  readonly iam: { readonly [Kind in IamKind]: IamTable<Kind> };
  readonly auditRows: AuditRows;
  /** What the face does not show: only files of this room use it. */
  readonly freshness: Freshness;
  readonly #database: Engine;
  readonly #sealer: RowSealer;
  readonly #commits: GroupCommit;
  /** Where several processes write the audit log at once. */
  readonly #log: SharedLog | undefined;
  /** The latest time that this process has used, and the resets of the clock that it knows of. */
  #latest = { time: 0, resets: 0 };
  /** The time of the current transaction. */
  #now: number | undefined;
  #writing = false;
  #destroyed = false;
  #onDelete: (record: KeyRecord) => void = () => undefined;

  /**
   * @param root - The 32-byte root key of the keystore.
   * @param isMover - Whether it may be used on its way to another place: by the move itself.
   */
  constructor(database: Engine, root: KeyObject, keystoreId: string, isMover = false) {
    const sealer = new RowSealer(root, keystoreId);
    this.#database = database;
    this.#sealer = sealer;
    this.freshness = new Freshness(database, sealer, isMover);
    this.iam = {
      principal: new IamTable("principal", database, this.freshness, sealer),
      policy: new IamTable("policy", database, this.freshness, sealer),
      provider: new IamTable("provider", database, this.freshness, sealer),
      "access key": new IamTable("access key", database, this.freshness, sealer),
      "last use": new IamTable("last use", database, this.freshness, sealer),
    };
    this.keys = new KeyTable(database, this.freshness, sealer, () => this.now());
    this.#log = database.openLog?.(sealer, (name) => {
      this.freshness.refresh();
      return this.freshness.head(name);
    });
    this.auditRows = this.#log?.rows ?? new AuditTable(database, () => this.chains());
    this.#commits = new GroupCommit(database, {
      begin: () => this.#begin(),
      save: () => this.#save(),
      flush: () => this.#flush(),
      settle: (committed) => this.#settle(committed),
    });
  }

  /** Writes what a new keystore has besides its descriptor, inside the transaction that creates its tables. */
  create(descriptor: string): void {
    this.freshness.create(descriptor, Date.now());
  }

  /** What another place begins with, besides the rows. Inside of a read. */
  departure(): Departure {
    const { snapshot } = this.freshness;
    return {
      snapshot,
      ends: this.#log?.ends() ?? readEnds(snapshot.heads),
      time: this.now(),
    };
  }

  /** Writes what a keystore from another place has besides its descriptor and its rows, which are here. */
  arrive({ snapshot, ends: left, time }: Departure, descriptor: string, move: Move): void {
    // One more, so that no row of an earlier stay in PostgreSQL can be put back.
    const ends = left.map((end) => ({ ...end, commits: end.commits + 1 }));
    this.#log?.arrive(ends, { time, resets: snapshot.clock.resets });
    const heads = this.#log === undefined ? writeEnds(ends) : writePledges(ends);
    this.freshness.adopt({ ...snapshot, descriptor, heads, move }, time);
  }

  read<T>(fn: () => T): Promise<T> {
    return this.#database.read(() => {
      this.freshness.refresh();
      this.#now = this.#tick();
      try {
        return fn();
      } finally {
        this.#now = undefined;
      }
    });
  }

  write<T>(fn: () => T): Promise<T> {
    return this.#commits.write(fn);
  }

  writeSync<T>(fn: () => T): T {
    return this.#database.writeSync(
      () => {
        this.#begin();
        const result = fn();
        this.freshness.flush();
        this.#writing = false;
        return result;
      },
      (committed) => this.#settle(committed),
    );
  }

  get principals(): IamTable<"principal"> {
    return this.iam.principal;
  }

  get policies(): IamTable<"policy"> {
    return this.iam.policy;
  }

  get providers(): IamTable<"provider"> {
    return this.iam.provider;
  }

  get accessKeys(): IamTable<"access key"> {
    return this.iam["access key"];
  }

  get lastUses(): IamTable<"last use"> {
    return this.iam["last use"];
  }

  get readOnly(): boolean {
    return this.#database.readOnly;
  }

  get writing(): boolean {
    return this.#writing;
  }

  onDelete(listener: (record: KeyRecord) => void): void {
    this.#onDelete = listener;
  }

  attempt<T>(fn: () => T): T {
    return this.#commits.attempt(fn);
  }

  now(): number {
    return this.#now ?? this.#tick();
  }

  settled(): number {
    return this.freshness.clock.settled;
  }

  resetClock(): void {
    this.freshness.resetClock(Date.now());
  }

  get isShared(): boolean {
    return this.#log !== undefined;
  }

  get chain(): number | undefined {
    return this.#log === undefined ? 0 : this.#log.chain;
  }

  chains(): readonly number[] {
    if (this.#log !== undefined) return this.#log.chains();
    return readEnds(this.freshness.snapshot.heads).map(({ number }) => number);
  }

  head(name: string, chain: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#log !== undefined) return this.#log.head(name, chain);
    return this.freshness.head(headName(name, chain));
  }

  setHead(name: string, chain: number, bytes: Uint8Array): void {
    if (this.#log === undefined) this.freshness.setHead(headName(name, chain), bytes);
    else this.#log.setHead(name, bytes);
  }

  sealToken(name: string, plaintext: Uint8Array): Bytes {
    return this.#sealer.seal(`t${name}`, plaintext);
  }

  openToken(name: string, token: Uint8Array): Bytes | undefined {
    return this.#sealer.open(`t${name}`, token);
  }

  hasExpired(): boolean {
    const now = this.now();
    const settles = isDayLater(this.freshness.clock, now);
    return this.keys.hasExpired(settles ? now : this.settled());
  }

  destroysMaterial(): void {
    this.#destroyed = true;
  }

  #begin(): void {
    this.freshness.refresh();
    this.#now = this.#tick();
    this.freshness.begin(this.#now);
    this.#writing = true;
  }

  #save(): () => void {
    const [freshness, log] = [this.freshness.save(), this.#log?.save()];
    return () => {
      freshness();
      log?.();
    };
  }

  #flush(): void {
    const deleted = this.keys.purge(this.settled());
    for (const record of deleted) this.#onDelete(record);
    this.#destroyed ||= deleted.length > 0;
    this.#flushState();
    // The transaction may take a while to end, in which others ask.
    this.#writing = false;
  }

  /** A record of a call alone does not change a state that several processes share. */
  #flushState(): void {
    const log = this.#log;
    if (log === undefined) return this.freshness.flush();
    const { latest, resets } = this.freshness.clock;
    // A transaction that resets the clock has used a time that counts no longer.
    log.flush({ time: resets === this.#latest.resets ? this.now() : latest, resets });
    const { name, bytes, isDue } = log.pledge();
    if (!isDue && !this.freshness.isChanged) return undefined;
    this.freshness.setHead(name, bytes);
    return this.freshness.flush();
  }

  #settle(committed: boolean): void {
    this.#now = undefined;
    this.#writing = false;
    this.freshness.settle(committed);
    if (committed && this.#destroyed) this.#database.checkpoint();
    this.#destroyed = false;
  }

  /** The machine's clock, but never earlier than the file's or than a time that this process has used. */
  #tick(): number {
    const { latest, resets } = this.freshness.clock;
    const known = resets === this.#latest.resets ? this.#latest.time : 0;
    const others = this.#log?.time(resets) ?? 0;
    this.#latest = { time: Math.max(Date.now(), latest, known, others), resets };
    return this.#latest.time;
  }
}
