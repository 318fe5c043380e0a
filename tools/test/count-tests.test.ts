import { describe, expect, it } from "vitest";
import { countTests, summary } from "../count-tests.ts";

function report(files: Readonly<Record<string, readonly string[]>>): string {
  const testResults = Object.entries(files).map(([file, statuses]) => ({
    name: `/clone/${file}`,
    status: statuses.length === 0 || statuses.includes("failed") ? "failed" : "passed",
    assertionResults: statuses.map((status, i) => ({
      status,
      fullName: `a test ${i}`,
      failureMessages: status === "failed" ? ["Error: no\n    at x.ts:1"] : [],
    })),
  }));
  return JSON.stringify({ testResults });
}

const A = "packages/a/test/a.test.ts";
const B = "packages/a/test/b.test.ts";

describe("countTests", () => {
  it("adds up the results of all files, of both runs of one, and of all reports", () => {
    const reports = [
      report({ [A]: ["passed", "passed", "skipped"] }),
      report({ [A]: ["passed"], [B]: ["passed", "pending"] }),
    ];
    const count = countTests([A, B], reports);
    expect(count).toEqual({ passed: 4, failed: 0, skipped: 2, failures: [], problems: [] });
  });

  it("names the tests that failed, with the first line of why", () => {
    const { failed, failures } = countTests([A], [report({ [A]: ["passed", "failed"] })]);
    expect(failed).toBe(1);
    expect(failures).toEqual([`${A}: a test 1\n    Error: no`]);
  });

  it("counts a file that could not be run as failed", () => {
    const count = countTests([A, B], [report({ [A]: ["passed"], [B]: [] })]);
    expect(count).toMatchObject({ passed: 1, failed: 1 });
    expect(count.problems).toEqual([`${B} could not be run`]);
  });

  it("misses a file that is in no report, and names one of many", () => {
    const files = [A, B, "packages/b/test/a.test.ts", "packages/b/test/x/b.test.ts"];
    const { problems } = countTests(files, [report({ [A]: ["passed"] })]);
    expect(problems).toEqual([
      `${B} did not run`,
      "packages/b/test/a.test.ts did not run (nor 1 more of packages/b)",
    ]);
  });

  it("is not content with nothing, nor with skipped tests alone", () => {
    expect(countTests([], []).problems).toEqual(["no test ran"]);
    const { problems } = countTests([A], [report({ [A]: ["skipped"] })]);
    expect(problems).toEqual(["no test ran"]);
  });
});

describe("summary", () => {
  const count = { passed: 7, failed: 1, skipped: 0, failures: [], problems: [] };

  it("names skipped tests only where there are any", () => {
    expect(summary(count)).toEqual(["7 passed, 1 failed"]);
    expect(summary({ ...count, skipped: 2 })).toEqual(["7 passed, 1 failed, 2 skipped"]);
  });

  it("repeats what failed just above the count", () => {
    const failed = {
      ...count,
      failures: ["a.test.ts: a test"],
      problems: ["b.test.ts did not run"],
    };
    expect(summary(failed)).toEqual([
      "FAILED b.test.ts did not run",
      "FAILED a.test.ts: a test",
      "7 passed, 1 failed",
    ]);
  });
});
