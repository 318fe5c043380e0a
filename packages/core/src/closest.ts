/**
 * Finds the name that was probably meant by a misspelt one.
 *
 * @module
 */

/** Longer than any real name, so that an attacker's input costs little. */
const MAX_LENGTH = 100;

/**
 * Returns the closest of `names`, ignoring case, or `undefined` if more than a third of `name` would
 * have to change. The measure is the Levenshtein distance.
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

/** Returns ` Did you mean kms:Decrypt?`, or an empty string. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const found = closest(name, names);
  return found === undefined ? "" : ` Did you mean ${found}?`;
}

/** Returns the distance if it is below `limit`, otherwise some number that is at least `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const next = Array.from({ length: b.length + 1 }, () => limit);
    next[0] = i + 1;
    // Cells further from the diagonal would need at least `limit` insertions.
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
