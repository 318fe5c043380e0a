/**
 * Repeats what the documents claim, so that nobody has to believe it, on a clone where nothing but `pnpm install` ran.
 *
 *     pnpm prove [--only crash]
 *
 * Each row of the table at the end is a command that can be run by itself; docs/quality.md says what each of them shows
 * and holds recorded figures. What this machine cannot do is skipped with the reason, and counts as such.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { command } from "./command.ts";
import { root } from "./workspace.ts";

/** One claim: a tool, whose last line says what it found, or test files. */
interface Claim {
  readonly name: string;
  readonly tool?: readonly string[];
  /** The same tests in several projects. */
  readonly tests?: { readonly projects: readonly string[]; readonly files: readonly string[] };
}

/** The longest first, so that the cores are busy to the end. */
const claims: readonly Claim[] = [
  { name: "crash points", tool: ["tools/proofs/crash-points.ts"] },
  { name: "storage faults", tool: ["tools/proofs/storage-faults.ts", "--flips", "25"] },
  { name: "tarballs are reproducible", tool: ["tools/release-dry.ts", "--build"] },
  { name: "mutation, a sample", tool: ["tools/proofs/mutation.ts", "--sample", "10"] },
  {
    name: "soak, a minute",
    tool: ["--max-semi-space-size=2", "tools/proofs/soak.ts", "--minutes", "1"],
  },
  {
    name: "drivers conform",
    tests: {
      projects: ["@env/aws-kms", "@env/gcp-kms", "@env/vault-transit", "@env/local-file"],
      files: ["test/conformance.test.ts"],
    },
  },
  {
    name: "crypto backends conform",
    tests: {
      projects: ["@env/conformance", "@env/conformance/web", "@env/native"],
      files: ["test/crypto/", "native/test/conformance.test.ts"],
    },
  },
  {
    name: "vectors and Wycheproof, by core",
    tests: { projects: ["@env/core", "@env/core/web"], files: ["test/spec.test.ts"] },
  },
  {
    name: "differential: backends",
    tests: { projects: ["@env/native"], files: ["test/differential.test.ts"] },
  },
  {
    name: "differential: local KMS and moto",
    tests: { projects: ["@env/kms"], files: ["test/moto.test.ts"] },
  },
  { name: "requirements have tests", tool: ["tools/check-requirements.ts"] },
  { name: "vectors are generated", tool: ["tools/gen-vectors/main.ts", "--check"] },
  { name: "second reader (Python)", tool: ["tools/reference/run.ts"] },
  {
    name: "kept releases open",
    tests: { projects: ["@env/tools"], files: ["test/release/keep.test.ts"] },
  },
];

export interface Row {
  readonly name: string;
  readonly result: "ok" | "skipped" | "FAILED";
  /** What was found, and how many. */
  readonly facts: string;
  readonly seconds: number;
}

/** The row of a tool: its last line says what it found. */
export function rowOfTool(name: string, status: number, output: string, seconds: number): Row {
  const facts = output.trimEnd().split("\n").at(-1) ?? "";
  const result = status !== 0 ? "FAILED" : /\bskipped[:,]/.test(facts) ? "skipped" : "ok";
  return { name, result, facts, seconds };
}

/** The row of tests, from Vitest's report in JSON. */
export function rowOfTests(name: string, status: number, report: string, seconds: number): Row {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(report) as {
    readonly numPassedTests: number;
    readonly numFailedTests: number;
    readonly numPendingTests: number;
  };
  const facts = `${numPassedTests} tests passed, ${numFailedTests} failed, ${numPendingTests} skipped`;
  const isFailed = status !== 0 || numFailedTests > 0;
  return {
    name,
    result: isFailed ? "FAILED" : numPassedTests > 0 ? "ok" : "skipped",
    facts,
    seconds,
  };
}

export function table(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => {
    const [name = "", result = "", seconds = "", facts = ""] = cells;
    return `${name.padEnd(34)}${result.padEnd(9)}${seconds.padStart(7)}  ${facts}`;
  };
  const lines = rows.map(({ name, result, seconds, facts }) =>
    line([name, result, String(Math.round(seconds)), facts]),
  );
  return [line(["what", "result", "seconds", "how many"]), ...lines].join("\n");
}

async function prove({ name, tool, tests }: Claim, folder: string): Promise<Row> {
  const started = performance.now();
  const file = join(folder, `${name.replaceAll(/\W/g, "-")}.json`);
  const args =
    tests === undefined
      ? ["--conditions=@env/source", ...(tool ?? [])]
      : [
          "node_modules/vitest/vitest.mjs",
          "run",
          "--reporter=json",
          `--outputFile=${file}`,
          ...tests.projects.flatMap((project) => ["--project", project]),
          ...tests.files,
        ];
  const { status, output } = await run(args);
  const seconds = (performance.now() - started) / 1000;
  const row =
    tests === undefined
      ? rowOfTool(name, status, output, seconds)
      : rowOfTests(name, status, readFileSync(file, "utf8"), seconds);
  console.log(`${row.result.padEnd(8)} ${name}: ${row.facts}`);
  if (row.result === "FAILED") console.error(output);
  return row;
}

async function run(args: readonly string[]): Promise<{ status: number; output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const status = await new Promise<number>((resolve) =>
    child.once("close", (code) => resolve(code ?? 1)),
  );
  return { status, output };
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({ args, options: { only: { type: "string", default: "" } } });
  const folder = mkdtempSync(join(tmpdir(), "env-prove-"));
  const chosen = claims.filter(({ name }) => name.includes(values.only));
  const rows = new Map<Claim, Row>();
  const left = [...chosen];
  const lane = async (): Promise<void> => {
    for (let claim = left.shift(); claim !== undefined; claim = left.shift()) {
      rows.set(claim, await prove(claim, folder));
    }
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, lane));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const results = chosen.flatMap((claim) => rows.get(claim) ?? []);
  console.log(`\n${table(results)}`);
  return results.some(({ result }) => result === "FAILED") ? 1 : 0;
});
