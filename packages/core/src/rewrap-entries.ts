/**
 * A rewrap of a message's entries: new ones for the same data key, by the CMKs of an `Envelope`.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { Attempts } from "./attempts.ts";
import type { CmkCalls } from "./cmk-calls.ts";
import type { BoundContext } from "./context.ts";
import type { DataKey } from "./data-key.ts";
import type { DriverCallOptions } from "./driver-calls.ts";
import { EnvelopeError } from "./error.ts";
import { keyBlockLimits, type Entry } from "./key-block.ts";

/** The result for one entry of a message. */
export interface RewrapReport {
  readonly provider: string;
  readonly keyId: string;
  /** `current`: the current version had already wrapped it; `kept`: its CMK is not configured. */
  readonly action: "rewrapped" | "current" | "added" | "removed" | "kept";
  /** The version that had wrapped the data key before, if the KMS reports versions. */
  readonly fromVersion: string | undefined;
  /** The version that wraps it now, if the KMS reports versions. */
  readonly keyVersion: string | undefined;
}

export interface RewrapOutcome {
  readonly entries: readonly Entry[];
  /** How many of the entries belong to configured CMKs. */
  readonly wrapped: number;
  readonly changed: boolean;
  readonly plaintextSeen: boolean;
  readonly report: readonly RewrapReport[];
}

/** A message's entry that names one of the CMKs, and the key to call for it. */
export interface Candidate {
  readonly cmk: CmkCalls;
  readonly entry: Entry;
  readonly keyId: string;
}

/**
 * Replaces entries. Those of the CMKs in `own` are wrapped again, and missing ones are added. Those of the CMKs in
 * `from` may be used to unwrap and are then removed. All others stay as they are.
 */
export async function rewrapEntries(
  entries: readonly Entry[],
  cmks: { readonly own: readonly CmkCalls[]; readonly from: readonly CmkCalls[] },
  context: BoundContext,
  options: DriverCallOptions,
): Promise<RewrapOutcome> {
  const rest = new Set(entries);
  const candidates: Candidate[] = [];
  const made: Entry[] = [];
  const report: RewrapReport[] = [];
  const missing: CmkCalls[] = [];
  let plaintextSeen = false;
  for (const cmk of cmks.own) {
    const own = await selectAll(cmk, rest, options);
    if (own.length === 0) missing.push(cmk);
    else {
      let tries = 0;
      const result = await firstOf(own, ({ entry, keyId }) => {
        tries++;
        return cmk.rewrap(entry, keyId, context, options);
      });
      made.push(result.entry);
      // A failed rewrap may have unwrapped the data key before it failed.
      plaintextSeen ||= result.plaintextSeen || tries > 1;
      report.push(row(result.entry, result.changed ? "rewrapped" : "current", result));
    }
    for (const { entry } of own) rest.delete(entry);
    candidates.push(...own);
  }
  for (const cmk of cmks.from) {
    const leaving = await selectAll(cmk, rest, options);
    for (const { entry } of leaving) {
      rest.delete(entry);
      report.push(row(entry, "removed"));
    }
    candidates.push(...leaving);
  }
  if (missing.length > 0) {
    plaintextSeen = true;
    const dataKey = await unwrapAny(candidates, entries, context, options);
    try {
      for (const cmk of missing) {
        const { entry, keyVersion } = await cmk.wrapVerified(dataKey, context, options);
        made.push(entry);
        report.push(row(entry, "added", { keyVersion }));
      }
    } finally {
      dataKey[Symbol.dispose]();
    }
  }
  for (const entry of rest) report.push(row(entry, "kept"));
  const result = [...made, ...rest];
  requireDistinct(result);
  if (result.length > keyBlockLimits.entries) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_LIMIT",
      `${result.length} entries, at most 16 are allowed`,
    );
  }
  const changed = report.some(({ action }) => action !== "current" && action !== "kept");
  return { entries: result, wrapped: made.length, changed, plaintextSeen, report };
}

/** Unwraps the data key for a rewrap by any of the candidates, those of the configured CMKs first. */
async function unwrapAny(
  candidates: readonly Candidate[],
  entries: readonly Entry[],
  context: BoundContext,
  options: DriverCallOptions,
): Promise<DataKey> {
  const attempts = new Attempts();
  for (const candidate of candidates) {
    const dataKey = await attempts.run(async () => {
      attempts.called(candidate);
      return candidate.cmk.unwrap(candidate.entry, candidate.keyId, context, options);
    });
    if (dataKey !== undefined) return dataKey;
  }
  throw attempts.outcome(entries);
}

function row(
  { provider, keyId }: Entry,
  action: RewrapReport["action"],
  versions: { fromVersion?: string | undefined; keyVersion?: string | undefined } = {},
): RewrapReport {
  const { fromVersion, keyVersion } = versions;
  return { provider, keyId, action, fromVersion, keyVersion };
}

/** Returns all entries that name the CMK: more than one if `alsoUnwrap` lists a former key. */
async function selectAll(
  cmk: CmkCalls,
  entries: Iterable<Entry>,
  options: DriverCallOptions,
): Promise<Candidate[]> {
  const own: Candidate[] = [];
  for (const entry of entries) {
    const keyId = await cmk.findKeyId(entry, options);
    if (keyId !== undefined) own.push({ cmk, entry, keyId });
  }
  return own;
}

/** Returns the first result; if every call fails, throws the first error. */
async function firstOf<T, U>(items: readonly T[], fn: (item: T) => Promise<U>): Promise<U> {
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      return await fn(item);
    } catch (error) {
      errors.push(error);
    }
  }
  throw errors[0];
}

/** Requires that no two entries are of the same key. */
export function requireDistinct(entries: readonly Entry[]): void {
  const labels = new Set(entries.map(({ provider, keyId }) => `${provider} ${keyId}`));
  if (labels.size < entries.length) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_CONFIG",
      "two of the configured CMKs are the same key, perhaps by two aliases: name it once",
    );
  }
}
