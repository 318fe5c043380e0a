/**
 * The mistake it stops: a test that runs code and would not notice if it were wrong. It puts small faults into the
 * message format, the cache of data keys and the authorization, one at a time, and runs the tests of that file. A fault
 * that no test notices is a survivor: either a test is missing, or the fault changes nothing that can be observed.
 *
 *     node --conditions=@env/source tools/proofs/mutation.ts [--area format] [--sample 60] [--seed N]
 *
 * `--sample` is the number of faults per area, chosen by the seed; 0 for all. Reviewed survivors and the score are in
 * docs/quality.md.
 *
 * @module
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "@env/testkit/random";
import { command } from "../command.ts";
import { readText, root } from "../workspace.ts";
import { mutantsOf, type Mutant } from "./mutation/mutants.ts";
import type { Job } from "./mutation/runner.ts";

interface Area {
  readonly name: string;
  /** `packages/core` */
  readonly dir: string;
  /** Sources, from `src/`, without their ending. */
  readonly sources: readonly string[];
  /** Test files beside the one that mirrors the source, from `test/`, without their ending. */
  readonly tests: readonly string[];
  readonly setup: readonly string[];
}

const areas: readonly Area[] = [
  {
    name: "format",
    dir: "packages/core",
    sources: ["header", "key-block", "payload", "chunks", "context", "text", "whole-chunks"],
    tests: ["message-reader", "message-writer", "envelope", "spec"],
    setup: [],
  },
  {
    name: "cache",
    dir: "packages/core",
    sources: ["cache", "single-flight", "recent", "shared-keys", "key-source"],
    tests: ["cache", "envelope", "shared-keys"],
    setup: [],
  },
  {
    name: "authorization",
    dir: "packages/kms",
    sources: [
      "policy/decide",
      "policy/match",
      "policy/operators",
      "policy/pattern",
      "policy/principal",
      "policy/grant-match",
      "policy/ip-range",
      "policy/variables",
      "policy/values",
      "policy/condition-keys",
      "policy/lockout",
      "access/access",
      "access/session",
      "access/wanted-grant",
      "access/question",
    ],
    tests: ["policy/authorization", "policy/decide", "policy/explain", "access/access"],
    setup: ["test/support/rsa-pairs.ts"],
  },
];

/** Longer than any of the test files takes: a fault may make a loop endless. */
const MAX_MS = 600_000;

interface Fault {
  readonly mutant: Mutant;
  /** `packages/core/src/header.ts` */
  readonly source: string;
  readonly job: Job;
}

function faultsOf({ dir, sources, tests }: Area): Fault[] {
  return sources.flatMap((name) => {
    const source = `${dir}/src/${name}.ts`;
    const files = [...new Set([name, ...tests])]
      .map((test) => join(root, dir, "test", `${test}.test.ts`))
      .filter((test) => existsSync(test));
    return mutantsOf(readText(source)).map((mutant) => ({
      mutant,
      source,
      job: { file: join(root, source), code: mutant.code, tests: files },
    }));
  });
}

/** Some of the items, chosen by the random numbers, in their order. */
export function sampleOf<T>(
  items: readonly T[],
  count: number,
  random: (limit: number) => number,
): T[] {
  if (count === 0 || count >= items.length) return [...items];
  const left = items.map((_, index) => index);
  const chosen = Array.from({ length: count }, () => left.splice(random(left.length), 1)[0] ?? 0);
  return chosen.toSorted((a, b) => a - b).flatMap((index) => items.slice(index, index + 1));
}

/** A process that runs tests, and is replaced where a fault keeps it from answering. */
class Runner implements Disposable {
  readonly #args: readonly string[];
  #child: Promise<ChildProcess> | undefined;

  constructor({ dir, setup }: Area) {
    this.#args = [join(root, dir), ...setup.map((file) => join(root, dir, file))];
  }

  /** Which test notices a fault, by failing or by never ending. `undefined`: none. */
  async noticed(job: Job): Promise<string | undefined> {
    const child = await (this.#child ??= this.#start());
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, AbortSignal.timeout(MAX_MS)]);
    child.send(job);
    try {
      const [{ failed }] = (await Promise.race([
        once(child, "message", { signal }),
        once(child, "exit", { signal }).then(() => [{ failed: "the tests ended their process" }]),
      ])) as [{ readonly failed?: string }];
      if (child.exitCode !== null) this.#child = undefined;
      return failed;
    } catch {
      this[Symbol.dispose]();
      return `the tests did not end within ${MAX_MS / 1000} s`;
    } finally {
      answered.abort(); // Listens no longer for what did not happen.
    }
  }

  [Symbol.dispose](): void {
    void this.#child?.then((child) => child.kill("SIGKILL"));
    this.#child = undefined;
  }

  async #start(): Promise<ChildProcess> {
    const program = join(import.meta.dirname, "mutation/runner.ts");
    const child = fork(program, this.#args, {
      cwd: root,
      execArgv: ["--conditions=@env/source"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    await once(child, "message");
    return child;
  }
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      area: { type: "string" },
      sample: { type: "string", default: "60" },
      seed: { type: "string", default: process.env["SEED"] ?? String(Date.now() % 2 ** 31) },
    },
  });
  const seed = Number(values.seed);
  console.log(`SEED=${seed}`);
  const summary: string[] = [];
  for (const area of areas.filter(({ name }) => (values.area ?? name) === name)) {
    const all = faultsOf(area);
    const faults = sampleOf(all, Number(values.sample), seededRandom(seed));
    using runner = new Runner(area);
    const [first] = faults;
    // Without a fault the tests must pass, or every fault would be noticed.
    const sound = first && { ...first.job, code: readText(first.source) };
    const failure = sound && (await runner.noticed(sound));
    if (failure !== undefined) throw new Error(`without a fault, ${failure}`);
    let noticed = 0;
    for (const { job, source, mutant } of faults) {
      const { line, original, replacement } = mutant;
      if ((await runner.noticed(job)) !== undefined) noticed++;
      else console.log(`survived: ${source}:${line}: ${original} -> ${replacement}`);
    }
    const score = ((100 * noticed) / faults.length).toFixed(1);
    summary.push(
      `mutation: ${area.name}: ${noticed} of ${faults.length} noticed (${score} %), of ${all.length} possible`,
    );
    console.log(summary.at(-1));
  }
  return 0;
});
