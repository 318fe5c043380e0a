/**
 * Which versions of which keys files depend on, before a rewrap and after it: whether an old version can
 * be retired is what a rewrap is done for.
 *
 * @module
 */
import type { Entry, RewrapReport } from "@env/core";
import { describeCiphertextBlob } from "@env/kms";

/** The key version that wrapped an entry, if the entry itself says so. */
export function keyVersionOf({ provider, wrapped }: Entry): string | undefined {
  if (provider !== "local-file") return undefined;
  return describeCiphertextBlob(wrapped)?.keyVersion.toString();
}

export interface KeyUsageRow {
  readonly provider: string;
  readonly keyId: string;
  readonly keyVersion: string | undefined;
  before: number;
  after: number;
}

/** Counts how many files depend on each version of each key, before and after. */
export class KeyUsage {
  readonly #rows = new Map<string, KeyUsageRow>();

  /**
   * Counts a file.
   *
   * @param before - The entries it had.
   * @param reports - What became of them; `undefined` where the rewrap failed: a file that failed still
   * depends on what it depended on.
   */
  add(before: readonly Entry[], reports: readonly RewrapReport[] | undefined): void {
    const reportOf = (entry: Entry): RewrapReport | undefined =>
      reports?.find(({ provider, keyId }) => provider === entry.provider && keyId === entry.keyId);
    for (const entry of before) {
      const version = keyVersionOf(entry) ?? reportOf(entry)?.fromVersion;
      this.#row(entry, version).before++;
      if (reports === undefined) this.#row(entry, version).after++;
    }
    for (const made of reports ?? []) {
      if (made.action === "removed") continue;
      const kept = before.find((entry) => reportOf(entry) === made);
      this.#row(made, made.keyVersion ?? (kept && keyVersionOf(kept))).after++;
    }
  }

  #row({ provider, keyId }: Pick<Entry, "provider" | "keyId">, keyVersion?: string): KeyUsageRow {
    const id = JSON.stringify([provider, keyId, keyVersion]);
    const row = this.#rows.get(id) ?? { provider, keyId, keyVersion, before: 0, after: 0 };
    this.#rows.set(id, row);
    return row;
  }

  get rows(): readonly Readonly<KeyUsageRow>[] {
    const name = ({ provider, keyId, keyVersion = "" }: KeyUsageRow): string =>
      `${provider} ${keyId} ${keyVersion}`;
    return [...this.#rows.values()].toSorted((a, b) =>
      name(a).localeCompare(name(b), "en", { numeric: true }),
    );
  }
}
