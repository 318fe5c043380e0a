import { describe, expect, it } from "vitest";
import { countTests, summary } from "../count-tests.ts";

function report(files: Readonly<Record<string, readonly string[]>>): string {
  const testResults = Object.entries(files).map(([file, statuses]) => ({
    name: `/clone/${file}`,
    status: statuses.length === 0 || statuses.includes("failed") ? "failed" : "passed",
    assertionResults: statuses.map((status) => ({ status })),
  }));
  return JSON.stringify({ testResults });
}

const A = "packages/a/test/a.test.ts";
const B = "packages/a/test/b.test.ts";

describe("countTests", () => {
  it("adds up the results of all files, and of both runs of one", () => {
    const files = { [A]: ["passed", "passed", "skipped"], [B]: ["passed", "failed", "pending"] };
    const count = countTests([A, B], report(files));
    expect(count).toEqual({ passed: 3, failed: 1, skipped: 2, problems: [] });
  });

  it("counts a file that could not be run as failed", () => {
    const count = countTests([A, B], report({ [A]: ["passed"], [B]: [] }));
    expect(count).toMatchObject({ passed: 1, failed: 1 });
    expect(count.problems).toEqual([`/clone/${B} could not be run`]);
  });

  it("misses a file that is not in the report", () => {
    const { problems } = countTests([A, B], report({ [A]: ["passed"] }));
    expect(problems).toEqual([`${B} did not run`]);
  });

  it("is not content with nothing, nor with skipped tests alone", () => {
    expect(countTests([], report({})).problems).toEqual(["no test ran"]);
    const { problems } = countTests([A], report({ [A]: ["skipped"] }));
    expect(problems).toEqual(["no test ran"]);
  });
});

describe("summary", () => {
  it("names skipped tests only where there are any", () => {
    const count = { passed: 7, failed: 1, skipped: 0, problems: [] };
    expect(summary(count)).toBe("7 passed, 1 failed");
    expect(summary({ ...count, skipped: 2 })).toBe("7 passed, 1 failed, 2 skipped");
  });
});
