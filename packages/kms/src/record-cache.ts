/**
 * Opened records by name, those that are asked for again and again.
 *
 * A record that is asked for once is not kept: where there are many, most are. It is kept from the second
 * time on, if that comes before eight thousand others. What is kept is in two generations: once the younger
 * one is full it becomes the older, and the older one is forgotten, but for what was asked for meanwhile.
 *
 * That also is what V8 collects best. Records that live for a thousand calls each are moved to the old
 * generation of its heap and die there; and a `Map` from which things are taken while others are added leaves
 * old tables behind that keep alive all that was ever in it until the next full collection.
 *
 * @module
 */
import type { RecordName } from "./bucket.ts";

/** Of a generation: bytes of its records as they say themselves, each with this much for its objects. */
const GENERATION_BYTES = 2 ** 23;
const OBJECT_BYTES = 2048;
/** Names in a generation of those that are known to have been asked for. */
const SEEN = 2 ** 13;

export class RecordCache<Entry extends { readonly bytes: number }> {
  #young = new Map<RecordName, Entry>();
  #old = new Map<RecordName, Entry>();
  /** Of what was put into `#young`, whether it is still there or not. */
  #youngBytes = 0;
  /** Hashes of names that were asked for: the latest, and those before. */
  #seen = new Set<number>();
  #seenBefore = new Set<number>();

  get(name: RecordName): Entry | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.#keep(name, old);
    return old;
  }

  /** Keeps the entry if its record is one that is asked for again and again. */
  offer(name: RecordName, entry: Entry): void {
    const hash = hashOf(name);
    if (this.#seen.has(hash) || this.#seenBefore.has(hash)) this.#keep(name, entry);
    else this.#note(hash);
  }

  delete(name: RecordName): void {
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

  #keep(name: RecordName, entry: Entry): void {
    if (this.#youngBytes >= GENERATION_BYTES) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(name, entry);
    this.#youngBytes += entry.bytes + OBJECT_BYTES;
  }
}

/** FNV-1a, 32 bits. One of two names that share one is kept too early, and that is all. */
function hashOf(name: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01_00_01_93);
  }
  return hash | 0;
}
