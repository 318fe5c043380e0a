import fc from "fast-check";
import { expect, it } from "vitest";
import { advance, isDayLater, newClock, reset, type Clock } from "../../src/store/clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const start = 1_800_000_000_000;

const after = (clock: Clock, ...times: number[]): Clock => times.reduce(advance, clock);

it("starts with nothing settled", () => {
  expect(newClock(start)).toEqual({ latest: start, checkpoint: start, settled: 0, resets: 0 });
});

it("follows the machine's clock forwards and never backwards", () => {
  const clock = after(newClock(start), start + 5, start + 3, start - YEAR);
  expect(clock.latest).toBe(start + 5);
  expect(advance(clock, start + 6).latest).toBe(start + 6);
});

it("settles a time once the file has had it for a day", () => {
  const first = advance(newClock(start), start + DAY - 1);
  expect(first.settled).toBe(0);
  const second = advance(first, start + DAY);
  expect(second).toMatchObject({ settled: start, checkpoint: start + DAY });
  expect(isDayLater(second, start + 2 * DAY - 1)).toBe(false);
  expect(isDayLater(second, start + 2 * DAY)).toBe(true);
  expect(advance(second, start + 2 * DAY).settled).toBe(start + DAY);
});

it("settles nothing of a jump ahead that lasts less than a day", () => {
  const ahead = after(newClock(start), start + YEAR, start + YEAR + DAY - 1);
  expect(ahead).toMatchObject({ latest: start + YEAR + DAY - 1, settled: start });
  const back = reset(ahead, start + HOUR);
  expect(back).toEqual({
    latest: start + HOUR,
    checkpoint: start + HOUR,
    settled: start,
    resets: 1,
  });
  expect(advance(back, start + HOUR + DAY).settled).toBe(start + HOUR);
});

it("is set back with what it had settled of the time ahead", () => {
  const ahead = after(newClock(start), start + YEAR, start + YEAR + DAY);
  expect(ahead.settled).toBe(start + YEAR);
  expect(reset(ahead, start + HOUR)).toMatchObject({
    latest: start + HOUR,
    checkpoint: start + HOUR,
    settled: start + HOUR,
  });
});

it("for any times: never goes back, and has had what is settled for a day", () => {
  const step = fc.oneof(
    fc.integer({ min: -YEAR, max: YEAR }),
    fc.integer({ min: 0, max: 2 * DAY }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let clock = newClock(start);
      const seen = [start];
      let time = start;
      for (const by of steps) {
        time += by;
        const next = advance(clock, time);
        expect(next.latest).toBe(Math.max(clock.latest, time));
        expect(next.settled).toBeGreaterThanOrEqual(clock.settled);
        expect(next.settled === 0 || seen.includes(next.settled)).toBe(true);
        if (next.settled !== clock.settled) {
          expect(next.latest - next.settled).toBeGreaterThanOrEqual(DAY);
        }
        seen.push(next.latest);
        clock = next;
      }
    }),
  );
});
