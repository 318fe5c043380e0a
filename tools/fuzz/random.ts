/**
 * Numbers that look random and come back for the same seed. For mutations, never for keys.
 *
 * @module
 */
import { seededRandom } from "@env/testkit/random";

export class Random {
  /** Returns an integer from 0 to `end` - 1; 0 where `end` is 0. */
  readonly below: (end: number) => number;

  /** @param seed - 0 to 2^32 - 1. */
  constructor(seed: number) {
    this.below = seededRandom(seed);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
