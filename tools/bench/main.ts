/**
 * The mistake it stops: a claim of speed that nobody can repeat. Measures this library side by side
 * with its peers, in one run, and prints ratios: what a machine makes of both sides alike cancels out.
 *
 * A full run writes `docs/benchmarks`; with `--quick` (less data, three rounds) or `--only` nothing is
 * written but what `--json` asks for. Nothing here fails for being slow: the table says `short`.
 *
 *     pnpm bench [--quick] [--only NAME]... [--json FILE]
 *
 * It measures the packages as they were built, so `pnpm bench` builds them first.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { command } from "../command.ts";
import { Bench, type Figure } from "./bench.ts";
import { columns } from "./figures/columns.ts";
import { cores } from "./figures/cores.ts";
import { files } from "./figures/files.ts";
import { kms } from "./figures/kms.ts";
import { memory } from "./figures/memory.ts";
import { native } from "./figures/native.ts";
import { postgres } from "./figures/postgres.ts";
import { ranges } from "./figures/ranges.ts";
import { rewrap } from "./figures/rewrap.ts";
import { rss } from "./figures/rss.ts";
import { s3 } from "./figures/s3.ts";
import { server } from "./figures/server.ts";
import { small } from "./figures/small.ts";
import { streams } from "./figures/streams.ts";
import { describe, machine, measuredPackages } from "./machine.ts";
import { INSTALL, INSTALL_AGE, peerVersions } from "./peers.ts";
import { toJson, writeReport, type Run } from "./report.ts";
import { verdict, type Row } from "./row.ts";
import { textTable } from "./table.ts";

const figures: readonly Figure[] = [
  memory,
  cores,
  native,
  files,
  streams,
  rss,
  ranges,
  rewrap,
  small,
  kms,
  postgres,
  s3,
  server,
  columns,
];

/** So that each turn starts with a clean heap, however Node was started. */
function exposeGarbageCollector(): void {
  setFlagsFromString("--expose-gc");
  Reflect.set(globalThis, "gc", runInNewContext("gc"));
}

function missingPeers(): string[] {
  const { age, openssl: _openssl, ...packages } = peerVersions();
  const hints = [];
  if (Object.values(packages).includes("missing")) hints.push(`for missing packages: ${INSTALL}`);
  if (age === "missing") hints.push(`for age: ${INSTALL_AGE}`);
  return hints;
}

/** One line that changes, on a terminal; nothing elsewhere. */
class Progress {
  readonly #started = performance.now();

  show(text: string): void {
    if (!process.stderr.isTTY) return;
    const elapsed = Math.round((performance.now() - this.#started) / 1000);
    process.stderr.write(`\r\u001B[K${text} · ${elapsed} s`);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
  }
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
    },
  });
  const { quick, only, json } = values;
  const unknown = only.find((name) => !figures.some((figure) => figure.name === name));
  if (unknown !== undefined) {
    const names = figures.map(({ name }) => name).join(", ");
    console.error(`bench: there is no figure "${unknown}"; there are ${names}`);
    return 2;
  }
  if (measuredPackages() !== "built") {
    console.error("bench: this would measure TypeScript sources; run it without --conditions");
    return 2;
  }
  exposeGarbageCollector();
  process.once("SIGINT", () => process.exit(130)); // Files are removed on exit.

  const facts = machine();
  for (const line of describe(facts)) console.log(line);
  for (const hint of missingPeers()) console.log(hint);
  console.log();

  const progress = new Progress();
  const bench = new Bench({ quick, show: (text) => progress.show(text) });
  const rows: Row[] = [];
  for (const figure of figures) {
    if (only.length > 0 && !only.includes(figure.name)) continue;
    bench.start(figure.name);
    rows.push(...(await figure.run(bench)));
  }
  progress.end();

  const date = new Date().toISOString().slice(0, 10);
  const run: Run = { date, quick, rounds: bench.rounds, machine: facts, rows };
  console.log(textTable(rows));
  const count = (what: string): number => rows.filter((row) => verdict(row) === what).length;
  console.log(`bench: ${count("ok")} ok, ${count("short")} short, ${count("missing")} missing`);
  if (json !== undefined) writeFileSync(json, toJson(run));
  if (!quick && only.length === 0) writeReport(run);
  return 0;
});
