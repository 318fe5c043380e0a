/**
 * Counts by day and outcome as one row for each day, also for those without a call.
 *
 * @module
 */
export interface DayCount {
  /** `2026-11-30`, in UTC. */
  readonly day: string;
  readonly succeeded: number;
  readonly refused: number;
}

const DAY = 86_400_000;
/** Days that a chart shows. */
const MOST = 370;

export function daysBetween(
  groups: readonly { readonly Values: readonly string[]; readonly Count: number }[],
  from: Date | undefined,
  to: Date | undefined,
  now = Date.now(),
): readonly DayCount[] {
  const counts = new Map(groups.map(({ Values, Count }) => [Values.join(" "), Count]));
  const days = groups.flatMap(({ Values: [day] }) => (day === undefined ? [] : [Date.parse(day)]));
  const first = from?.getTime() ?? Math.min(now, ...days);
  // `to` itself is not among the days.
  const last = Math.max(first, to === undefined ? now : to.getTime() - 1);
  const begin = Math.max(Math.floor(first / DAY), Math.floor(last / DAY) - MOST + 1);
  return Array.from({ length: Math.floor(last / DAY) - begin + 1 }, (_, index) => {
    const day = new Date((begin + index) * DAY).toISOString().slice(0, 10);
    return {
      day,
      succeeded: counts.get(`${day} succeeded`) ?? 0,
      refused: counts.get(`${day} refused`) ?? 0,
    };
  });
}
