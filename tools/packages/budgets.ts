/**
 * How much a package may cost those who install it: bytes that are downloaded and unpacked, and the modules and bytes of
 * code that are loaded when its main entry is imported, dependencies included. Import time itself is different on each
 * machine and at each moment; this is what decides it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Tarball } from "../tarballs.ts";
import type { Consumer } from "./consumer.ts";

/** Sizes in KiB. */
export interface Cost {
  /** The `.tgz`. */
  readonly packed: number;
  /** The tar archive in it, which is what is unpacked, with its headers. */
  readonly unpacked: number;
  /** Modules that importing the main entry loads, those of Node not counted. */
  readonly modules: number;
  /** Their files. */
  readonly code: number;
}

/** About a tenth above what they cost. */
const budgets: Readonly<Record<string, Cost>> = {
  "@env/aws-kms": { packed: 55, unpacked: 240, modules: 55, code: 175 },
  "@env/cli": { packed: 445, unpacked: 2070, modules: 85, code: 1135 },
  "@env/columns": { packed: 145, unpacked: 675, modules: 95, code: 395 },
  "@env/conformance": { packed: 940, unpacked: 2140, modules: 95, code: 380 },
  "@env/console": { packed: 65, unpacked: 215, modules: 0, code: 0 },
  "@env/core": { packed: 275, unpacked: 1440, modules: 55, code: 200 },
  "@env/gcp-kms": { packed: 50, unpacked: 225, modules: 55, code: 170 },
  "@env/kms": { packed: 1190, unpacked: 5695, modules: 75, code: 950 },
  "@env/kms-server": { packed: 230, unpacked: 1080, modules: 75, code: 1095 },
  "@env/local-file": { packed: 35, unpacked: 135, modules: 80, code: 975 },
  // With core, and without the addon of a platform, which is a package of its own.
  "@env/native": { packed: 15, unpacked: 55, modules: 60, code: 210 },
  "@env/node-stream": { packed: 165, unpacked: 765, modules: 60, code: 290 },
  "@env/s3": { packed: 160, unpacked: 780, modules: 125, code: 1595 },
  "@env/vault-transit": { packed: 70, unpacked: 315, modules: 55, code: 195 },
};

/** Imports an entry, and prints how many files that loaded, and their bytes. */
const program = `
import { statSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
const loaded = new Set();
registerHooks({
  load(url, context, next) {
    if (url.startsWith("file:")) loaded.add(fileURLToPath(url));
    return next(url, context);
  },
});
await import(process.argv[2]);
const bytes = [...loaded].map((file) => statSync(file).size);
console.log(JSON.stringify([bytes.length, bytes.reduce((sum, one) => sum + one, 0)]));
`;

/** What a package costs. One without a main entry loads nothing. */
export function costOf(
  { path }: Pick<Tarball, "path">,
  entry: string | undefined,
  consumer: Consumer,
): Cost {
  const packed = readFileSync(path);
  const archive = { packed: kib(packed.length), unpacked: kib(gunzipSync(packed).length) };
  if (entry === undefined) return { ...archive, modules: 0, code: 0 };
  const file = consumer.write("cost.mjs", program);
  const { status, stdout, output } = consumer.run(process.execPath, [file, entry]);
  if (status !== 0) throw new Error(`importing ${entry} failed\n${output}`);
  const [modules, bytes] = JSON.parse(stdout) as [number, number];
  return { ...archive, modules, code: kib(bytes) };
}

/** What a package costs beyond its budget, one sentence each. */
export function overBudget(name: string, cost: Cost, budget = budgets[name]): string[] {
  const place = "tools/packages/budgets.ts";
  if (budget === undefined) {
    return [`${name}: it has no budget; add one to ${place}: ${JSON.stringify(cost)}`];
  }
  return (Object.keys(cost) as (keyof Cost)[])
    .filter((what) => cost[what] > budget[what])
    .map((what) => {
      const unit = what === "modules" ? "" : " KiB";
      return `${name}: ${what} is ${cost[what]}${unit}, and at most ${budget[what]}${unit} is allowed; find what was added, or raise the budget in ${place} and say why`;
    });
}

function kib(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
