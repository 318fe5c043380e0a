import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Progress, progressLine } from "../src/progress.ts";
import { capture } from "./support/command.ts";

describe("progressLine", () => {
  const half = { label: "a.bin", doneBytes: 5e8, totalBytes: 1e9, elapsedMs: 1000 };

  it("shows share, bytes, rate and time left", () => {
    expect(progressLine(half, 200)).toBe(
      `a.bin  ${"█".repeat(12)}${"░".repeat(12)}   50%  500 MB of 1 GB  500 MB/s  0:01 left`,
    );
  });

  it("shows what it knows of a pipe", () => {
    expect(progressLine({ ...half, totalBytes: undefined }, 80)).toBe("a.bin  500 MB  500 MB/s");
  });

  it.each([20, 40, 80, 81, 120])("fits into %i columns", (columns) => {
    const label = "very/long/".repeat(20);
    expect(progressLine({ ...half, label }, columns).length).toBeLessThan(columns);
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
