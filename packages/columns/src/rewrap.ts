/**
 * Rewraps the data keys of the key table: after a change of CMKs or of their versions. Values are not read.
 *
 * @module
 */
import { isEnvelopeError, type Cmk, type Context } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { partsOf, type AnyColumns } from "./columns.ts";
import { readKeys, replaceMessage, scopeHash, type KeyRow } from "./key-table.ts";
import { contextOf, toScope } from "./place.ts";
import { allKeys } from "./report.ts";
import { persistently } from "./sweep.ts";
import { requireInteger } from "./tables.ts";

export interface RewrapKeysOptions {
  /** CMKs that may unwrap, and that are removed. Default: none. */
  readonly from?: readonly Cmk[] | undefined;
  /** Only data keys of this scope. Default: all. */
  readonly scope?: Context | undefined;
  /** Data keys at a time, 1 to 64. Default: 8. */
  readonly concurrency?: number | undefined;
  /** Asks the KMS, and changes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Is called after every data key. */
  readonly onProgress?: ((counts: RewrapCounts) => void) | undefined;
}

export interface RewrapCounts {
  readonly keys: number;
  readonly rewrapped: number;
  readonly failed: number;
}

export interface RewrapKeysResult extends RewrapCounts {
  /** Data keys by the CMK and version that wrap them now, as `provider keyId version`; the version may be missing. */
  readonly wrappedBy: Readonly<Record<string, number>>;
}

const OPTIONS = new Set(["from", "scope", "concurrency", "dryRun", "signal", "onProgress"]);

/**
 * Rewraps every data key that is not destroyed. Idempotent: a run that was stopped begins again, and those that are
 * current already stay as they are.
 *
 * @throws TypeError, RangeError for options that cannot work; what the database client throws; the signal's
 * reason. A data key that no CMK can unwrap is counted.
 */
export async function rewrapKeys(
  columns: AnyColumns,
  options: RewrapKeysOptions = {},
): Promise<RewrapKeysResult> {
  checkOptions(options, OPTIONS);
  const { concurrency = 8, signal, onProgress } = options;
  requireInteger("concurrency", concurrency, 1, 64);
  const wanted = options.scope && scopeHash(toScope(options.scope));
  const counts = { keys: 0, rewrapped: 0, failed: 0 };
  const wrappedBy: Record<string, number> = {};
  const keys = allKeys(columns);
  const worker = async (): Promise<void> => {
    for (;;) {
      signal?.throwIfAborted();
      const { value: key } = await keys.next();
      if (key === undefined) return;
      if (key.message === undefined || (wanted !== undefined && key.scopeHash !== wanted)) continue;
      counts.keys++;
      try {
        if (await rewrapOne(columns, key, options, wrappedBy)) counts.rewrapped++;
      } catch (error) {
        if (!isEnvelopeError(error) || error.retryable) throw error;
        counts.failed++;
      }
      onProgress?.({ ...counts });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { ...counts, wrappedBy };
}

async function rewrapOne(
  columns: AnyColumns,
  first: KeyRow,
  { from, dryRun = false, signal }: RewrapKeysOptions,
  wrappedBy: Record<string, number>,
): Promise<boolean> {
  const { envelope, client } = partsOf(columns);
  for (let key: KeyRow | undefined = first; ;) {
    if (key?.message === undefined || key.scope === undefined) return false; // Destroyed meanwhile.
    const context = contextOf(key.scope, key.purpose);
    const result = await envelope.rewrap(key.message, {
      context,
      ...(from && { from }),
      ...(signal && { signal }),
    });
    const current = key;
    const done =
      dryRun ||
      !result.changed ||
      (await persistently(() => replaceMessage(client, current, result.message), signal));
    if (done) {
      for (const { provider, keyId, keyVersion, action } of result.entries) {
        if (action === "removed") continue;
        const label = [provider, keyId, keyVersion].filter((part) => part !== undefined).join(" ");
        wrappedBy[label] = (wrappedBy[label] ?? 0) + 1;
      }
      return result.changed;
    }
    // Somebody else has rewrapped or destroyed it.
    [key] = await persistently(() => readKeys(client, [first.id]), signal);
  }
}
