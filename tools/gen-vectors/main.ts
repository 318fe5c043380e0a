/**
 * Writes the test vectors in `spec/vectors` and the worked example in `spec/envelope-v1.md`.
 *
 * The mistake it stops: an implementation that agrees with itself. The vectors come from the
 * specification by way of node:crypto and share no code with any package, so that a slip in the
 * packages cannot hide in what they are tested with. `--check` stops the other one: vectors or an
 * example that were edited by hand, or left behind by a change of the cases.
 *
 *     node tools/gen-vectors/main.ts            write
 *     node tools/gen-vectors/main.ts --check    exit 1 where a file differs
 *
 * @module
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { binding } from "./cases/binding.ts";
import { contextEncoding } from "./cases/context-encoding.ts";
import { columnIndexes, columnValues } from "./cases/columns.ts";
import { context } from "./cases/context.ts";
import { decrypting } from "./cases/decrypting.ts";
import { detachedKeyBlock } from "./cases/detached.ts";
import { keyBlock } from "./cases/key-block.ts";
import { layout } from "./cases/layout.ts";
import { localWrapCases } from "./cases/local-wrap.ts";
import { payload } from "./cases/payload.ts";
import { textForm } from "./cases/text-form.ts";
import { example, workedExample } from "./example.ts";
import { Kit } from "./testkit.ts";

interface Vector {
  readonly spec: string;
  readonly expect: string;
}

const root = new URL("../../spec/", import.meta.url);
const specFile = new URL("envelope-v1.md", root);

const kinds: Readonly<Record<string, ReadonlyMap<string, Vector>>> = {
  envelope: collect(
    [layout, keyBlock, context, binding, payload, detachedKeyBlock, decrypting, example],
    (make, name) => make(new Kit(name)),
  ),
  context: collect([contextEncoding], (make) => make()),
  text: collect([textForm], (make) => make()),
  "local-wrap": collect([localWrapCases], (make, name) => make(name)),
  columns: collect([columnValues], (make, name) => make(name)),
  "columns-index": collect([columnIndexes], (make, name) => make(name)),
};

function collect<Make>(
  groups: readonly Readonly<Record<string, Make>>[],
  run: (make: Make, name: string) => Vector,
): Map<string, Vector> {
  const vectors = new Map<string, Vector>();
  for (const [name, make] of groups.flatMap((group) => Object.entries(group))) {
    if (vectors.has(name)) throw new Error(`two cases are called ${name}`);
    vectors.set(name, run(make, name));
  }
  return vectors;
}

/** Beyond ASCII nothing is left as it is: look-alikes, marks and controls must show in a diff. */
function toJson(vector: Vector): string {
  const json = JSON.stringify(vector, null, 2);
  return `${json.replaceAll(/[\u007f-\uffff]/g, escapeUnit)}\n`;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** GitHub's slug of each heading of a document. */
function anchors(file: string): string[] {
  const markdown = readFileSync(new URL(file, root), "utf8");
  const titles = [...markdown.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? "");
  return titles.map((title) => `${file}#${slug(title)}`);
}

function slug(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

function withExample(markdown: string): string {
  const [begin, end] = ["<!-- example: begin -->\n", "<!-- example: end -->"];
  const from = markdown.indexOf(begin) + begin.length;
  const to = markdown.indexOf(end);
  if (from < begin.length || to < from) throw new Error("envelope-v1.md has no example markers");
  return `${markdown.slice(0, from)}\n${workedExample()}\n${markdown.slice(to)}`;
}

/** What every file this tool owns should hold; undefined where it should not exist. */
function expected(): Map<string, string | undefined> {
  const files = new Map<string, string | undefined>();
  const markdown = readFileSync(specFile, "utf8");
  const known = new Set(["envelope-v1.md", "columns-v1.md"].flatMap(anchors));
  files.set("envelope-v1.md", withExample(markdown));
  for (const [kind, vectors] of Object.entries(kinds)) {
    mkdirSync(new URL(`vectors/${kind}/`, root), { recursive: true });
    for (const name of readdirSync(new URL(`vectors/${kind}/`, root))) {
      files.set(`vectors/${kind}/${name}`, undefined);
    }
    for (const [name, vector] of vectors) {
      if (!known.has(vector.spec)) throw new Error(`${name}: no heading for ${vector.spec}`);
      files.set(`vectors/${kind}/${name}.json`, toJson(vector));
    }
  }
  return files;
}

function current(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, root), "utf8");
  } catch {
    return undefined;
  }
}

function main(args: readonly string[]): number {
  const check = args.includes("--check");
  const stale = [...expected()].filter(([path, text]) => current(path) !== text);
  for (const [path, text] of stale) {
    console.log(`${check ? "differs" : text === undefined ? "removed" : "written"}: spec/${path}`);
    if (check) continue;
    if (text === undefined) rmSync(new URL(path, root));
    else writeFileSync(new URL(path, root), text);
  }
  const counts = Object.entries(kinds).map(([kind, vectors]) => `${kind} ${vectors.size}`);
  console.log(`vectors: ${counts.join(", ")}`);
  if (check && stale.length > 0) {
    console.log("run node tools/gen-vectors/main.ts and review what changed");
    return 1;
  }
  return 0;
}

process.exitCode = main(process.argv.slice(2));
