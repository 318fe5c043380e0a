/**
 * The mistake it stops: a disk that does not do what it says, and a reader that believes it. Four faults are made on
 * encrypted files, keystores, audit logs and archives: a write that is torn, lost, or goes elsewhere, while everybody is
 * told that it succeeded, at each write of a scenario; and single bits that change afterwards.
 *
 *     node --conditions=@env/source tools/proofs/storage-faults.ts [--seed N] [--flips 100] [--only NAME]
 *
 * What a reader then finds must be the new state, an older one as a whole, or an error with a stable code. It must never
 * be a wrong plaintext, or a mixture of states. An older state as a whole is what a lost write leaves, and nothing in a
 * file can show it: docs/quality.md says what can. The seed is printed, and chooses how much of a write is torn, where a
 * misdirected one goes, and which bits flip.
 *
 * @module
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "@env/testkit/random";
import { command } from "../command.ts";
import { Faults, whyNot, type Kind } from "./faults/processes.ts";
import { codeOf, placeIn, type Scenario } from "./faults/scenario.ts";
import { scenarios } from "./faults/scenarios.ts";

const KINDS: readonly Kind[] = ["torn", "lost", "misdirected"];

/** What a reader found, how often. */
interface Row {
  readonly name: string;
  readonly fault: string;
  runs: number;
  new: number;
  older: number;
  readonly codes: Map<string, number>;
  readonly problems: string[];
}

function newRow(scenario: Scenario, fault: string): Row {
  return {
    name: scenario.name,
    fault,
    runs: 0,
    new: 0,
    older: 0,
    codes: new Map(),
    problems: [],
  };
}

/** Reads what a fault left. */
async function look(scenario: Scenario, folder: string, row: Row, what: string): Promise<void> {
  row.runs++;
  try {
    const there = await scenario.read(placeIn(folder));
    row[there === scenario.changes ? "new" : "older"]++;
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined)
      row.problems.push(`${row.name}, ${row.fault}, ${what}: ${String(error)}`);
    else row.codes.set(code, (row.codes.get(code) ?? 0) + 1);
  }
}

/** One write after the other goes wrong, until none is left. */
async function writes(faults: Faults, scenario: Scenario, kind: Kind, seed: number): Promise<Row> {
  const row = newRow(scenario, kind);
  const template = await faults.template(scenario);
  let next = 1;
  let isLeft = true;
  const lane = async (): Promise<void> => {
    while (isLeft) {
      const at = next++;
      const folder = faults.copy(template);
      const ended = await faults.run(scenario, folder, { kind, at, seed: (seed + at) % 1_000_003 });
      if (ended.hit) await look(scenario, folder, row, `write ${at}`);
      else isLeft = false;
      // The process itself may notice, by a code.
      if (ended.code !== undefined && !/^[A-Z]\w+$/.test(ended.code)) {
        row.problems.push(`${row.name}, ${kind}, write ${at}: the error is ${ended.code}`);
      }
      faults.remove(folder);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  faults.remove(template);
  return row;
}

/** Single bits of what a scenario leaves flip, one per run. */
async function flips(
  faults: Faults,
  scenario: Scenario,
  count: number,
  random: (limit: number) => number,
): Promise<Row> {
  const row = newRow(scenario, "bit rot");
  const template = await faults.template(scenario);
  await faults.run(scenario, template, { kind: "kill", at: 0 });
  for (let i = 0; i < count; i++) {
    const folder = faults.copy(template);
    const { faulty } = placeIn(folder);
    const names = readdirSync(faulty).filter((name) => statSync(join(faulty, name)).size > 0);
    const path = join(faulty, names[random(names.length)] ?? "");
    const bytes = readFileSync(path);
    const bit = random(bytes.length * 8);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, bytes);
    await look(scenario, folder, row, `bit ${bit} of ${path.slice(faulty.length + 1)}`);
    faults.remove(folder);
  }
  faults.remove(template);
  return row;
}

function line({ name, fault, runs, new: whole, older, codes, problems }: Row): string {
  const errors = [...codes].map(([code, count]) => `${code} ${count}`).join(", ");
  const numbers = [runs, whole, older].map((cell) => String(cell).padStart(7)).join("");
  return `${name.padEnd(40)}${fault.padEnd(12)}${numbers}  ${problems.length === 0 ? "" : "WRONG  "}${errors}`;
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: process.env["SEED"] ?? String(Date.now() % 2 ** 31) },
      flips: { type: "string", default: "100" },
      only: { type: "string", default: "" },
    },
  });
  const reason = whyNot();
  if (reason !== undefined) {
    console.log(`storage-faults: skipped: ${reason}`);
    return 0;
  }
  const seed = Number(values.seed);
  console.log(`SEED=${seed}`);
  const random = seededRandom(seed);
  using faults = await Faults.build();
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    console.log(line(row));
  };
  console.log(`${"scenario".padEnd(40)}fault          runs    new  older  errors by code`);
  const sealed = scenarios.filter(({ isSealed, name }) => isSealed && name.includes(values.only));
  for (const scenario of sealed) {
    for (const kind of KINDS) add(await writes(faults, scenario, kind, seed));
    add(await flips(faults, scenario, Number(values.flips), random));
  }
  const problems = rows.flatMap((row) => row.problems);
  for (const problem of problems) console.error(`storage-faults: ${problem}`);
  const runs = rows.map((row) => row.runs).reduce((sum, one) => sum + one, 0);
  console.log(`storage-faults: ${runs} faults, ${problems.length} wrong, SEED=${seed}`);
  return problems.length === 0 ? 0 : 1;
});
