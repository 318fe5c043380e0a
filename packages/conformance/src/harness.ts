/**
 * What the author of an adapter provides, and the types of the cases.
 *
 * A harness opens a fresh setup for every case, so that a case may disable or rotate a key without
 * affecting others, and cases may run concurrently. `skips` must explain every ability that a setup
 * lacks; a case fails if it finds neither the ability nor a reason.
 *
 * @module
 */
import type { Awaitable } from "@env/core";
import type { CmkDriver } from "@env/core/driver";

/** The clauses of the driver contract. `CmkDriver` explains them; tests and documents refer to this table. */
export const clauses = {
  D0: "Round trip: what was wrapped unwraps, for every legal context; labels are canonical.",
  D1: "Freshness: data keys differ, and so do the wraps of one data key.",
  D2: "Integrity: a wrapped key altered in any way is rejected.",
  D3: "Context: it is bound exactly, every byte of every key and value.",
  D4: "Key: the key that was asked for is the key that is used.",
  D5: "Errors: every foreseeable failure has its own code.",
  D6: "Buffers: arguments are neither changed nor kept, results are the caller's own.",
  D7: "Concurrency: calls side by side do not disturb one another.",
  D8: "Abort: an aborted call ends with the signal's reason and touches no other.",
  D9: "Sizes: data keys of 32 bytes, wrapped keys of 1 to 4096; garbage is rejected.",
  D10: "Secrets: errors and events hold neither key bytes nor context values.",
  D11: "Rotation: old wraps still open, new ones use the new version, rewrap moves between them.",
  D12: "Doctor: what a driver describes agrees with what its calls do.",
} as const;

export type Clause = keyof typeof clauses;

/**
 * One setup: keys of one KMS and drivers for them, all used by the same caller. The actions (`rotate`,
 * `disable`, …) affect the key of `first` and are complete when their promise is fulfilled.
 */
export interface CmkSetup {
  readonly first: CmkDriver;
  /** A driver for another key that the same caller may also use; otherwise D4 would prove nothing. */
  readonly second: CmkDriver;
  /** A driver for a key that does not exist. */
  readonly missing: CmkDriver;
  /** A driver for an alias of the key of `first`. */
  readonly alias?: CmkDriver;
  /** Rotates the key: a new version wraps from then on. */
  rotate?(): Awaitable<void>;
  /** Makes the key unusable for everybody. */
  disable?(): Awaitable<void>;
  /** Revokes the caller's permission to use the key. */
  deny?(): Awaitable<void>;
  /** Cuts the connection to the KMS, or makes it time out. */
  unreachable?(): Awaitable<void>;
  /** Makes the KMS answer that there were too many calls. */
  throttle?(): Awaitable<void>;
  /** Called after the case, whether it passed or failed. */
  close?(): Awaitable<void>;
}

/** The optional abilities of a setup. */
export const abilities = ["alias", "rotate", "disable", "deny", "unreachable", "throttle"] as const;

export type Ability = (typeof abilities)[number];

export interface CmkHarness {
  /** Opens a setup; called once per case. Setups may share keys only if no action changes them. */
  open(): Awaitable<CmkSetup>;
  /**
   * Prints a value with everything hidden in it. On Node, Deno and Bun: `(value) => inspect(value, {
   * depth: 10, showHidden: true })` of `node:util`.
   */
  inspect(value: unknown): string;
  /**
   * The reasons why something is not tested, by clause (`D11`), ability (`throttle`) or full name of a
   * case. They are written for readers of the adapter's documentation.
   */
  readonly skips?: Readonly<Record<string, string>>;
}

/** One case, to be registered with any test runner. */
export interface ConformanceCase {
  readonly clause: Clause;
  /** The name, which starts with the clause: `D3 unwrap refuses a smaller context`. */
  readonly name: string;
  /** The harness's reason for skipping the case. `run` then does nothing. */
  readonly skip?: string;
  run(): Promise<void>;
}

/** A case as the clauses define it, without a harness. */
export interface CaseDefinition {
  readonly clause: Clause;
  /** A sentence about behaviour; the clause precedes it in the case's full name. */
  readonly name: string;
  readonly needs?: Ability;
  run(setup: CmkSetup, harness: CmkHarness): Promise<void>;
}
