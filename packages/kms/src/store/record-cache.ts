/**
 * Opened records by encoded name, if they are requested repeatedly.
 *
 * A record that is requested only once is not kept: in a large keystore, most are. It is kept from the second request on,
 * if fewer than eight thousand others come in between. The records that are kept form two generations. When the younger
 * one is full, it becomes the older one, and the older one is dropped, except for what was requested in the meantime.
 *
 * This is also what V8 collects best. Records that live for a thousand calls each would move to the old generation of its
 * heap and die there. A `Map` whose entries are removed one by one while others are added leaves old tables behind, which
 * keep everything alive that was ever in it until the next full collection.
 *
 * @module
 */
/** The most bytes of a generation: what its records report, and `OBJECT_BYTES` for the objects of each. */
const GENERATION_BYTES = 2 ** 23;
const OBJECT_BYTES = 2048;
/** Names in a generation of those that were requested. */
const SEEN = 2 ** 13;

export class RecordCache<Entry extends { readonly bytes: number }> {
  #young = new Map<string, Entry>();
  #old = new Map<string, Entry>();
  /** Bytes of what was put into `#young`, whether it is still there or not. */
  #youngBytes = 0;
  /** Hashes of names that were requested: the latest, and those before. */
  #seen = new Set<number>();
  #seenBefore = new Set<number>();

  get(name: string): Entry | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.#keep(name, old);
    return old;
  }

  /** Keeps the entry if its record is requested repeatedly. */
  offer(name: string, entry: Entry): void {
    const hash = hashOf(name);
    if (this.#seen.has(hash) || this.#seenBefore.has(hash)) this.#keep(name, entry);
    else this.#note(hash);
  }

  delete(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
  }

  #note(hash: number): void {
    if (this.#seen.size >= SEEN) {
      this.#seenBefore = this.#seen;
      this.#seen = new Set();
    }
    this.#seen.add(hash);
  }

  #keep(name: string, entry: Entry): void {
    if (this.#youngBytes >= GENERATION_BYTES) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(name, entry);
    this.#youngBytes += entry.bytes + OBJECT_BYTES;
  }
}

/** FNV-1a, 32 bits. If two names have the same hash, one of them is kept too early, which is harmless. */
function hashOf(name: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01_00_01_93);
  }
  return hash | 0;
}
