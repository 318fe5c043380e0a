/** Random numbers that a failed test can be repeated with: `SEED=<number>`. */

/** Integers from 0 to below `limit`. Prints its seed. */
export function seededRandom(): (limit: number) => number {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
  console.info(`SEED=${seed}`);
  let state = seed;
  // Mulberry32.
  return (limit) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}
