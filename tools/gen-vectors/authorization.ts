/**
 * Writes the test vectors in `spec/vectors/authorization`.
 *
 * The mistake it stops: an evaluator that agrees with itself. Every expectation is stated in the cases,
 * by a reader of the specification; nothing here evaluates a policy, and no package is imported.
 * `--check` stops the other one: vectors that were edited by hand, or left behind by a change of the cases.
 *
 *     node tools/gen-vectors/authorization.ts            write
 *     node tools/gen-vectors/authorization.ts --check    exit 1 where a file differs
 *
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { conditionKeys } from "./authorization/condition-keys.ts";
import { decisions } from "./authorization/decisions.ts";
import { documents } from "./authorization/documents.ts";
import { grants } from "./authorization/grants.ts";
import { operators } from "./authorization/operators.ts";
import { principals } from "./authorization/principals.ts";
import { sets } from "./authorization/sets.ts";
import { statements } from "./authorization/statements.ts";
import { variables } from "./authorization/variables.ts";
import type { Vector } from "./authorization/vector.ts";

const folder = new URL("../../spec/vectors/authorization/", import.meta.url);

function collect(): Map<string, Vector> {
  const all = new Map<string, Vector>();
  const groups = [
    documents,
    statements,
    principals,
    variables,
    conditionKeys,
    operators,
    sets,
    grants,
    decisions,
  ];
  for (const [name, vector] of groups.flatMap((group) => Object.entries(group))) {
    if (all.has(name)) throw new Error(`two cases are called ${name}`);
    all.set(name, vector);
  }
  return all;
}

/** ASCII, as all vectors are. */
function toJson(vector: Vector): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(vector, null, 2).replaceAll(/[\u007f-\uffff]/g, escape)}\n`;
}

function current(name: string): string | undefined {
  try {
    return readFileSync(new URL(name, folder), "utf8");
  } catch {
    return undefined;
  }
}

function main(args: readonly string[]): number {
  const check = args.includes("--check");
  mkdirSync(folder, { recursive: true });
  const vectors = collect();
  const files = new Map<string, string | undefined>(
    readdirSync(folder).map((name) => [name, undefined]),
  );
  for (const [name, vector] of vectors) files.set(`${name}.json`, toJson(vector));
  const stale = [...files].filter(([name, text]) => current(name) !== text);
  for (const [name, text] of stale) {
    const what = check ? "differs" : text === undefined ? "removed" : "written";
    console.log(`${what}: spec/vectors/authorization/${name}`);
    if (check) continue;
    if (text === undefined) rmSync(new URL(name, folder));
    else writeFileSync(new URL(name, folder), text);
  }
  console.log(`vectors: authorization ${vectors.size}`);
  if (check && stale.length > 0) {
    console.log("run node tools/gen-vectors/authorization.ts and review what changed");
    return 1;
  }
  return 0;
}

process.exitCode = main(process.argv.slice(2));
