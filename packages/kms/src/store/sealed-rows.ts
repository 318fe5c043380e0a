/**
 * Rows of one table, each sealed as a whole. A row is opened again only if it has changed.
 *
 * A row is trusted if three things hold. It opens under its own name, so it does not belong to another record. Its mark is
 * the listed one, so it is the latest. And its unencrypted columns agree with its sealed content.
 *
 * Source: spec/kms-store-v1.md#sealing
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keyIdFromBytes, keyIdToBytes } from "../arn.ts";
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
  /** The keystore's id as it precedes a name in the AAD. */
  readonly #keystoreId: string;

  /** @param root - 32 bytes. */
  constructor(root: KeyObject, keystoreId: string) {
    this.#root = root;
    this.#keystoreId = Buffer.from(keyIdToBytes(keystoreId)).toString("latin1");
  }

  /** Seals a row. Wiping `plaintext` is up to the caller. */
  seal(name: string, plaintext: Uint8Array): Bytes {
    return sealRow(this.#root, LABEL, this.#aad(name), plaintext);
  }

  /** The plaintext, which the caller wipes; `undefined` if it was not sealed under this name. */
  open(name: string, sealed: Uint8Array): Bytes | undefined {
    return openRow(this.#root, LABEL, this.#aad(name), sealed);
  }

  /** Keystore id || name, in Latin-1. */
  #aad(name: string): Uint8Array {
    return Buffer.from(this.#keystoreId + name, "latin1");
  }
}

/** Part of a list, in the order of the file. `next` is where the list continues, `undefined` at its end. */
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

/** What the rows of a table contain. */
export interface RowForm<T> {
  /** Reads a record and wipes the bytes. `undefined`: they are not such a record. */
  readonly decode: (name: RecordName, plaintext: Bytes) => T | undefined;
  /** Throws {@link Fault} if the unencrypted columns of the row contradict the record in it. */
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

  /** The record, if nothing else has written since it was verified. */
  known(name: RecordName): T | undefined {
    const entry = this.#cache.get(name);
    return entry?.epoch === this.#freshness.epoch ? entry.record : undefined;
  }

  /**
   * The record in a row.
   *
   * @param clear - The unencrypted columns of the row, as one text.
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

  /** Checks that a record without a row does not exist. */
  requireAbsent(name: RecordName): void {
    if (this.#freshness.mark(name) !== undefined) throw fault(name, ROW_REMOVED);
  }

  /** Seals a record's next state, which is the latest from now on. Wipes `plaintext`. */
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

  /** Notes that the record is deleted, together with its row. */
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

/** Identifies a sealing among all those of the same record. Latin-1. */
export function markOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.buffer, sealed.byteOffset + 1, MARK_BYTES).toString("latin1");
}

export const ROW_REMOVED = "its row was removed";

/** The fault of a record that has this name. */
export function fault(name: RecordName, problem: string): Fault {
  return new Fault(titleOf(name), problem);
}

/** `key 0123…`, `alias alias/app`, `principal arn:…`. */
export function titleOf(name: RecordName): string {
  const rest = name.slice(1);
  if (name.startsWith("k")) return `key ${keyIdFromBytes(Buffer.from(rest, "latin1"))}`;
  return name.startsWith("a") ? `alias ${rest}` : `principal ${rest}`;
}
