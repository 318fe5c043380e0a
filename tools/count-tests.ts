/**
 * Counts the tests that ran, from the JSON report of each package.
 *
 * The mistake it stops: a green run in which tests did not run: a package that is in no vitest
 * project, a file that no pattern finds, a file that could not be loaded. Its last line is
 * `N passed, N failed`, with `, N skipped` where there are any.
 *
 *     node tools/count-tests.ts
 *
 * @module
 */
import { existsSync } from "node:fs";
import { command } from "./command.ts";
import { findFiles, readPackages, readText } from "./workspace.ts";

interface Report {
  readonly testResults: readonly {
    /** Absolute path. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface TestedPackage {
  readonly name: string;
  /** Its test files, relative to the repository. */
  readonly files: readonly string[];
  /** What vitest reported, as JSON text; `undefined` where there is no report. */
  readonly report: string | undefined;
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why the numbers are not the whole truth. */
  readonly problems: readonly string[];
}

/** Adds up the reports of packages. A file that failed without a failed test counts as one. */
export function countTests(packages: readonly TestedPackage[]): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const problems: string[] = [];
  for (const { name, files, report } of packages) {
    if (report === undefined) {
      if (files.length > 0) problems.push(`${name} has tests and no report`);
      continue;
    }
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

await command(import.meta, () => {
  const dirs = [...readPackages().map(({ dir }) => dir), "tools"];
  const packages = dirs.map((dir): TestedPackage => {
    const { name } = JSON.parse(readText(`${dir}/package.json`)) as { readonly name: string };
    const file = `.reports/${name}.json`;
    const report = existsSync(new URL(`../${file}`, import.meta.url)) ? readText(file) : undefined;
    return { name, files: findFiles(`${dir}/test/**/*.test.ts`), report };
  });
  const count = countTests(packages);
  for (const problem of count.problems) console.error(`count-tests: ${problem}`);
  console.log(summary(count));
  return count.failed > 0 || count.problems.length > 0 ? 1 : 0;
});
