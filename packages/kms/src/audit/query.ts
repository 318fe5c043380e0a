/**
 * Finding records. Only their time is unencrypted, so everything else is found by opening the records of that time.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { AuditRecord } from "./record.ts";
import { decodeRecord } from "./record.ts";
import { malformed, type AuditStore, type Rows } from "./rows.ts";
import type { Chains } from "./chains.ts";
import { chainOf, MAX_TIME, type AuditRow, type TimePlace } from "../store/store.ts";

/** A record must match everything that is given. */
export interface AuditQuery {
  /** `eventTime` at or after. */
  readonly from?: Date;
  /** `eventTime` before. */
  readonly to?: Date;
  /** `eventName`: one of these. */
  readonly operations?: readonly string[];
  /** ARN of the caller, `userIdentity.arn`, or the name of a service. */
  readonly principal?: string;
  /** ARN of a key or an alias among `resources`. */
  readonly resource?: string;
  readonly outcome?: "succeeded" | "refused";
  /** `errorCode`. */
  readonly errorCode?: string;
  /** Default: `oldest`. */
  readonly first?: "oldest" | "newest";
  /** What to do with a record that does not verify. Default: `throw`. */
  readonly altered?: "throw" | "skip";
}

export interface AuditPageQuery extends AuditQuery {
  /** The most records to return: 1 to 1000. Default: 100. */
  readonly limit?: number;
  /**
   * About how many records are opened at most: a page that ends before it is full has `next`, where the search goes on.
   * Default: all.
   */
  readonly effort?: number;
  /** `next` of the previous page of the same query. */
  readonly marker?: string;
}

/** A record in the log. */
export interface AuditEntry {
  /** 1 for the first record of a keystore, and one more for each following record. */
  readonly sequence: number;
  readonly record: AuditRecord;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where the next page begins; absent on the last page. */
  readonly next?: string;
}

/** Rows per transaction: reading them takes milliseconds. */
const ROWS = 256;
const MARKER = /^([0-9]{1,16})-([0-9]{1,16})$/;

/**
 * @yields Records in the order of their time.
 * @throws RangeError for a query out of bounds; EnvelopeError `ERR_ENVELOPE_KEYSTORE_FORMAT`.
 */
export async function* query(
  store: AuditStore,
  log: Chains,
  filter: AuditQuery,
): AsyncGenerator<AuditEntry, void, undefined> {
  for await (const { entry } of scan(store, log, filter, undefined)) {
    if (entry !== undefined) yield entry;
  }
}

/** @throws as {@link query}. */
export async function page(
  store: AuditStore,
  log: Chains,
  filter: AuditPageQuery,
): Promise<AuditPage> {
  const { limit = 100, effort = Infinity, marker } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new RangeError("limit must be an integer from 1 to 1000");
  }
  if (!(effort > 0)) throw new RangeError("effort must be a number above 0");
  const entries: AuditEntry[] = [];
  const until = ({ time, sequence }: TimePlace): AuditPage => ({
    entries,
    next: `${time}-${sequence}`,
  });
  let last: TimePlace | undefined;
  let opened = 0;
  for await (const { entry, place } of scan(store, log, filter, marker)) {
    if (entry === undefined) {
      opened += ROWS;
      if (opened >= effort) return until(place);
    } else if (entries.length < limit) {
      entries.push(entry);
      last = place;
    } else if (last !== undefined) return until(last);
  }
  return { entries };
}

interface Found {
  /** Absent for the last of some rows that were read, after which there may be more. */
  readonly entry?: AuditEntry;
  readonly place: TimePlace;
}

async function* scan(
  store: AuditStore,
  log: Chains,
  filter: AuditQuery,
  marker: string | undefined,
): AsyncGenerator<Found, void, undefined> {
  const { first = "oldest" } = filter;
  const from = Math.max(timeOf("from", filter.from) ?? 0, 0);
  const end = timeOf("to", filter.to) ?? MAX_TIME + 1;
  const isMatch = matcher(filter);
  let place: TimePlace =
    fromMarker(marker) ??
    (first === "oldest" ? { time: from, sequence: -1 } : { time: end, sequence: -1 });
  let lasts: ReadonlyMap<number, number> | undefined;
  for (;;) {
    const some = await store.read(() => {
      // Later records are left out, so that a query ends.
      lasts ??= new Map(
        log.all().map(({ number, rows }) => [number, rows.head().last.sequence] as const),
      );
      return first === "oldest"
        ? store.auditRows.forwards(place, end, ROWS)
        : store.auditRows.backwards(place, from, ROWS);
    });
    for (const row of some) {
      const last = lasts?.get(chainOf(row.sequence));
      if (last === undefined || row.sequence > last) continue;
      const record = isMatch(log.of(chainOf(row.sequence)).rows, row);
      if (record !== undefined) yield { entry: { sequence: row.sequence, record }, place: row };
    }
    const reached = some.at(-1);
    if (reached === undefined || some.length < ROWS) return;
    yield { place: reached };
    place = reached;
    // Others may work in between, however long the search takes.
    await setImmediate();
  }
}

/** The record of a row, if it matches the query. */
function matcher(filter: AuditQuery): (rows: Rows, row: AuditRow) => AuditRecord | undefined {
  const { operations, principal, resource, outcome, errorCode, altered = "throw" } = filter;
  const names = operations && new Set(operations);
  const isMatch = (record: AuditRecord): boolean =>
    (names === undefined || names.has(record.eventName)) &&
    (principal === undefined ||
      principal === (record.userIdentity.arn ?? record.userIdentity.invokedBy)) &&
    (resource === undefined || record.resources.some(({ ARN }) => ARN === resource)) &&
    (errorCode === undefined || record.errorCode === errorCode) &&
    (outcome === undefined || (outcome === "refused") === (record.errorCode !== undefined));

  return (rows, row) => {
    try {
      const record = decodeRecord(rows.open(row).record);
      if (record === undefined) throw malformed(`record ${row.sequence} is malformed`);
      return isMatch(record) ? record : undefined;
    } catch (error) {
      if (altered === "skip") return undefined;
      throw error;
    }
  };
}

function timeOf(name: string, date: Date | undefined): number | undefined {
  const time = date?.getTime();
  if (Number.isNaN(time)) throw new RangeError(`${name} must be a valid date`);
  return time;
}

function fromMarker(marker: string | undefined): TimePlace | undefined {
  if (marker === undefined) return undefined;
  const [, time, sequence] = MARKER.exec(marker) ?? [];
  if (time === undefined) throw new RangeError("marker must be the `next` of a page");
  return { time: Number(time), sequence: Number(sequence) };
}
