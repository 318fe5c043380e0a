/**
 * Rounds of measurements, and the numbers that are made of them.
 *
 * The mistake it avoids: measuring one side, then the other. A machine gets slower and faster by the
 * minute, so sides take turns within each round, the order shifts by one from round to round, and a
 * ratio is taken within its round before the median is. A first round warms up and is not counted.
 *
 * @module
 */

/** One of the sides of a comparison. */
export interface Contender {
  readonly name: string;
  /** Measures once. Gives a rate or a duration; prepares and tidies outside of what it times. */
  measure(): number | Promise<number>;
}

export interface Rounds {
  readonly rounds: number;
  /** Makes the data of a round, for all sides alike. */
  readonly prepare?: () => void | Promise<void>;
  /** Told before each turn. Round 0 warms up. */
  readonly turn?: (name: string, round: number) => void;
}

/** Lets the sides take turns. Gives their values by name, one per round. */
export async function takeTurns(
  contenders: readonly Contender[],
  { rounds, prepare, turn }: Rounds,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const values = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    await prepare?.();
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length];
      if (contender === undefined) continue;
      turn?.(contender.name, round);
      collectGarbage();
      const value = await contender.measure();
      if (!(value > 0)) throw new Error(`${contender.name} measured ${value}`);
      if (round > 0) values.get(contender.name)?.push(value);
    }
  }
  return values;
}

/**
 * What came before is not the next one's to clear. Twice, since array buffers are freed in the background,
 * on the other core, and only the next collection waits for that. Nothing where Node does not expose it.
 */
export function collectGarbage(): void {
  const gc: unknown = Reflect.get(globalThis, "gc");
  if (typeof gc !== "function") return;
  gc();
  gc();
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("nothing was measured");
  const sorted = values.toSorted((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(half)] ?? NaN) + (sorted[Math.ceil(half)] ?? NaN)) / 2;
}

/** Distance from the least to the largest, as a part of the median. */
export function spread(values: readonly number[]): number {
  const range = Math.max(...values) - Math.min(...values);
  return range === 0 ? 0 : range / median(values);
}

/** The median of the rounds' ratios, which is not quite the ratio of the medians. */
export function ratio(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) throw new RangeError("the sides differ in rounds");
  return median(ours.map((value, round) => value / (theirs[round] ?? NaN)));
}
