/**
 * Counts the tests that ran, from vitest's JSON report.
 *
 * The mistake it stops: a green run in which tests did not run: a package that is in no vitest
 * project, a file that no pattern finds, a file that could not be loaded. Its last line is
 * `N passed, N failed`, with `, N skipped` where there are any.
 *
 *     TEST_REPORT=report.json vitest run
 *     node tools/count-tests.ts report.json
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { command } from "./command.ts";
import { findFiles } from "./workspace.ts";

interface Report {
  readonly testResults: readonly {
    /** Absolute path. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why the numbers are not the whole truth. */
  readonly problems: readonly string[];
}

/**
 * Adds up the results of a report. A file that failed without a failed test counts as one.
 *
 * @param files - All test files there are, relative to the repository.
 * @param report - What vitest wrote.
 */
export function countTests(files: readonly string[], report: string): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const problems: string[] = [];
  const { testResults } = JSON.parse(report) as Report;
  for (const file of files) {
    const ran = testResults.some((result) => toSlashes(result.name).endsWith(`/${file}`));
    if (!ran) problems.push(`${file} did not run`);
  }
  for (const { name: file, status, assertionResults } of testResults) {
    const failed = assertionResults.filter((test) => test.status === "failed").length;
    const passed = assertionResults.filter((test) => test.status === "passed").length;
    count.passed += passed;
    count.failed += failed;
    count.skipped += assertionResults.length - passed - failed;
    if (status === "failed" && failed === 0) {
      count.failed++;
      problems.push(`${file} could not be run`);
    }
  }
  if (count.passed + count.failed === 0) problems.push("no test ran");
  return { ...count, problems };
}

/** The closing line. */
export function summary({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

function toSlashes(path: string): string {
  return path.replaceAll("\\", "/");
}

await command(import.meta, ([path = ""]) => {
  const files = findFiles("packages/*/test/**/*.test.ts", "tools/test/**/*.test.ts");
  const count = countTests(files, readReport(path));
  for (const problem of count.problems) console.error(`count-tests: ${problem}`);
  console.log(summary(count));
  return count.failed > 0 || count.problems.length > 0 ? 1 : 0;
});

/** A run that ended before its report is one without tests. */
function readReport(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    console.error(`count-tests: there is no report: ${String(error)}`);
    return JSON.stringify({ testResults: [] } satisfies Report);
  }
}
