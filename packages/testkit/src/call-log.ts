/**
 * Calls to something that a test controls: recorded, held back, made to fail.
 *
 * @module
 */
export class CallLog<Failure> {
  /** The operations that were called, in order. */
  readonly calls: string[] = [];
  /** While it is set, every call fails with the error that is made from it. */
  fails: Failure | undefined;
  /** Every call waits for this first. */
  gate: Promise<void> | undefined;
  readonly #errorOf: (failure: Failure) => Error;

  constructor(errorOf: (failure: Failure) => Error) {
    this.#errorOf = errorOf;
  }

  /** Runs at the start of every call. */
  async enter(operation: string): Promise<void> {
    this.calls.push(operation);
    await this.gate;
    if (this.fails !== undefined) throw this.#errorOf(this.fails);
  }

  count(operation: string): number {
    return this.calls.filter((call) => call === operation).length;
  }
}
