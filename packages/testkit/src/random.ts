/**
 * Random numbers that a failed test can be repeated with: `SEED=<number>`.
 *
 * @module
 */

/**
 * Returns a source of integers from 0 to below `limit`.
 *
 * @param seed - Default: `SEED`, or another one each time, which is printed.
 */
export function seededRandom(seed: number = chooseSeed()): (limit: number) => number {
  let state = seed >>> 0;
  // Mulberry32: 32 bits of state are enough to choose cases.
  return (limit) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

function chooseSeed(): number {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
  console.info(`SEED=${seed}`);
  return seed;
}
