/**
 * What is kept of a run: numbers as JSON, charts, and the table in `docs/benchmarks/README.md`.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../workspace.ts";
import { describe, type Machine } from "./machine.ts";
import { median, ratio, spread } from "./measure.ts";
import { verdict, type Row } from "./row.ts";
import { barChart, type Chart } from "./svg.ts";
import { markdownTable, quantity } from "./table.ts";

export interface Run {
  /** `2026-01-31`. */
  readonly date: string;
  /** Smaller sizes and three rounds: no figures to quote. */
  readonly quick: boolean;
  readonly rounds: number;
  readonly machine: Machine;
  readonly rows: readonly Row[];
}

const FOLDER = join(root, "docs", "benchmarks");
const BEGIN = "<!-- measured -->";
const END = "<!-- /measured -->";

/** All values of all rounds, and what was made of them. */
export function toJson(run: Run): string {
  const rows = run.rows.map((row) => ({
    ...row,
    ...(row.ours !== undefined && { median: median(row.ours), spread: spread(row.ours) }),
    ...(row.kind === "comparison" &&
      row.theirs !== undefined && {
        theirMedian: median(row.theirs),
        theirSpread: spread(row.theirs),
        ratio: ratio(row.ours, row.theirs),
      }),
    verdict: verdict(row),
  }));
  return `${JSON.stringify({ ...run, rows }, undefined, 2)}\n`;
}

/** One chart per figure that compares, by file name. */
export function chartsOf(rows: readonly Row[]): ReadonlyMap<string, Chart> {
  const charts = new Map<string, Chart>();
  for (const row of rows) {
    if (row.kind !== "comparison" || row.theirs === undefined) continue;
    const { figure: title, unit, ours, peer, theirs } = row;
    const name = `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.svg`;
    const first = {
      label: "env",
      value: median(ours),
      text: quantity(median(ours), unit),
      ours: true,
    };
    const bars = charts.get(name)?.bars ?? [first];
    const value = median(theirs);
    const bar = { label: peer, value, text: quantity(value, unit), ours: false };
    charts.set(name, { title, bars: [...bars, bar] });
  }
  return charts;
}

/** Puts what was measured between the marks of a document. */
export function withMeasured(document: string, run: Run, charts: Iterable<string>): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the document has no ${BEGIN} … ${END}`);
  const measured = [
    BEGIN,
    "",
    `Measured on ${run.date}, medians of ${run.rounds} rounds:`,
    "",
    ...describe(run.machine).map((line) => `- ${line}`),
    "",
    markdownTable(run.rows),
    "",
    ...[...charts].map((name) => `![${name.slice(0, -4).replaceAll("-", " ")}](${name})`),
    "",
  ];
  return document.slice(0, begin) + measured.join("\n") + document.slice(end);
}

/** Writes all of `docs/benchmarks`, formatted as the repository is. */
export function writeReport(run: Run): void {
  mkdirSync(FOLDER, { recursive: true });
  const charts = chartsOf(run.rows);
  for (const [name, chart] of charts) writeFileSync(join(FOLDER, name), barChart(chart));
  writeFileSync(join(FOLDER, "results.json"), toJson(run));
  const readme = join(FOLDER, "README.md");
  writeFileSync(readme, withMeasured(readFileSync(readme, "utf8"), run, charts.keys()));
  execFileSync(join(root, "node_modules", ".bin", "oxfmt"), [FOLDER]);
}
