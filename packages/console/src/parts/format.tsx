/**
 * Times, names and states as people read them.
 *
 * @module
 */
import { Link } from "wouter-preact";

const DAY = 86_400_000;
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const timeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `3 days ago`, `in 2 hours`. */
export function ago(date: Date, now = Date.now()): string {
  const difference = date.getTime() - now;
  const size = Math.abs(difference);
  if (size < 60_000) return "just now";
  if (size < 3_600_000) return relative.format(Math.round(difference / 60_000), "minute");
  if (size < DAY) return relative.format(Math.round(difference / 3_600_000), "hour");
  if (size < 60 * DAY) return relative.format(Math.round(difference / DAY), "day");
  return relative.format(Math.round(difference / (30.4 * DAY)), "month");
}

/** A time in words, and exactly where one points at it. */
export function Time({
  date,
  exact = false,
}: {
  readonly date: Date | undefined;
  readonly exact?: boolean;
}) {
  if (date === undefined) return <span class="none">—</span>;
  const full = timeFormat.format(date);
  return (
    <time dateTime={date.toISOString()} title={full}>
      {exact ? full : ago(date)}
    </time>
  );
}

export function day(date: Date): string {
  return dateFormat.format(date);
}

/** A state, with a colour that is not the only sign of it. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${state.toLowerCase()}`}>{words(state)}</span>;
}

/** `PendingDeletion` is `Pending deletion`. */
export function words(name: string): string {
  const spaced = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** What follows the account in an ARN: `role/app`, `root`. Other names are as they are. */
export function shortName(arn: string): string {
  return /^arn:aws:(?:iam|sts)::\d+:(.*)$/s.exec(arn)?.[1] ?? arn;
}

/** A principal, with its whole ARN where one points at it. */
export function PrincipalName({ arn }: { readonly arn: string }) {
  return <bdi title={arn}>{shortName(arn)}</bdi>;
}

/** Address of the page of a key: its ARN, id or alias. */
export function keyAddress(key: string, tab?: string): string {
  return `/keys/${key}${tab === undefined ? "" : `?tab=${tab}`}`;
}

export function KeyLink({ id, name = id }: { readonly id: string; readonly name?: string }) {
  return (
    <Link href={keyAddress(id)}>
      <bdi>{name}</bdi>
    </Link>
  );
}

/** `1 key`, `2 keys`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Names and values, side by side. */
export function Facts({
  facts,
}: {
  readonly facts: readonly (readonly [string, preact.ComponentChildren])[];
}) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
