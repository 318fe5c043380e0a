/**
 * The keystore's clock: the machine's, but never behind the latest time in the file.
 *
 * So setting the clock back neither brings back a key that has expired nor makes a date pass twice. Setting it far ahead
 * makes keys expire at once, and what was destroyed because of it could not be restored. Therefore there is a second time,
 * `settled`, which the file had reached at least a day before: only what is past its date by `settled` is destroyed.
 * Whoever notices a wrong clock within a day corrects it and calls `resetClock()`.
 *
 * Source: spec/kms-store-v1.md#clock
 *
 * @module
 */
import { DAY_MS } from "./store.ts";

/** Times are milliseconds since 1970. */
export interface Clock {
  /** The latest time at which the file was changed. */
  readonly latest: number;
  /** A time that `latest` had less than a day ago. */
  readonly checkpoint: number;
  /** A time that `latest` had at least a day before `checkpoint`: certain to have passed. */
  readonly settled: number;
  /** How often the clock was set back on purpose. */
  readonly resets: number;
}

/** A new clock at `time`, for which nothing is settled yet. */
export function newClock(time: number): Clock {
  return { latest: time, checkpoint: time, settled: 0, resets: 0 };
}

/** The clock after a change at `time`, the machine's. */
export function advance(clock: Clock, time: number): Clock {
  const latest = Math.max(clock.latest, time);
  if (!isDayLater(clock, latest)) return { ...clock, latest };
  return { ...clock, latest, checkpoint: latest, settled: clock.checkpoint };
}

/** Whether a change at `time` would move `settled`. */
export function isDayLater({ checkpoint }: Clock, time: number): boolean {
  return time - checkpoint >= DAY_MS;
}

/** The clock set to `time`, even if that is earlier than the latest. */
export function reset({ checkpoint, settled, resets }: Clock, time: number): Clock {
  return {
    latest: time,
    checkpoint: Math.min(checkpoint, time),
    settled: Math.min(settled, time),
    resets: resets + 1,
  };
}
