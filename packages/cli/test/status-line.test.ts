import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { StatusLine } from "../src/status-line.ts";
import { capture } from "./support/command.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("hides the cursor, redraws in place, and leaves an empty line with the cursor on it", () => {
  const { stream, bytes } = capture();
  const terminal = Object.assign(stream, { columns: 11 });
  using line = new StatusLine(terminal, (columns, ms) => `${columns} ${ms / 100} and more`);
  vi.advanceTimersByTime(299);
  expect(bytes().toString()).toBe("");
  vi.advanceTimersByTime(101);
  const drawn = "\u001B[?25l\r\u001B[2K11 3 and m\r\u001B[2K11 4 and m";
  expect(bytes().toString()).toBe(drawn);
  line.clear();
  line.clear();
  expect(bytes().toString()).toBe(`${drawn}\r\u001B[2K\u001B[?25h`);
});

it("hides the cursor again where it goes on after it was cleared, and stops for good in the end", () => {
  const { stream, bytes } = capture();
  using line = new StatusLine(stream, () => "work");
  vi.advanceTimersByTime(300);
  line.clear();
  vi.advanceTimersByTime(100);
  line[Symbol.dispose]();
  vi.advanceTimersByTime(1000);
  const once = "\u001B[?25l\r\u001B[2Kwork\r\u001B[2K\u001B[?25h";
  expect(bytes().toString()).toBe(once + once);
});
