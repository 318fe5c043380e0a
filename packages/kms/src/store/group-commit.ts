/**
 * Concurrent changes share one transaction, and so one wait for the disk.
 *
 * Each change runs in a savepoint of its own, one after the other: a change that fails leaves no trace and does not affect
 * the others. None is answered before all of them are on disk. If the transaction itself fails, for example on a full
 * disk, each change is tried again alone, so that no change fails because of another.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { isEnvelopeError } from "@env/core";
import type { Engine } from "./engine.ts";

/** Bounds how long the event loop is blocked. */
const MAX_BATCH = 64;

/** What accompanies every transaction. */
export interface Frame {
  /** First in the transaction. */
  begin(): void;
  /** Returns a function that takes back what was noted since. */
  save(): () => void;
  /** Last in the transaction. */
  flush(): void;
  settle(committed: boolean): void;
}

interface Change {
  /** Makes the change; returns what answers its caller once the change is on disk. */
  readonly make: () => () => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly fulfil: () => void } | { readonly error: unknown };

/** Every change was refused: there is nothing to write. */
const NOTHING = Symbol("nothing");

export class GroupCommit {
  readonly #database: Engine;
  readonly #frame: Frame;
  #waiting: Change[] = [];
  #running = false;

  constructor(database: Engine, frame: Frame) {
    this.#database = database;
    this.#frame = frame;
  }

  /** Fulfils with the result of `fn` once what it changed is on disk. `fn` may run more than once. */
  write<T>(fn: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const make = (): (() => void) => {
        const value = this.attempt(fn);
        return () => resolve(value);
      };
      this.#waiting.push({ make, reject });
      if (!this.#running) void this.#work();
    });
  }

  /** Inside a change: runs `fn`, and takes back what it changed if it throws. */
  attempt<T>(fn: () => T): T {
    const restore = this.#frame.save();
    try {
      return this.#database.savepoint(fn);
    } catch (error) {
      restore();
      throw error;
    }
  }

  async #work(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      // Callers that were just answered, or are about to ask, can join.
      await setImmediate();
      await this.#commit(this.#waiting.splice(0, MAX_BATCH));
    }
    this.#running = false;
  }

  async #commit(batch: readonly Change[]): Promise<void> {
    let outcomes: readonly Outcome[] = [];
    const transaction = (): void => {
      this.#frame.begin();
      outcomes = batch.map(outcomeOf);
      if (outcomes.every((outcome) => "error" in outcome)) throw NOTHING;
      this.#frame.flush();
    };
    try {
      await this.#database.write(transaction, (committed) => this.#frame.settle(committed));
    } catch (error) {
      if (error !== NOTHING) return this.#retry(batch, error);
    }
    for (const [i, { reject }] of batch.entries()) {
      const outcome = outcomes[i];
      if (outcome !== undefined && "fulfil" in outcome) outcome.fulfil();
      else reject(this.#database.named(outcome?.error));
    }
  }

  async #retry(batch: readonly Change[], error: unknown): Promise<void> {
    if (batch.length === 1 || isFinal(error)) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const change of batch) await this.#commit([change]);
  }
}

/** Whether trying again would be as long a wait in vain, or might make a change twice. */
function isFinal(error: unknown): boolean {
  return (
    isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_BUSY") ||
    isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME") ||
    isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_MOVED") ||
    isEnvelopeError(error, "ERR_ENVELOPE_CLOSED")
  );
}

function outcomeOf({ make }: Change): Outcome {
  try {
    return { fulfil: make() };
  } catch (error) {
    return { error };
  }
}
