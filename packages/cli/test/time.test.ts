import { afterEach, describe, expect, it, vi } from "vitest";
import { parseTime } from "../src/time.ts";

afterEach(() => void vi.useRealTimers());

describe("a time", () => {
  it.each([
    ["2026-07-01", "2026-07-01T00:00:00.000Z"],
    ["2026-07-01T12:30", "2026-07-01T12:30:00.000Z"],
    ["2026-07-01T12:30:05.25Z", "2026-07-01T12:30:05.250Z"],
    ["2026-07-01T00:30:00+02:00", "2026-06-30T22:30:00.000Z"],
    ["2028-02-29", "2028-02-29T00:00:00.000Z"],
  ])("%s is %s", (text, iso) => {
    expect(parseTime(text).toISOString()).toBe(iso);
  });

  it.each([
    ["90s", 90],
    ["90m ago", 5400],
    ["15m", 900],
    ["24h", 86_400],
    ["7d", 604_800],
  ])("%s is %d seconds ago", (text, seconds) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 6, 1) });
    expect(parseTime(text).getTime()).toBe(Date.UTC(2026, 6, 1) - seconds * 1000);
  });

  it.each([
    "",
    "yesterday",
    "2026-02-30",
    "2026-02-30T10:00:00+01:00",
    "2026-13-01",
    "2026-07-01T25:00",
    "2026-07-01 12:00",
    "12w",
    "ago",
    "12 ago",
    "999999999d",
    "1751328000",
  ])("%j is none", (text) => {
    expect(() => parseTime(text)).toThrow(expect.objectContaining({ code: "ERR_CLI_USAGE" }));
  });
});
