/**
 * Verifying the whole log: every record is present, unaltered, in its place, and follows the record that it was written
 * after.
 *
 * The two ends are in the head, which the store keeps sealed and fresh. The rows between them must be numbered without a gap,
 * must open, and must contain the digest of what precedes them. So any other set of rows than the one that was written is
 * detected, if it was made without the root key.
 *
 * Source: spec/audit-v1.md#verification
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { Chain, Head, Link } from "./chain.ts";
import { decodeRecord, type AuditRecord } from "./record.ts";
import type { Chains, LogChain } from "./chains.ts";
import type { AuditStore } from "./rows.ts";
import { chainOf, type AuditRow } from "../store/store.ts";

/** A record's number and its digest, 64 hex digits, which represents that record and all records before it. */
export interface AuditAnchor {
  readonly sequence: number;
  readonly digest: string;
}

/** Numbers of records. */
export interface AuditProgress {
  readonly done: number;
  readonly total: number;
}

export interface AuditVerifyOptions {
  /**
   * The result of an earlier `anchor()` or report: the log must still contain that record, and what that record says of other
   * chains.
   */
  readonly anchor?: AuditAnchor;
  readonly signal?: AbortSignal;
  /** Called every few hundred records, and waited for. */
  readonly onProgress?: (progress: AuditProgress) => void | Promise<void>;
}

/**
 * - `missing`: no such row.
 * - `altered`: the row does not open; edited, or written without the root key.
 * - `moved`: the row holds another record of this log.
 * - `replaced`: the records do not follow each other; an older record was put back.
 * - `unexpected`: a row outside the log's two ends: put back after a cut, or added.
 * - `hidden`: in the log, but queries do not find it; the index of times was altered.
 * - `anchor`: the log has another record at the anchor, or ends before it.
 */
export type AuditProblemKind =
  | "missing"
  | "altered"
  | "moved"
  | "replaced"
  | "unexpected"
  | "hidden"
  | "anchor";

/** What is wrong with the records from `first` to `last`. */
export interface AuditProblem {
  readonly kind: AuditProblemKind;
  readonly first: number;
  readonly last: number;
  /** A description for people. */
  readonly message: string;
}

export interface AuditReport {
  /** Whether no problem was found. */
  readonly intact: boolean;
  /** The last record that retention cut off: verification begins after it. Number 0: nothing was cut off. */
  readonly base: AuditAnchor;
  /** The last record when verification began. */
  readonly last: AuditAnchor;
  /** Where several machines have written, the other chains' ends. */
  readonly chains?: readonly Pick<AuditReport, "base" | "last">[];
  /** Ranges of records without a problem, in order. */
  readonly verified: readonly { readonly first: number; readonly last: number }[];
  /** Problems in the order of the records, then those outside the log's ends. */
  readonly problems: readonly AuditProblem[];
  /** `cut off`: the anchor's record is no longer in the log, but in the archive, if there is one. */
  readonly anchor?: "confirmed" | "contradicted" | "cut off";
}

const ROWS = 256;

/** Verifies the log, which may grow, and be cut by retention, in the meantime. */
export async function verify(
  store: AuditStore,
  chains: Chains,
  chain: Chain,
  { anchor, signal, onProgress }: AuditVerifyOptions = {},
): Promise<AuditReport> {
  const begun = await store.read(() =>
    chains.all().map((one): Begun => {
      const { base, last } = one.rows.head();
      const outside = store.auditRows.outside(base.sequence, last.sequence);
      return { number: one.number, rows: one.rows, head: { base, last }, outside };
    }),
  );
  const total = begun.reduce((sum, { head }) => sum + head.last.sequence - head.base.sequence, 0);
  const of = anchor === undefined ? 0 : chainOf(anchor.sequence);
  const reports = new Map<number, AuditReport>();
  const anchors = anchor === undefined ? [] : [anchor];
  let done = 0;
  // The anchor's chain first: its record may contain places of the others.
  for (const one of begun.toSorted((a, b) => Number(b.number === of) - Number(a.number === of))) {
    const { number, head, rows, outside } = one;
    const own = anchors.find(({ sequence }) => chainOf(sequence) === number);
    const walk = new Walk(store, chain, head, own);
    while (walk.sequence < head.last.sequence) {
      signal?.throwIfAborted();
      await store.read(() => {
        walk.begin(rows.head());
        walk.page(store.auditRows.after(walk.sequence, head.last.sequence, ROWS));
      });
      await onProgress?.({ done: done + walk.sequence - walk.base.sequence, total });
      await setImmediate();
    }
    done += walk.sequence - walk.base.sequence;
    reports.set(number, walk.report(outside));
    if (number === of) anchors.push(...walk.places);
  }
  return joined(
    begun.flatMap(({ number }) => reports.get(number) ?? []),
    anchor !== undefined && !reports.has(of) ? anchor : undefined,
  );
}

/** A chain when verification began. */
interface Begun extends Pick<LogChain, "number" | "rows"> {
  readonly head: Head;
  readonly outside: readonly (readonly [number, number])[];
}

/** @param lost - An anchor in a chain that does not exist. */
function joined(reports: readonly AuditReport[], lost: AuditAnchor | undefined): AuditReport {
  const [first, ...others] = reports;
  if (first === undefined) throw new RangeError("a log has at least one chain");
  const problems = reports.flatMap((report) => report.problems);
  if (lost !== undefined) problems.push(problemOf("anchor", lost.sequence, lost.sequence));
  const found = new Set(reports.map(({ anchor }) => anchor));
  const anchor =
    lost === undefined
      ? (["contradicted", "cut off", "confirmed"] as const).find((one) => found.has(one))
      : "contradicted";
  const ends = others.map(({ base, last }) => ({ base, last }));
  return {
    intact: problems.length === 0,
    base: first.base,
    last: first.last,
    ...(ends.length === 0 ? {} : { chains: ends }),
    verified: reports.flatMap(({ verified }) => verified),
    problems,
    ...(anchor === undefined ? {} : { anchor }),
  };
}

/** One pass over the records from the base to the last. */
class Walk {
  readonly #store: AuditStore;
  readonly #chain: Chain;
  readonly #last: Link;
  readonly #anchor: AuditAnchor | undefined;
  readonly #problems: AuditProblem[] = [];
  #base: Link;
  #sequence: number;
  /** What the next record must follow; `undefined` after a record that cannot be read. */
  #before: Link | undefined;
  #atAnchor: Link | undefined;
  /** What the anchor's record says of other chains. */
  #places: readonly AuditAnchor[] = [];

  constructor(
    store: AuditStore,
    chain: Chain,
    { base, last }: Head,
    anchor: AuditAnchor | undefined,
  ) {
    this.#store = store;
    this.#chain = chain;
    this.#last = last;
    this.#anchor = anchor;
    this.#base = base;
    this.#sequence = base.sequence;
    this.#before = base;
    this.#note(base);
  }

  /** The last record that was checked. */
  get sequence(): number {
    return this.#sequence;
  }

  get base(): Link {
    return this.#base;
  }

  get places(): readonly AuditAnchor[] {
    return this.#places;
  }

  /** Continues after the cut if retention has cut off records that were not checked yet. */
  begin({ base }: Head): void {
    if (base.sequence <= this.#sequence) return;
    this.#base = base;
    this.#sequence = base.sequence;
    this.#before = base;
    this.#note(base);
  }

  page(rows: readonly AuditRow[]): void {
    for (const row of rows) {
      this.#skipTo(row.sequence - 1);
      this.#look(row);
      this.#sequence = row.sequence;
    }
    if (rows.length < ROWS) this.#skipTo(this.#last.sequence);
  }

  report(outside: readonly (readonly [number, number])[]): AuditReport {
    const { sequence, digest } = this.#last;
    // Unless retention has cut off the last record in the meantime.
    if (this.#before?.sequence === sequence && !isSame(this.#before.digest, digest)) {
      this.#add("replaced", sequence, sequence);
    }
    for (const [first, last] of outside) this.#add("unexpected", first, last);
    const anchor = this.#judgeAnchor();
    if (anchor === "contradicted" && this.#anchor !== undefined) {
      this.#add("anchor", this.#anchor.sequence, this.#anchor.sequence);
    }
    return {
      intact: this.#problems.length === 0,
      base: toAnchor(this.#base),
      last: toAnchor(this.#last),
      verified: between(this.#base.sequence + 1, sequence, this.#problems),
      problems: this.#problems,
      ...(anchor === undefined ? {} : { anchor }),
    };
  }

  #skipTo(last: number): void {
    if (this.#sequence >= last) return;
    this.#add("missing", this.#sequence + 1, last);
    this.#sequence = last;
    this.#before = undefined;
  }

  #look(row: AuditRow): void {
    const { sequence } = row;
    const opened = this.#chain.open(row);
    if (opened === undefined || typeof opened === "number") {
      this.#add(opened === undefined ? "altered" : "moved", sequence, sequence);
      this.#before = undefined;
      return;
    }
    const { previous, record } = opened;
    if (this.#before !== undefined && !isSame(previous, this.#before.digest)) {
      // The two records do not show which of them is the older one.
      this.#add("replaced", Math.max(sequence - 1, this.#base.sequence + 1), sequence);
    }
    const decoded = decodeRecord(record);
    if (decoded === undefined) this.#add("altered", sequence, sequence);
    else if (sequence === this.#anchor?.sequence) this.#places = placesIn(decoded);
    if (!this.#store.auditRows.isIndexed(row)) this.#add("hidden", sequence, sequence);
    this.#before = this.#chain.next({ sequence: sequence - 1, digest: previous }, record);
    this.#note(this.#before);
  }

  #note(link: Link): void {
    if (link.sequence === this.#anchor?.sequence) this.#atAnchor = link;
  }

  #judgeAnchor(): AuditReport["anchor"] {
    const anchor = this.#anchor;
    if (anchor === undefined) return undefined;
    if (this.#atAnchor !== undefined) {
      return toAnchor(this.#atAnchor).digest === anchor.digest ? "confirmed" : "contradicted";
    }
    return anchor.sequence < this.#base.sequence ? "cut off" : "contradicted";
  }

  #add(kind: AuditProblemKind, first: number, last: number): void {
    const before = this.#problems.at(-1);
    if (before?.kind === kind && before.last + 1 >= first && kind !== "unexpected") {
      this.#problems.pop();
      this.#add(kind, before.first, last);
      return;
    }
    this.#problems.push(problemOf(kind, first, last));
  }
}

function problemOf(kind: AuditProblemKind, first: number, last: number): AuditProblem {
  const which = first === last ? `record ${first}` : `records ${first} to ${last}`;
  return { kind, first, last, message: `${which}: ${meanings[kind]}` };
}

/** The operation of a record that contains the places of all chains. */
export const ANCHORED = "AnchorAuditLog";

/** A place as such a record has it. */
export function toPlace(link: Link): string {
  const { sequence, digest } = toAnchor(link);
  return `${sequence}:${digest}`;
}

function placesIn({ eventName, requestParameters }: AuditRecord): readonly AuditAnchor[] {
  const places = requestParameters?.["places"];
  if (eventName !== ANCHORED || !Array.isArray(places)) return [];
  return places.map((place) => {
    const [sequence, digest = ""] = String(place).split(":");
    return { sequence: Number(sequence), digest };
  });
}

const meanings: Readonly<Record<AuditProblemKind, string>> = {
  missing: "removed, there is no such row",
  altered: "altered, or written without the root key",
  moved: "the row holds another record of this log",
  replaced: "do not follow each other, an older record was put back",
  unexpected: "outside the log's ends, put back after a cut or added",
  hidden: "in the log, but its time is not in the index, so queries do not find it",
  anchor: "not what the anchor stands for, the file was replaced by an older or another one",
};

/** The ranges from `first` to `last` without a problem. */
function between(
  first: number,
  last: number,
  problems: readonly AuditProblem[],
): AuditReport["verified"] {
  const ranges: { first: number; last: number }[] = [];
  let next = first;
  const sorted = problems
    .filter((problem) => problem.kind !== "unexpected")
    .toSorted((a, b) => a.first - b.first);
  for (const problem of sorted) {
    if (problem.first > next) ranges.push({ first: next, last: Math.min(problem.first - 1, last) });
    next = Math.max(next, problem.last + 1);
  }
  if (next <= last) ranges.push({ first: next, last });
  return ranges;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function toAnchor({ sequence, digest }: Link): AuditAnchor {
  return { sequence, digest: Buffer.from(digest).toString("hex") };
}
