/**
 * What a decision costs, counted in steps and not in time: the same request takes the same steps on
 * every machine.
 *
 * A step is one comparison of a character in a search, which takes some nanoseconds. What is counted as a
 * whole, such as the call of a comparison, counts as the steps that take as long.
 *
 * Source: spec/authorization.md#cost
 *
 * @module
 */

/**
 * The steps that one decision may take: less than 10 ms. A full key policy of plain statements takes a
 * twentieth of them, one of 8,000 values to compare with an eighth.
 */
export const DECISION_STEPS = 500_000;

/**
 * The steps that an explanation may take for each of its parts: statements, grants, suggestions, hints. It
 * compares what the decision does not get to, such as the conditions of a statement for another action.
 */
export const EXPLANATION_STEPS: number = 4 * DECISION_STEPS;

/** A decision, or a part of an explanation, would take more steps than it may. */
export class TooManySteps extends Error {}

export class Meter {
  readonly #limit: number;
  #spent = 0;

  /** @param limit - In steps. Default: none, for a single comparison. */
  constructor(limit: number = Infinity) {
    this.#limit = limit;
  }

  /** The steps that were taken so far. */
  get spent(): number {
    return this.#spent;
  }

  /** @throws {@link TooManySteps} */
  spend(steps: number): void {
    this.#spent += steps;
    if (this.#spent > this.#limit) throw new TooManySteps();
  }
}

/** Answers `otherwise` where `ask` would take more steps than its meter has left. */
export function withinSteps<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof TooManySteps) return otherwise;
    throw error;
  }
}
