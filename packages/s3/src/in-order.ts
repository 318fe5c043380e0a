/**
 * Works on many items at a time and gives the results in the order of the items.
 *
 * @module
 */

const MAX_CONCURRENCY = 1024;

/**
 * Starts work on items while earlier results are waited for.
 *
 * @param concurrency - Items in progress at most, 1 to 1024; also how many results are held.
 * @yields The result for each item. It ends with the first error, when its turn comes; what is in progress then ends
 * unseen.
 */
export async function* inOrder<T, U>(
  items: AsyncIterable<T>,
  concurrency: number,
  work: (item: T) => Promise<U>,
): AsyncGenerator<U, void> {
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw new RangeError(`concurrency must be an integer from 1 to ${MAX_CONCURRENCY}`);
  }
  const working: Promise<U>[] = [];
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // Seen when its turn comes.
    working.push(result);
    if (working.length < concurrency) continue;
    const first = working.shift();
    if (first) yield await first;
  }
  for (const result of working) yield await result;
}
