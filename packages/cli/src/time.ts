/**
 * Points in time and numbers of days, as an option's value.
 *
 * @module
 */
import { usageError } from "./errors.ts";

const AGO = /^([0-9]{1,9})([smhd])(?: ago)?$/;
const UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
const TIME =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)(Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

/**
 * Reads `2026-07-01` and `2026-07-01T12:00:00Z`, in UTC where no zone is given, and `90s`, `15m`, `24h` or `7d` for
 * that long ago, with or without the word `ago`.
 *
 * @throws CommandError `ERR_CLI_USAGE`
 */
export function parseTime(text: string): Date {
  const [, number, unit = ""] = AGO.exec(text) ?? [];
  if (number !== undefined) {
    return valid(text, new Date(Date.now() - Number(number) * (UNITS.get(unit) ?? Number.NaN)));
  }
  const [, day, time = "00:00", zone = "Z"] = TIME.exec(text) ?? [];
  // JavaScript takes the 30th of February for the 2nd of March.
  const start = valid(text, new Date(`${day}T00:00Z`));
  if (start.toISOString().slice(0, 10) !== day) throw invalidTime(text);
  return valid(text, new Date(`${day}T${time}${zone}`));
}

function valid(text: string, date: Date): Date {
  if (Number.isNaN(date.getTime())) throw invalidTime(text);
  return date;
}

function invalidTime(text: string): Error {
  return usageError(
    `${JSON.stringify(text)} is not a valid time`,
    'use 2026-07-01T12:00:00Z, or 24h for "24 hours ago"',
  );
}

/**
 * Reads the value of an option that is a number of days.
 *
 * @returns The parser, which throws a CommandError `ERR_CLI_USAGE`.
 */
export function daysParser(option: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const days = Number(text);
    if (/^[0-9]{1,9}$/.test(text) && days >= least && days <= most) return days;
    throw usageError(`${option} must be a number from ${least} to ${most}`);
  };
}
