/**
 * Calls and refusals per day, as bars.
 *
 * @module
 */
import type { AuditFilter } from "@env/kms-server";
import { own } from "../../aws/calls.ts";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { count } from "../../parts/format.tsx";
import { daysBetween, type DayCount } from "./days.ts";

const HEIGHT = 72;
const STEP = 20;
const BAR = 14;

export function DayChart({
  filter,
  onDay,
}: {
  readonly filter: AuditFilter;
  readonly onDay: (day: string) => void;
}) {
  const loaded = useLoaded(JSON.stringify(filter), async () => {
    const { Groups } = await own("CountAudit", { ...filter, GroupBy: ["day", "outcome"] });
    return daysBetween(Groups, filter.From, filter.To);
  });
  return <Show of={loaded}>{(days) => <Bars days={days} onDay={onDay} />}</Show>;
}

function Bars({
  days,
  onDay,
}: {
  readonly days: readonly DayCount[];
  readonly onDay: (day: string) => void;
}) {
  const most = Math.max(1, ...days.map(({ succeeded, refused }) => succeeded + refused));
  const total = days.reduce((sum, { succeeded, refused }) => sum + succeeded + refused, 0);
  const refusals = days.reduce((sum, { refused }) => sum + refused, 0);
  const scale = (number: number): number => (number / most) * (HEIGHT - 4);
  return (
    <figure class="chart">
      <figcaption>
        {count(total, "call")},{" "}
        <span class="refusals">{refusals.toLocaleString("en")} refused</span>, at most{" "}
        {most.toLocaleString("en")} a day
      </figcaption>
      <svg
        viewBox={`0 0 ${Math.max(days.length, 1) * STEP} ${HEIGHT}`}
        role="group"
        aria-label="Calls per day"
        preserveAspectRatio="none"
      >
        {days.map(({ day, succeeded, refused }, index) => {
          // A single refusal is seen too.
          const bad = refused === 0 ? 0 : Math.max(scale(refused), 3);
          const good = scale(succeeded);
          const label = `${day}: ${count(succeeded + refused, "call")}, ${refused} refused`;
          return (
            <a
              key={day}
              href="#content"
              aria-label={label}
              onClick={(event) => {
                event.preventDefault();
                onDay(day);
              }}
            >
              <title>{label}</title>
              <rect class="space" x={index * STEP} y={0} width={STEP} height={HEIGHT} />
              <rect
                class="good"
                x={index * STEP + 3}
                y={HEIGHT - good - bad}
                width={BAR}
                height={good}
              />
              <rect class="bad" x={index * STEP + 3} y={HEIGHT - bad} width={BAR} height={bad} />
            </a>
          );
        })}
      </svg>
      <div class="ends">
        <span>{days[0]?.day}</span>
        <span>{days.at(-1)?.day}</span>
      </div>
    </figure>
  );
}
