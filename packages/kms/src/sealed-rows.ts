/**
 * Rows of one table, each sealed whole and read anew, opened only where it changed since.
 *
 * A row is believed once three things hold: it opens under its own name, so it is no other's; its
 * mark is the one listed, so it is the latest; and what it says in clear is what it says inside.
 *
 * Source: spec/kms-store-v1.md#sealing
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keyIdFromBytes, keyIdToBytes } from "./arn.ts";
import { Fault } from "./file-errors.ts";
import { MARK_BYTES, type RecordName } from "./bucket.ts";
import type { Freshness } from "./freshness.ts";
import { RecordCache } from "./record-cache.ts";
import { label, openRow, sealRow } from "./seal.ts";

/** Bytes of a sealed record; a longer one is not read into memory. */
export const MAX_RECORD_BYTES: number = 1 << 20;

const LABEL = label("env/1/keystore");

/** Seals under the keystore's root key, bound to this keystore and to the name of a row. */
export class RowSealer {
  readonly #root: KeyObject;
  /** As the file has it in front of a name. */
  readonly #keystoreId: string;

  /** @param root - 32 bytes. */
  constructor(root: KeyObject, keystoreId: string) {
    this.#root = root;
    this.#keystoreId = Buffer.from(keyIdToBytes(keystoreId)).toString("latin1");
  }

  /** `plaintext` stays the caller's to wipe. */
  seal(name: string, plaintext: Uint8Array): Bytes {
    return sealRow(this.#root, LABEL, this.#aad(name), plaintext);
  }

  /** The plaintext, the caller's to wipe; `undefined` for what was not sealed under this name. */
  open(name: string, sealed: Uint8Array): Bytes | undefined {
    return openRow(this.#root, LABEL, this.#aad(name), sealed);
  }

  /** Keystore id || name in Latin-1. */
  #aad(name: string): Uint8Array {
    return Buffer.from(this.#keystoreId + name, "latin1");
  }
}

/** A part of a list, in the file's order. `next` is where it goes on, `undefined` at the end. */
export interface Listed<T, Position> {
  readonly items: readonly T[];
  readonly next: Position | undefined;
}

interface CacheEntry<T> {
  /** When the row was last compared with the file. */
  epoch: number;
  readonly sealed: Uint8Array;
  readonly bytes: number;
  readonly clear: string;
  readonly record: T;
}

/** What a table's rows hold. */
export interface RowForm<T> {
  /** Wipes the bytes. `undefined` for what is no such record. */
  readonly decode: (name: RecordName, plaintext: Bytes) => T | undefined;
  /** Throws {@link Fault} where the row says another thing in clear than the record in it. */
  readonly compare: (record: T, clear: string) => void;
}

export class SealedRows<T> {
  readonly #sealer: RowSealer;
  readonly #freshness: Freshness;
  readonly #form: RowForm<T>;
  readonly #cache = new RecordCache<CacheEntry<T>>();

  constructor(sealer: RowSealer, freshness: Freshness, form: RowForm<T>) {
    this.#sealer = sealer;
    this.#freshness = freshness;
    this.#form = form;
  }

  /** The record, where it need not be looked at again: nothing else has written meanwhile. */
  known(name: RecordName): T | undefined {
    const entry = this.#cache.get(name);
    return entry?.epoch === this.#freshness.epoch ? entry.record : undefined;
  }

  /**
   * The record in a row.
   *
   * @param clear - What the row says in clear, as one text.
   */
  open(name: RecordName, sealed: Uint8Array, clear: string): T {
    const cached = this.#cache.get(name);
    const same = cached?.clear === clear && Buffer.compare(cached.sealed, sealed) === 0;
    const record = same ? cached.record : this.#unseal(name, sealed);
    const listed = this.#freshness.mark(name);
    if (listed === undefined) throw fault(name, "it was deleted, and its row was put back");
    if (listed !== markOf(sealed)) throw fault(name, "an older row of it was put back");
    const { epoch } = this.#freshness;
    if (same) {
      cached.epoch = epoch;
    } else {
      this.#form.compare(record, clear);
      this.#cache.offer(name, { epoch, sealed, bytes: sealed.length, clear, record });
    }
    return record;
  }

  /** To be called where there is no row: that must be so. */
  requireAbsent(name: RecordName): void {
    if (this.#freshness.mark(name) !== undefined) throw fault(name, ROW_REMOVED);
  }

  /** Seals a record's next state, which counts from now on. `plaintext` is wiped. */
  seal(name: RecordName, plaintext: Bytes): Bytes {
    try {
      const sealed = this.#sealer.seal(name, plaintext);
      if (sealed.length > MAX_RECORD_BYTES) throw new RangeError("a record has at most 1 MiB");
      this.#freshness.set(name, markOf(sealed));
      this.#cache.delete(name);
      return sealed;
    } finally {
      plaintext.fill(0);
    }
  }

  /** The record is deleted, and its row with it. */
  drop(name: RecordName): void {
    this.#freshness.set(name, undefined);
    this.#cache.delete(name);
  }

  #unseal(name: RecordName, sealed: Uint8Array): T {
    const plaintext = this.#sealer.open(name, sealed);
    const record = plaintext === undefined ? undefined : this.#form.decode(name, plaintext);
    if (record !== undefined) return record;
    throw fault(name, "it was altered, or belongs to another row or keystore");
  }
}

/** Tells a sealing from every other of the same record. Latin-1. */
export function markOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.buffer, sealed.byteOffset + 1, MARK_BYTES).toString("latin1");
}

export const ROW_REMOVED = "its row was removed";

/** What is wrong with a record, by its name. */
export function fault(name: RecordName, problem: string): Fault {
  return new Fault(titleOf(name), problem);
}

/** `key 0123…`, `alias alias/app`, `principal arn:…`. */
export function titleOf(name: RecordName): string {
  const rest = name.slice(1);
  if (name.startsWith("k")) return `key ${keyIdFromBytes(Buffer.from(rest, "latin1"))}`;
  return name.startsWith("a") ? `alias ${rest}` : `principal ${rest}`;
}
