import { expect, it } from "vitest";
import { rowOfTests, rowOfTool, table } from "../prove.ts";

it("takes the facts of a tool from its last line, and its result from its exit code", () => {
  const row = rowOfTool("crash points", 0, "a\ncrash-points: 12 points, 0 wrong\n", 3);
  expect(row).toMatchObject({ result: "ok", facts: "crash-points: 12 points, 0 wrong" });
  expect(rowOfTool("crash points", 1, "", 3).result).toBe("FAILED");
});

it("does not count what was skipped as shown", () => {
  expect(rowOfTool("a", 0, "a: skipped: there is no C compiler (cc)", 0).result).toBe("skipped");
  expect(rowOfTool("a", 0, "reader: skipped, because", 0).result).toBe("skipped");
  const report = JSON.stringify({ numPassedTests: 0, numFailedTests: 0, numPendingTests: 4 });
  expect(rowOfTests("a", 0, report, 0).result).toBe("skipped");
});

it("fails for a failed test, and for a run that ended badly", () => {
  const report = (numFailedTests: number): string =>
    JSON.stringify({ numPassedTests: 7, numFailedTests, numPendingTests: 0 });
  expect(rowOfTests("a", 0, report(0), 0)).toMatchObject({
    result: "ok",
    facts: "7 tests passed, 0 failed, 0 skipped",
  });
  expect(rowOfTests("a", 0, report(1), 0).result).toBe("FAILED");
  expect(rowOfTests("a", 1, report(0), 0).result).toBe("FAILED");
});

it("prints a row for each claim", () => {
  const row = { name: "drivers conform", result: "ok", facts: "7 tests", seconds: 3.4 } as const;
  expect(table([row]).split("\n")[1]).toMatch(/^drivers conform +ok +3 {2}7 tests$/);
});
