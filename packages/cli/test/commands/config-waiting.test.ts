import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Waiting } from "../../src/commands/config-waiting.ts";
import { capture } from "../support/command.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start({ isTTY = true, quiet = false, columns = 80 } = {}): {
  readonly waiting: Waiting;
  readonly shown: () => string;
} {
  const { stream, bytes } = capture();
  const terminal = Object.assign(stream, { isTTY, columns });
  const waiting = new Waiting(terminal, quiet, ["aws-kms", "gcp-kms", "aws-kms"]);
  return { waiting, shown: () => bytes().toString() };
}

it("says who is still to answer, once that takes a while", () => {
  const { waiting, shown } = start();
  vi.advanceTimersByTime(250);
  expect(shown()).toBe("");
  vi.advanceTimersByTime(1000);
  expect(shown()).toContain("waiting for aws-kms, gcp-kms, aws-kms  1 s");
  waiting.answered("aws-kms");
  vi.advanceTimersByTime(100);
  expect(shown()).toContain("waiting for gcp-kms, aws-kms  1 s");
  const before = shown().length;
  waiting[Symbol.dispose]();
  vi.advanceTimersByTime(1000);
  const rest = shown().slice(before);
  expect(rest).toContain("\u001b[2K");
  expect(rest).not.toContain("waiting");
});

it("fits into the terminal", () => {
  const { waiting, shown } = start({ columns: 20 });
  vi.advanceTimersByTime(500);
  waiting[Symbol.dispose]();
  expect(shown()).toContain("waiting for aws-kms");
  expect(shown()).not.toContain("waiting for aws-kms,");
});

it.each([{ isTTY: false }, { quiet: true }])("says nothing with %j", (options) => {
  const { waiting, shown } = start(options);
  vi.advanceTimersByTime(1000);
  waiting[Symbol.dispose]();
  expect(shown()).toBe("");
});
