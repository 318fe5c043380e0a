/**
 * A sorted list of encoded names, each with the mark of its record's latest sealing. It is kept as the bytes of the file,
 * because a hundred thousand entries have to be searched and changed in little memory.
 *
 *     entry = u16 length of the name || name || mark (12 bytes)
 *
 * Source: spec/kms-store-v1.md#freshness
 *
 * @module
 */

import { MARK_BYTES } from "./row-sealer.ts";

/** Immutable. Names and marks are texts in Latin-1. */
export class Bucket {
  /** Not to be changed. */
  readonly bytes: Buffer;
  /** Where each entry begins, and where the last one ends. */
  readonly #bounds: readonly number[];

  private constructor(bytes: Buffer, bounds: readonly number[]) {
    this.bytes = bytes;
    this.#bounds = bounds;
  }

  // TypeScript names the class by a variable that it sets only after the class, since #find names it
  // too; `this` is the class already here.
  static readonly empty: Bucket = new this(Buffer.alloc(0), [0]);

  /** Reads the bytes, which it keeps. `undefined`: they are not a bucket. */
  static parse(plaintext: Uint8Array): Bucket | undefined {
    const bytes = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.length);
    const bounds = [0];
    let at = 0;
    while (at + 2 <= bytes.length) {
      at += 2 + bytes.readUInt16BE(at) + MARK_BYTES;
      bounds.push(at);
    }
    return at === bytes.length ? new Bucket(bytes, bounds) : undefined;
  }

  get(name: string): string | undefined {
    const { index, found } = this.#find(name);
    const end = this.#bounds[index + 1];
    if (!found || end === undefined) return undefined;
    return this.bytes.toString("latin1", end - MARK_BYTES, end);
  }

  /** Yields the names in order. */
  names(): string[] {
    return this.#bounds.slice(1).map((end, index) => {
      const start = (this.#bounds[index] ?? 0) + 2;
      return this.bytes.toString("latin1", start, end - MARK_BYTES);
    });
  }

  /** The bucket with other marks for some names; `undefined`: without that name. */
  with(changes: ReadonlyMap<string, string | undefined>): Bucket {
    return this.#remarked(changes) ?? this.#rebuilt(changes);
  }

  /** The same names with other marks, as most changes require; `undefined` if names are added or removed. */
  #remarked(changes: ReadonlyMap<string, string | undefined>): Bucket | undefined {
    const bytes = Buffer.from(this.bytes);
    for (const [name, mark] of changes) {
      const { index, found } = this.#find(name);
      const end = this.#bounds[index + 1];
      if (!found || end === undefined || mark === undefined) return undefined;
      bytes.write(mark, end - MARK_BYTES, "latin1");
    }
    return new Bucket(bytes, this.#bounds);
  }

  #rebuilt(changes: ReadonlyMap<string, string | undefined>): Bucket {
    const parts: Buffer[] = [];
    let at = 0;
    // In Latin-1, the order of the texts is that of the bytes.
    for (const [name, mark] of [...changes].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const { index, found } = this.#find(name);
      const start = this.#bounds[index] ?? 0;
      parts.push(this.bytes.subarray(at, start));
      if (mark !== undefined) parts.push(entry(name, mark));
      at = (found ? this.#bounds[index + 1] : undefined) ?? start;
    }
    parts.push(this.bytes.subarray(at));
    return Bucket.parse(Buffer.concat(parts)) ?? Bucket.empty;
  }

  /** Where a name is, or would be. */
  #find(name: string): { readonly index: number; readonly found: boolean } {
    const wanted = Buffer.from(name, "latin1");
    let low = 0;
    let high = this.#bounds.length - 1;
    while (low < high) {
      const index = (low + high) >>> 1;
      const start = (this.#bounds[index] ?? 0) + 2;
      const end = (this.#bounds[index + 1] ?? 0) - MARK_BYTES;
      const order = this.bytes.compare(wanted, 0, wanted.length, start, end);
      if (order === 0) return { index, found: true };
      if (order < 0) low = index + 1;
      else high = index;
    }
    return { index: low, found: false };
  }
}

function entry(name: string, mark: string): Buffer {
  const bytes = Buffer.alloc(2 + name.length + MARK_BYTES);
  bytes.writeUInt16BE(name.length);
  bytes.write(name + mark, 2, "latin1");
  return bytes;
}
