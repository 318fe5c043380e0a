/**
 * The mistake it stops: a file operation that loses or damages something if it is interrupted at one particular moment.
 * It runs each scenario once for the first, the second, … call to the file system that changes or opens a file, until
 * none is left, and in each of four ways: the process is killed before the call, or after half of it; the call fails;
 * the disk is full from there on. SQLite's calls count as well.
 *
 *     node --conditions=@env/source tools/proofs/crash-points.ts [--only NAME] [--kinds kill,half,eio,enospc]
 *
 * After each run, a new process's view is required: the old state, or the new one where it was not acknowledged yet;
 * what was acknowledged is there; an error has a stable code; the work can then be done, and leaves nothing else behind.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { command } from "../command.ts";
import { Faults, whyNot, type Ended, type Kind } from "./faults/processes.ts";
import { placeIn, type Scenario } from "./faults/scenario.ts";
import { scenarios } from "./faults/scenarios.ts";

const KINDS: readonly Kind[] = ["kill", "half", "eio", "enospc"];

/** What the runs of one scenario gave. */
interface Row {
  readonly name: string;
  /** Calls of the longest run: the crash points. */
  points: number;
  runs: number;
  /** Runs after which none, some, or all of the changes were there. */
  readonly left: { old: number; between: number; new: number };
  /** How often the work ended with each code. */
  readonly codes: Map<string, number>;
  readonly problems: string[];
}

/** Checks what one run left. Returns the problem, if there is one. */
async function judge(
  scenario: Scenario,
  folder: string,
  { acknowledged, code, killed, hit }: Ended,
  row: Row,
): Promise<string | undefined> {
  const place = placeIn(folder);
  try {
    if (code !== undefined) {
      if (!/^[A-Z]\w+$/.test(code)) return `the error is ${code}`;
      row.codes.set(code, (row.codes.get(code) ?? 0) + 1);
    }
    if (!hit && acknowledged !== scenario.changes) return "it did not do its work";
    if (!killed && code === undefined && acknowledged !== scenario.changes) return "it ended early";
    const there = await scenario.read(place);
    if (there < acknowledged)
      return `${acknowledged} changes were acknowledged, ${there} are there`;
    if (there > acknowledged + 1) return `${there} changes are there, ${acknowledged} acknowledged`;
    row.left[there === 0 ? "old" : there === scenario.changes ? "new" : "between"]++;
    await scenario.again(place);
    return undefined;
  } catch (error) {
    return String(error instanceof Error ? error.stack?.split("\n").slice(0, 3).join(" ") : error);
  }
}

/** Runs a scenario for every call, a few processes at a time. */
async function enumerate(faults: Faults, scenario: Scenario, kinds: readonly Kind[]): Promise<Row> {
  const left = { old: 0, between: 0, new: 0 };
  const row: Row = {
    name: scenario.name,
    points: 0,
    runs: 0,
    left,
    codes: new Map(),
    problems: [],
  };
  const template = await faults.template(scenario);
  for (const kind of kinds) {
    let next = 1;
    let isLeft = true;
    const lane = async (): Promise<void> => {
      while (isLeft) {
        const at = next++;
        const folder = faults.copy(template);
        const ended = await faults.run(scenario, folder, { kind, at });
        if (!ended.hit) isLeft = false;
        row.points = Math.max(row.points, ended.hit ? at : 0);
        row.runs++;
        const problem = await judge(scenario, folder, ended, row);
        faults.remove(folder);
        if (problem === undefined) continue;
        row.problems.push(
          `${scenario.name}: ${kind} at ${at} (${ended.calls[at - 1]}): ${problem}`,
        );
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, lane));
  }
  faults.remove(template);
  return row;
}

function line({ name, points, runs, left, codes, problems }: Row): string {
  const errors = [...codes].map(([code, count]) => `${code} ${count}`).join(", ");
  const cells = [name.padEnd(40), points, runs, left.old, left.between, left.new];
  const numbers = cells.slice(1).map((cell) => String(cell).padStart(7));
  return `${cells[0]}${numbers.join("")}  ${problems.length === 0 ? "" : "WRONG  "}${errors}`;
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({
    args,
    options: { only: { type: "string", default: "" }, kinds: { type: "string" } },
  });
  const kinds = KINDS.filter((kind) => (values.kinds?.split(",") ?? KINDS).includes(kind));
  const reason = whyNot();
  if (reason !== undefined) {
    console.log(`crash-points: skipped: ${reason}`);
    return 0;
  }
  using faults = await Faults.build();
  const rows: Row[] = [];
  console.log(`${"scenario".padEnd(40)} points   runs    old between   new  errors by code`);
  for (const scenario of scenarios.filter(({ name }) => name.includes(values.only))) {
    const row = await enumerate(faults, scenario, kinds);
    rows.push(row);
    console.log(line(row));
  }
  const problems = rows.flatMap((row) => row.problems);
  for (const problem of problems) console.error(`crash-points: ${problem}`);
  const total = (count: (row: Row) => number): number =>
    rows.map(count).reduce((sum, one) => sum + one, 0);
  const facts = `${total(({ points }) => points)} points in ${rows.length} scenarios, ${total(({ runs }) => runs)} runs`;
  console.log(`crash-points: ${facts}, ${problems.length} wrong`);
  return problems.length === 0 ? 0 : 1;
});
