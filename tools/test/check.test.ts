import { describe, expect, it } from "vitest";
import { checksOf, resultsOf, summaryLine } from "../check.ts";

/** A task as nx reports it. */
const task = (name: string, status: string, dur: number): object => ({
  name,
  dur,
  args: { target: {}, status },
});

const THREAD = { name: "thread_name", args: { name: "Group #1" } };

describe("checksOf", () => {
  it("names every target of every project", () => {
    const projects = [
      { name: "@env/a", targets: { build: {}, test: {} } },
      { name: "@env/repo", targets: { lint: { command: "oxlint" } } },
    ];
    expect(checksOf(projects.map((each) => JSON.stringify(each)))).toEqual([
      "@env/a:build",
      "@env/a:test",
      "@env/repo:lint",
    ]);
  });
});

describe("resultsOf", () => {
  it("passes what passed now or is in the cache, and nothing else", () => {
    const statuses = ["success", "local-cache", "local-cache-kept-existing", "failure", "skipped"];
    const profile = statuses.map((status, i) => task(`p:${status}`, status, i * 1e6));
    const results = resultsOf([], JSON.stringify([THREAD, ...profile]));
    expect(results.map(({ passed, seconds }) => [passed, seconds])).toEqual([
      [true, 0],
      [true, 1],
      [true, 2],
      [false, 3],
      [false, 4],
    ]);
  });

  it("fails what nx did not run", () => {
    const profile = JSON.stringify([task("p:a", "success", 0)]);
    expect(resultsOf(["p:a", "p:b"], profile)).toEqual([
      { name: "p:a", passed: true, seconds: 0 },
      { name: "p:b", passed: false, seconds: 0 },
    ]);
  });
});

describe("summaryLine", () => {
  it("has the outcome, the seconds and the name", () => {
    const result = { name: "p:a", passed: true, seconds: 3.4 };
    expect(summaryLine(result)).toBe("ok         3 s  p:a");
    expect(summaryLine({ ...result, passed: false })).toBe("FAILED     3 s  p:a");
  });
});
