import { describe, expect, it } from "vitest";
import { checksOf, repeated, resultsOf, summaryLine } from "../check.ts";

/** A task that took three seconds, as nx reports it. */
const task = (taskId: string, status: number): object => ({
  taskId,
  hash: `of ${taskId}`,
  startTime: "2026-11-30T07:00:00.000Z",
  endTime: "2026-11-30T07:00:03.000Z",
  status,
});

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
  it("passes what ended with 0, and nothing else", () => {
    const run = JSON.stringify({ tasks: [task("p:a", 0), task("p:b", 1), task("p:c", 127)] });
    expect(resultsOf([], run)).toEqual([
      { name: "p:a", passed: true, seconds: 3, hash: "of p:a" },
      { name: "p:b", passed: false, seconds: 3, hash: "of p:b" },
      { name: "p:c", passed: false, seconds: 3, hash: "of p:c" },
    ]);
  });

  it("fails what nx did not run", () => {
    expect(resultsOf(["p:a", "p:b"], JSON.stringify({ tasks: [task("p:a", 0)] }))).toEqual([
      { name: "p:a", passed: true, seconds: 3, hash: "of p:a" },
      { name: "p:b", passed: false, seconds: 0 },
    ]);
  });
});

describe("repeated", () => {
  const failed = { name: "p:lint", passed: false, seconds: 1, hash: "1" };

  it("has the last 40 lines of each failed check that is not a test", () => {
    const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const results = [
      { ...failed, passed: true },
      { ...failed, name: "p:test" },
      failed,
      { ...failed, name: "p:types", hash: "2" },
      { name: "p:skipped", passed: false, seconds: 0 },
    ];
    const outputs: Record<string, string> = { 1: `${lines.join("\n")}\n`, 2: "type error\n" };
    expect(repeated(results, (hash) => outputs[hash])).toEqual([
      "--- p:lint",
      ...lines.slice(10),
      "",
      "--- p:types",
      "type error",
      "",
    ]);
  });

  it("has the name alone where nx kept no output", () => {
    expect(repeated([failed], () => undefined)).toEqual(["--- p:lint", ""]);
  });
});

describe("summaryLine", () => {
  it("has the outcome, the seconds and the name", () => {
    const result = { name: "p:a", passed: true, seconds: 3.4 };
    expect(summaryLine(result)).toBe("ok         3 s  p:a");
    expect(summaryLine({ ...result, passed: false })).toBe("FAILED     3 s  p:a");
  });
});
