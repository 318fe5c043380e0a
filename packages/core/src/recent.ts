/**
 * Bounded memory: a map that forgets what was not used for longest.
 *
 * @module
 */

/** A map of the `max` most recently used. */
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

  set(key: string, value: T): void {
    this.#append(key, value);
    if (this.#map.size <= this.#max) return;
    for (const oldest of this.#map.keys()) {
      this.#map.delete(oldest);
      return;
    }
  }

  /** A Map keeps the order of insertion: to the end with it. */
  #append(key: string, value: T): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    this.#newest = key;
  }

  removeWhere(over: (value: T) => boolean): void {
    for (const [key, value] of this.#map) if (over(value)) this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }
}
