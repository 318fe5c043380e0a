import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Progress, progressLine } from "../src/progress.ts";
import { widthOf } from "../src/text.ts";
import { capture } from "./support/command.ts";

describe("progressLine", () => {
  const half = { label: "a.bin", doneBytes: 5e8, totalBytes: 1e9, elapsedMs: 1000 };

  it("shows name, bar, share, bytes, rate and time left", () => {
    expect(progressLine(half, 130)).toBe(
      `${"a.bin".padEnd(32)}  ${"█".repeat(12)}${"░".repeat(12)}   50%  500.0 MB of 1 GB      500.0 MB/s  0:01 left`,
    );
  });

  it("shows what it knows of a pipe", () => {
    expect(progressLine({ ...half, totalBytes: undefined }, 80)).toBe(
      `${"a.bin".padEnd(32)}  500.0 MB  500.0 MB/s`,
    );
  });

  it.each([1, 20, 40, 80, 81, 120])("fits into %i columns", (columns) => {
    const label = "very/long/".repeat(20);
    for (const state of [half, { ...half, label }, { ...half, label: "日本".repeat(40) }]) {
      expect(widthOf(progressLine(state, columns))).toBeLessThan(Math.max(columns, 2));
    }
  });

  it.each([
    [40, / 50% {2}0:01 left$/],
    [60, / 50% {2}500\.0 MB\/s {2}0:01 left$/],
    [80, /^a\.bin .* 50% {2}500\.0 MB of 1 GB {6}500\.0 MB\/s {2}0:01 left$/],
  ])("keeps the most important figures in %i columns", (columns, pattern) => {
    expect(progressLine(half, columns)).toMatch(pattern);
  });

  it.each([40, 60, 80, 120])("does not move in %i columns while the figures change", (columns) => {
    const states = [
      { doneBytes: 1, elapsedMs: 1_000_000 },
      { doneBytes: 999_999, elapsedMs: 2000 },
      { doneBytes: 99_999_999, elapsedMs: 400 },
      { doneBytes: 5_368_709_119, elapsedMs: 9_000_000 },
    ];
    const layouts = states.map((state) => {
      const line = progressLine({ label: "big.bin", totalBytes: 5_368_709_120, ...state }, columns);
      return [line.search(/[█░]/), line.indexOf("%"), line.indexOf("/s"), line.indexOf(" of ")];
    });
    expect(new Set(layouts.map(String)).size).toBe(1);
  });

  it("does not pass control characters of a file name on", () => {
    expect(progressLine({ ...half, label: "\u001b[2J" }, 200)).not.toContain("\u001b");
  });

  it("never shows more than everything, and says so while the disk takes its time", () => {
    for (const doneBytes of [1e9, 2e9]) {
      const line = progressLine({ ...half, doneBytes }, 200);
      expect(line).toContain(" 100%");
      expect(line).toMatch(/finishing$/);
    }
  });
});

describe("Progress", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("says nothing about short work", () => {
    const { stream, bytes } = capture();
    using progress = new Progress(stream, 100);
    progress.add(50);
    vi.advanceTimersByTime(250);
    progress[Symbol.dispose]();
    vi.advanceTimersByTime(1000);
    expect(bytes()).toHaveLength(0);
  });

  it("follows files, of which a part is what tells how far the work is", () => {
    const { stream, bytes } = capture();
    using progress = new Progress(stream, 1000);
    const first = progress.follow(400);
    for (const part of [10, 20, 100]) first({ bytes: part, total: 100 });
    progress.follow(50)({ bytes: 0, total: 0 });
    progress.follow(300)({ bytes: 1, total: 3 });
    vi.advanceTimersByTime(1000);
    expect(bytes().toString()).toContain("550 B of 1 kB");
  });

  it("shows long work, and takes the line away in the end", () => {
    const { stream, bytes } = capture();
    using progress = new Progress(stream, 100);
    progress.label = "a.bin";
    progress.add(50);
    vi.advanceTimersByTime(1000);
    expect(bytes().toString()).toContain("a.bin");
    const shown = bytes().length;
    progress[Symbol.dispose]();
    vi.advanceTimersByTime(1000);
    const rest = bytes().subarray(shown).toString();
    expect(rest).toContain("\u001b[2K");
    expect(rest).not.toContain("a.bin");
  });
});
