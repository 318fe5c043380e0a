/**
 * What a decision costs, counted in steps and not in time: the same request takes the same steps on
 * every machine.
 *
 * A step is about one comparison: of a character in a search, of a value with a literal, of a statement
 * with an action. It takes some nanoseconds.
 *
 * Source: spec/authorization.md#cost
 *
 * @module
 */

/**
 * The steps that one decision may take: some milliseconds. A full key policy of simple statements, asked
 * with a full encryption context, takes a tenth of them.
 */
export const DECISION_STEPS = 1_000_000;

/** A decision would take more steps than it may. */
export class TooManySteps extends Error {}

export class Meter {
  readonly #limit: number;
  #spent = 0;

  /** @param limit - In steps. Default: none. */
  constructor(limit: number = Infinity) {
    this.#limit = limit;
  }

  /** In steps. */
  get spent(): number {
    return this.#spent;
  }

  /** @throws {@link TooManySteps} */
  spend(steps: number): void {
    this.#spent += steps;
    if (this.#spent > this.#limit) throw new TooManySteps();
  }
}
