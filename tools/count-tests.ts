/**
 * Counts the tests that ran, from vitest's JSON reports: one of each target `test`.
 *
 * The mistake it stops: a green run in which tests did not run: a package that is in no vitest
 * project, a file that no pattern finds, a file that could not be loaded.
 *
 * @module
 */

interface Report {
  readonly testResults: readonly {
    /** Absolute path. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The names of the failed tests, each with its file and the first line of its message. */
  readonly failures: readonly string[];
  /** Why the numbers are not the whole truth. */
  readonly problems: readonly string[];
}

/**
 * Adds up the results of reports. A file that failed without a failed test counts as one.
 *
 * @param files - All test files there are, relative to the repository.
 * @param reports - What vitest wrote.
 */
export function countTests(files: readonly string[], reports: readonly string[]): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const problems: string[] = [];
  const results = reports.flatMap((report) => (JSON.parse(report) as Report).testResults);
  const ran = new Set(results.map(({ name }) => fileOf(name, files)));
  const missing = files.filter((file) => !ran.has(file));
  for (const folder of new Set(missing.map(packageOf))) {
    const [first = "", ...others] = missing.filter((file) => packageOf(file) === folder);
    const more = others.length === 0 ? "" : ` (nor ${others.length} more of ${folder})`;
    problems.push(`${first} did not run${more}`);
  }
  for (const { name, status, assertionResults } of results) {
    const file = fileOf(name, files);
    const failed = assertionResults.filter((test) => test.status === "failed");
    const passed = assertionResults.filter((test) => test.status === "passed").length;
    count.passed += passed;
    count.failed += failed.length;
    count.skipped += assertionResults.length - passed - failed.length;
    for (const { fullName, failureMessages } of failed) {
      const [message = ""] = failureMessages?.[0]?.split("\n", 1) ?? [];
      failures.push(`${file}: ${fullName}\n    ${message.slice(0, MAX_MESSAGE)}`);
    }
    if (status === "failed" && failed.length === 0) {
      count.failed++;
      problems.push(`${file} could not be run`);
    }
  }
  if (count.passed + count.failed === 0) problems.push("no test ran");
  return { ...count, failures, problems };
}

const MAX_MESSAGE = 300;

function packageOf(file: string): string {
  return file.slice(0, file.indexOf("/test/"));
}

/** Path relative to the repository, if it is one of `files`; else as vitest has it. */
function fileOf(path: string, files: readonly string[]): string {
  const slashes = path.replaceAll("\\", "/");
  return files.find((file) => slashes.endsWith(`/${file}`)) ?? slashes;
}

/** Lines that say what failed, the last one `N passed, N failed`, with `, N skipped` where there are any. */
export function summary({ passed, failed, skipped, failures, problems }: Count): string[] {
  return [
    ...[...problems, ...failures].map((each) => `FAILED ${each}`),
    `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`,
  ];
}
