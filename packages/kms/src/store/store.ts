/**
 * The face of the store: records in and out, in transactions. Nothing above this room knows how they are kept.
 *
 * A function that is given to {@link Store.read} or {@link Store.write} is synchronous, has no lasting effect outside of the
 * store, and may run more than once: because of a lock, or because a change that shared its transaction has failed. Unless
 * their descriptions say otherwise, all members are for use inside such a function. A record that does not verify ends the transaction, and its
 * caller receives `ERR_ENVELOPE_KEYSTORE_FORMAT`.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { AliasRecord, KeyRecord } from "./key-record.ts";
import type {
  AccessKeyRecord,
  LastUseRecord,
  PolicyRecord,
  PrincipalRecord,
  ProviderRecord,
} from "./iam-records.ts";

export interface Store {
  readonly keys: Keys;
  /** Users, roles and groups by ARN, and by their ARN without a path. */
  readonly principals: IndexedRecords<PrincipalRecord>;
  /** Managed policies by ARN. */
  readonly policies: Records<PolicyRecord>;
  /** Identity providers by ARN. */
  readonly providers: Records<ProviderRecord>;
  /** Access keys by id, and by owner. */
  readonly accessKeys: IndexedRecords<AccessKeyRecord>;
  /** Last uses of keys, by the ARN of the key: those that the audit log has written down. */
  readonly lastUses: Records<LastUseRecord>;
  readonly auditRows: AuditRows;

  /** Runs `fn`, which only reads, on one state of the store. */
  read<T>(fn: () => T): Promise<T>;

  /** Makes one change, as a whole or not at all: on disk when the promise fulfils. Concurrent changes share a transaction. */
  write<T>(fn: () => T): Promise<T>;

  /** Makes a change synchronously, for when nothing can be awaited: blocks until it is on disk. Deletes no keys. */
  writeSync<T>(fn: () => T): T;

  /** Inside {@link write}, runs `fn` and takes back what it changed if it throws. */
  attempt<T>(fn: () => T): T;

  /** Whether every {@link write} is refused. May be used anywhere. */
  readonly readOnly: boolean;

  /** Whether a {@link write} is running. May be used anywhere. */
  readonly writing: boolean;

  /** Milliseconds since 1970. Never goes back, and does not change within a `read` or `write`. May be used anywhere. */
  now(): number;

  /** A time that has certainly passed: what is past its date by this time may be destroyed. */
  settled(): number;

  /** Sets the clock to the machine's. */
  resetClock(): void;

  /** Whether a {@link write} may have keys to delete. */
  hasExpired(): boolean;

  /** Calls `listener` with each key that is deleted for good, inside the change that deletes it. May be used anywhere. */
  onDelete(listener: (record: KeyRecord) => void): void;

  /**
   * Declares that the change destroys key material. Once the change is on disk, no copy of the material is left in files of
   * the store.
   */
  destroysMaterial(): void;

  /** Whether several machines write, so that a call may only be answered by the transaction that records it. May be used anywhere. */
  readonly isShared: boolean;

  /** The chain of the audit log that this process writes; `undefined` before its first {@link write}. May be used anywhere. */
  readonly chain: number | undefined;

  /** All chains of the audit log, in order: one for each process that has written at the same time. In a file: only 0. */
  chains(): readonly number[];

  /** A copy of bytes that cannot be put back to an older state, one of a chain's heads. */
  head(name: string, chain: number): Uint8Array<ArrayBuffer> | undefined;

  /**
   * Changes a head of a chain. Where several machines write, that is {@link chain}.
   *
   * @param bytes - At most 256.
   */
  setHead(name: string, chain: number, bytes: Uint8Array): void;

  /**
   * Seals what leaves the keystore and comes back, such as an import token. It opens only in this keystore and under the
   * same name, and not as a record. Wiping `plaintext` is up to the caller. May be used anywhere.
   */
  sealToken(name: string, plaintext: Uint8Array): Bytes;

  /** The plaintext, which the caller wipes; `undefined` if {@link sealToken} did not return the token. */
  openToken(name: string, token: Uint8Array): Bytes | undefined;
}

/** Keys with their aliases, each in its region. A key past its deletion date does not exist. */
export interface Keys {
  get(region: string, keyId: string): KeyRecord | undefined;

  /** Whether a key has this id, or had it and is not deleted yet, or has another id of the same bytes. */
  isTaken(region: string, keyId: string): boolean;

  /** The key that an alias points at. */
  byAlias(region: string, name: string): KeyRecord | undefined;

  /** The regions that have keys, including those past their deletion dates, in the order of their names. */
  regions(): readonly string[];

  /** Lists the keys of a region in the order of their creation. */
  list(region: string, after: number, limit: number): Listed<KeyRecord, number>;

  /** Lists the aliases of a region by name, each with its key. */
  listAliases(
    region: string,
    after: string,
    limit: number,
  ): Listed<readonly [AliasRecord, KeyRecord], string>;

  insert(record: KeyRecord): void;

  /** Replaces a key's record, and makes its aliases point at it. */
  update(record: KeyRecord): void;
}

/** Records of one kind, each with a name: an ARN or an id. */
export interface Records<T> {
  get(name: string): T | undefined;

  /** Lists records by name. */
  list(after: string, limit: number): Listed<T, string>;

  /** Adds a record, or replaces the one of the same name. */
  put(record: T): void;

  /** Deletes a record. `false`: it did not exist. */
  delete(name: string): boolean;
}

/** Records that are also found by something else, which several of them may have. */
interface IndexedRecords<T> extends Records<T> {
  /** All records that have it, sorted by name. */
  by(value: string): readonly T[];
}

/** The rows of the audit log. The log seals their records, and knows which rows belong to it. */
export interface AuditRows {
  insert(row: AuditRow): void;

  /** Deletes all rows of a chain up to a number in it, including that one. Where several machines write, that is {@link Store.chain}. */
  cut(sequence: number): void;

  /** Rows after `sequence`, up to `last`, in the order of their numbers. */
  after(sequence: number, last: number, limit: number): readonly AuditRow[];

  /** Rows of all chains after `start` and before the time `end`, oldest first. */
  forwards(start: TimePlace, end: number, limit: number): readonly AuditRow[];

  /** Rows of all chains before `start` and not before the time `from`, newest first. */
  backwards(start: TimePlace, from: number, limit: number): readonly AuditRow[];

  /** The numbers of the chain's rows up to `base` and of those after `last`, as ranges. */
  outside(base: number, last: number): readonly (readonly [first: number, last: number])[];

  /** Whether the index of times leads to a row. */
  isIndexed(place: TimePlace): boolean;
}

/** A row of the audit log as it is stored: nothing of it is verified. */
export interface AuditRow {
  readonly sequence: number;
  /** Milliseconds since 1970, unencrypted; -1: out of bounds. */
  readonly time: number;
  /** Empty: out of bounds. */
  readonly sealed: Uint8Array;
}

/** A place in the order of time. */
export type TimePlace = Pick<AuditRow, "time" | "sequence">;

/** The records of chain n have the numbers after n times this, which is more than any chain will reach. */
export const CHAIN_NUMBERS: number = 2 ** 36;

/** The chain of a record, or of the place before its first one, by the number. */
export function chainOf(sequence: number): number {
  return Math.floor(sequence / CHAIN_NUMBERS);
}

export const DAY_MS = 86_400_000;

/** The latest time that `Date` can represent; no row is later. */
export const MAX_TIME = 8_640_000_000_000_000;

/** Part of a list. `next` is where the list continues, `undefined` at its end. */
export interface Listed<T, Position> {
  readonly items: readonly T[];
  readonly next: Position | undefined;
}
