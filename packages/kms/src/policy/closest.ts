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
    const distance = editDistance(name.toLowerCase(), each.toLowerCase());
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}

/** ` Did you mean kms:Decrypt?`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const found = closest(name, names);
  return found === undefined ? "" : ` Did you mean ${found}?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, unit] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries()) {
      const [above = 0, diagonal = 0, left = 0] = [row[j + 1], row[j], next[j]];
      next.push(Math.min(above + 1, left + 1, diagonal + (unit === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
