/**
 * Maps of bounded size, which drop the least recently used entries.
 *
 * @module
 */

/** A map of the `max` most recently used entries. */
export class Recent<T> {
  readonly #max: number;
  readonly #map = new Map<string, T>();
  #newest: string | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): T | undefined {
    const value = this.#map.get(key);
    if (value !== undefined && key !== this.#newest) this.#append(key, value);
    return value;
  }

  /** @returns The key that was evicted, if any. */
  set(key: string, value: T): string | undefined {
    this.#append(key, value);
    if (this.#map.size <= this.#max) return undefined;
    const [oldest] = this.#map.keys();
    if (oldest !== undefined) this.#map.delete(oldest);
    return oldest;
  }

  delete(key: string): void {
    this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }

  /** A Map keeps insertion order, so the newest entry is the last. */
  #append(key: string, value: T): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    this.#newest = key;
  }
}

/**
 * A map of the `max` most recently used entries that are younger than `maxAge` milliseconds. Adding an
 * entry removes older ones at constant cost: since all lifetimes are equal, they end in the order in
 * which they began.
 */
export class RecentlyBorn<T extends { readonly born: number }> {
  readonly #maxAge: number;
  readonly #recent: Recent<T>;
  readonly #byAge = new Map<string, T>();

  constructor(max: number, maxAge: number) {
    this.#recent = new Recent(max);
    this.#maxAge = maxAge;
  }

  get size(): number {
    return this.#byAge.size;
  }

  get(key: string): T | undefined {
    const value = this.#recent.get(key);
    return value === undefined || this.#isOver(value) ? undefined : value;
  }

  set(key: string, value: T): void {
    this.#byAge.delete(key);
    this.#byAge.set(key, value);
    const pushedOut = this.#recent.set(key, value);
    if (pushedOut !== undefined) this.#byAge.delete(pushedOut);
    for (const [oldest, held] of this.#byAge) {
      if (!this.#isOver(held)) break;
      this.#byAge.delete(oldest);
      this.#recent.delete(oldest);
    }
  }

  clear(): void {
    this.#recent.clear();
    this.#byAge.clear();
  }

  #isOver({ born }: T): boolean {
    return performance.now() - born >= this.#maxAge;
  }
}
