/**
 * What is put through faults: a piece of work on files, in a process of its own, and how to read what it left.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { join } from "node:path";

export interface Scenario {
  /** `encrypt a file` */
  readonly name: string;
  /** How many changes the work makes, one after another. Each is there wholly or not at all. */
  readonly changes: number;
  /** Makes what the work begins with. */
  readonly prepare: (place: Place, killBefore: KillBefore) => Promise<void>;
  /** The work. It {@link acknowledge}s each change. */
  readonly work: Work;
  /**
   * Reads what is there, as a later process: opens it, compares each byte with what it should be.
   *
   * @returns How many of the changes are there, the first ones. Throws for anything else: an error with a code where
   * the reader refuses, and any other where what was read is wrong.
   */
  readonly read: (place: Place) => Promise<number>;
  /** Does the work, or what is left of it, again: it must succeed and leave nothing else behind. */
  readonly again: (place: Place) => Promise<void>;
  /** Whether a fault that no call reports must be noticed by the reader. Plaintext has nothing to notice it by. */
  readonly isSealed: boolean;
}

/** Runs a scenario's work in the same place in a process that dies before its first call of this name, as the trace has it. */
export type KillBefore = (scenario: Scenario, call: string) => Promise<void>;

/** A function that runs in the process, or the arguments of the `envelope` command, run in {@link Place.faulty}. */
export type Work = ((place: Place) => Promise<void>) | { readonly command: readonly string[] };

/** Folders of one run. */
export interface Place {
  /** Where calls are counted, and one goes wrong. */
  readonly faulty: string;
  /** Where nothing goes wrong. */
  readonly sound: string;
}

export function placeIn(folder: string): Place {
  return { faulty: join(folder, "faulty"), sound: join(folder, "sound") };
}

/** Tells the test, at once, that a change was made: from here on it must not be lost. */
export function acknowledge(): void {
  writeSync(1, "done\n");
}

/** The code of an error that the product names: `ERR_ENVELOPE_…`, of the system, or the name of a KMS refusal. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") {
    // SQLite's own, and assertions, are not what callers are promised.
    return /^(?:ERR_ENVELOPE_[A-Z_]+|E[A-Z]+)$/.test(error.code) ? error.code : undefined;
  }
  return /^[A-Z]\w+Exception$/.test(error.name) ? error.name : undefined;
}

/** Throws where what was read is not what was written. */
export function require(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}
