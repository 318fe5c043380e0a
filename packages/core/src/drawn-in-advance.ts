/**
 * Random bytes for public values, drawn many at a time: a call for each salt would take a tenth of the time of
 * a small message.
 *
 * What must stay true: they are never part of a snapshot from which several processes start. A process that
 * is cloned while it runs (a VM snapshot, CRIU) does use them twice; the same is true of OpenSSL's generator,
 * whose state is also in its memory (SECURITY.md).
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

const AT_ONCE = 64;

export class DrawnInAdvance {
  readonly #random: (length: number) => Bytes;
  #drawn: Bytes = new Uint8Array(0);
  #used = 0;

  /** @param random - Returns this many bytes of a CSPRNG. */
  constructor(random: (length: number) => Bytes) {
    this.#random = random;
  }

  /** Returns `length` bytes that have not been returned before, over a buffer of their own. */
  take(length: number): Bytes {
    if (this.#drawn.length - this.#used < length) {
      this.#drawn = this.#random(AT_ONCE * length);
      this.#used = 0;
    }
    this.#used += length;
    return this.#drawn.slice(this.#used - length, this.#used);
  }

  /** Drops what has been drawn and not returned. */
  forget(): void {
    this.#drawn = new Uint8Array(0);
    this.#used = 0;
  }
}
