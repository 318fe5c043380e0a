/**
 * The keystore's clock: the machine's, but never behind the latest time in the file.
 *
 * So a clock that is set back neither brings back a key that was gone nor makes a date pass twice. A
 * clock that is set far ahead makes keys look past their date at once, and what was destroyed for it
 * would stay destroyed. Hence a second time, `settled`, which the file had reached at least a day before:
 * only what is past its date by that one is destroyed. Whoever notices a wrong clock within the day
 * corrects it and calls `resetClock()`.
 *
 * Source: spec/kms-store-v1.md#clock
 *
 * @module
 */

const DAY_MS = 86_400_000;

/** Times are milliseconds since 1970. */
export interface Clock {
  /** The latest time at which the file was changed. */
  readonly latest: number;
  /** A time that `latest` has had, less than a day ago. */
  readonly checkpoint: number;
  /** A time that `latest` had at least a day before `checkpoint`: certain to have passed. */
  readonly settled: number;
  /** How often the clock was set back on purpose. */
  readonly resets: number;
}

/** A clock that starts at `time`: nothing is settled yet. */
export function newClock(time: number): Clock {
  return { latest: time, checkpoint: time, settled: 0, resets: 0 };
}

/** The clock as a change at `time`, the machine's, leaves it. */
export function advance(clock: Clock, time: number): Clock {
  const latest = Math.max(clock.latest, time);
  if (!isDayLater(clock, latest)) return { ...clock, latest };
  return { ...clock, latest, checkpoint: latest, settled: clock.checkpoint };
}

/** Whether a change at `time` would settle more than is settled now. */
export function isDayLater({ checkpoint }: Clock, time: number): boolean {
  return time - checkpoint >= DAY_MS;
}

/** The clock set to `time`, be it earlier than the latest. */
export function reset({ checkpoint, settled, resets }: Clock, time: number): Clock {
  return {
    latest: time,
    checkpoint: Math.min(checkpoint, time),
    settled: Math.min(settled, time),
    resets: resets + 1,
  };
}
