/**
 * One line of the table: two sides and what their ratio has to be, or one value and its limit.
 *
 * @module
 */
import { median, ratio } from "./measure.ts";

export type Unit =
  | "MiB/s"
  | "messages/s"
  | "rows/s"
  | "calls/s"
  | "MB"
  | "ms"
  | "µs"
  | "reads"
  | "round trips"
  | "bytes"
  | "%";

/** Rates: more is better. */
export interface Comparison {
  readonly kind: "comparison";
  readonly figure: string;
  readonly unit: Unit;
  /** One value per round. */
  readonly ours: readonly number[];
  readonly peer: string;
  /** The peer's values, in the order of the rounds. `undefined`: the peer is missing. */
  readonly theirs: readonly number[] | undefined;
  /** What the ratio has to reach. Without: for orientation. */
  readonly atLeast?: number;
}

/** Costs: less is better. */
export interface Limit {
  readonly kind: "limit";
  readonly figure: string;
  readonly unit: Unit;
  /** `undefined`: could not be measured here. */
  readonly ours: readonly number[] | undefined;
  /** The bound. Without one, the row is for orientation. */
  readonly below?: number;
}

export type Row = (Comparison | Limit) & {
  /** What a reader has to know: where it ran, why it is missing. */
  readonly note?: string;
};

export type Verdict = "ok" | "short" | "missing" | "";

/** Whether a row keeps what it has to. `""` where nothing was promised. */
export function verdict(row: Row): Verdict {
  if (row.kind === "limit") {
    if (row.ours === undefined) return "missing";
    if (row.below === undefined) return "";
    return median(row.ours) < row.below ? "ok" : "short";
  }
  if (row.theirs === undefined) return "missing";
  if (row.atLeast === undefined) return "";
  return ratio(row.ours, row.theirs) >= row.atLeast ? "ok" : "short";
}
