/**
 * The name that somebody probably meant.
 *
 * @module
 */

/** Longer than any name there is. */
const MAX_LENGTH = 100;

/**
 * The nearest of `names`, whatever its case; none if more than a third of it would have to change.
 * Distance is Levenshtein's.
 */
export function closest(name: string, names: Iterable<string>): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  let best: string | undefined;
  let least = Math.floor(name.length / 3) + 1;
  for (const each of names) {
    const distance = editDistance(name.toLowerCase(), each.toLowerCase(), least);
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}

/** ` Did you mean kms:Decrypt?`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const found = closest(name, names);
  return found === undefined ? "" : ` Did you mean ${found}?`;
}

/** The distance where it is below `limit`, else some number from `limit` on. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const next = Array.from({ length: b.length + 1 }, () => limit);
    next[0] = i + 1;
    // What is further from the diagonal would take as many insertions alone.
    const last = Math.min(b.length, i + limit);
    for (let j = Math.max(0, i - limit); j < last; j += 1) {
      const [above = 0, diagonal = 0, left = 0] = [row[j + 1], row[j], next[j]];
      next[j + 1] = Math.min(above + 1, left + 1, diagonal + (a[i] === b[j] ? 0 : 1));
    }
    if (Math.min(...next) >= limit) return limit;
    row = next;
  }
  return row.at(-1) ?? limit;
}
