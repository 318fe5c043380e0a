/**
 * What an adapter's author provides, and what the cases are made of.
 *
 * A harness opens a fresh setup for every case, so that a case may disable a key or rotate it
 * without a thought for the others, and cases may run side by side. What a setup cannot do has to be
 * explained in `skips`; a case that meets neither the ability nor a reason fails.
 *
 * @module
 */
import type { Awaitable, CmkDriver } from "@env/core";

/** The clauses of the driver contract. Stated in `CmkDriver`; this table is what tests and documents refer to. */
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
} as const;

export type Clause = keyof typeof clauses;

/**
 * One setup: keys of one KMS and drivers over them, all used by the same caller. What acts
 * (`rotate`, `disable`, …) acts on the key behind `first` and is done when its promise is fulfilled.
 */
export interface CmkSetup {
  readonly first: CmkDriver;
  /** Over another key that the caller of `first` may use as well; else D4 would prove nothing. */
  readonly second: CmkDriver;
  /** Over a key that does not exist. */
  readonly missing: CmkDriver;
  /** Over an alias of the key of `first`. */
  readonly alias?: CmkDriver;
  /** Gives the key a new version, which wraps from then on. */
  rotate?(): Awaitable<void>;
  /** Makes the key unusable for everybody. */
  disable?(): Awaitable<void>;
  /** Takes the permission to use the key from the caller. */
  deny?(): Awaitable<void>;
  /** Cuts the connection to the KMS, or lets it time out. */
  unreachable?(): Awaitable<void>;
  /** Has the KMS answer that there were too many calls. */
  throttle?(): Awaitable<void>;
  /** Called after the case, whatever became of it. */
  close?(): Awaitable<void>;
}

/** What a setup may be unable to do. */
export const abilities = ["alias", "rotate", "disable", "deny", "unreachable", "throttle"] as const;

export type Ability = (typeof abilities)[number];

export interface CmkHarness {
  /** Called once per case. Keys may be shared between setups only where nothing acts on them. */
  open(): Awaitable<CmkSetup>;
  /**
   * Shows a value with all that is hidden in it. On Node, Deno and Bun:
   * `(value) => inspect(value, { depth: 10, showHidden: true })` of `node:util`.
   */
  inspect(value: unknown): string;
  /**
   * Why something is not tested, by clause (`D11`), ability (`throttle`) or the full name of a case.
   * The reason is for readers of the adapter's documentation.
   */
  readonly skips?: Readonly<Record<string, string>>;
}

/** One case, to be registered with any test runner. */
export interface ConformanceCase {
  readonly clause: Clause;
  /** Starts with the clause: `D3 unwrap refuses a smaller context`. */
  readonly name: string;
  /** The harness's reason for not running it. `run` then does nothing. */
  readonly skip?: string;
  run(): Promise<void>;
}

/** A case as the clauses define it, before there is a harness. */
export interface CaseDefinition {
  readonly clause: Clause;
  /** A sentence that goes on from the clause. */
  readonly name: string;
  readonly needs?: Ability;
  run(setup: CmkSetup, harness: CmkHarness): Promise<void>;
}
