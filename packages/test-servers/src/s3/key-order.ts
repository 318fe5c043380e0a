/**
 * Keys in the order of their bytes in UTF-8, in which S3 lists them. Sorting waits for the next list, so that
 * neither a million puts nor a thousand pages of a list take long.
 *
 * @module
 */
export class KeyOrder {
  #sorted: string[] = [];
  readonly #added = new Set<string>();
  #gaps = false;
  readonly #exists: (key: string) => boolean;

  /** @param exists - Whether a key that was added is still there. */
  constructor(exists: (key: string) => boolean) {
    this.#exists = exists;
  }

  add(key: string): void {
    this.#added.add(key);
  }

  /** Says that keys are gone. */
  removed(): void {
    this.#gaps = true;
  }

  /** Its result stays as it is when keys are added later. */
  sorted(): readonly string[] {
    if (this.#gaps) {
      // A key may be gone, be there again, and be among the added ones.
      this.#sorted = this.#sorted.filter((key) => this.#exists(key) && !this.#added.has(key));
      this.#gaps = false;
    }
    if (this.#added.size > 0) {
      const added = [...this.#added].filter(this.#exists).toSorted(compareKeys);
      this.#sorted = merged(this.#sorted, added);
      this.#added.clear();
    }
    return this.#sorted;
  }
}

/** Compares by bytes in UTF-8. Code units of UTF-16 would put U+E000 after U+10000. */
export function compareKeys(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [one.charCodeAt(i), other.charCodeAt(i)];
    if (a === b) continue;
    const [highA, highB] = [isSurrogate(a), isSurrogate(b)];
    return highA === highB ? a - b : highA ? 1 : -1;
  }
  return one.length - other.length;
}

/** The index of the first key that is not less than the given one. */
export function indexOf(keys: readonly string[], key: string): number {
  let [from, to] = [0, keys.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareKeys(keys[middle] ?? "", key) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function merged(one: readonly string[], other: readonly string[]): string[] {
  const last = one.at(-1);
  const [first] = other;
  if (last === undefined || first === undefined || compareKeys(last, first) < 0) {
    return [...one, ...other];
  }
  const result: string[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    const [a, b] = [one[i], other[j]];
    if (b === undefined || (a !== undefined && compareKeys(a, b) < 0)) {
      result.push(a ?? "");
      i++;
    } else {
      result.push(b);
      j++;
    }
  }
  return result;
}
