/**
 * A process that runs tests on a source with a fault: `runner.ts <package folder> <setup file>…`. It is told
 * `{ file, code, tests }` by messages, and answers which test failed, if one did. The source on the disk stays as it is. What
 * never ends is ended from outside.
 */
import { join } from "node:path";
import { createVitest, type TestSpecification } from "vitest/node";

export interface Job {
  /** Absolute path of the source. */
  readonly file: string;
  /** What it holds instead. */
  readonly code: string;
  /** Absolute paths of test files, the likeliest first. */
  readonly tests: readonly string[];
}

const [folder = "", ...setup] = process.argv.slice(2);
const repository = join(import.meta.dirname, "../../..");
let job: Job | undefined;

const vitest = await createVitest(
  {
    config: false,
    root: folder,
    watch: false,
    bail: 1,
    isolate: false,
    maxWorkers: 1,
    fileParallelism: false,
    pool: "threads",
    testTimeout: 60_000,
    reporters: [{}],
    // It would keep what a fault was compiled to.
    fsModuleCache: false,
    setupFiles: [join(repository, "vitest.setup.ts"), ...setup],
    include: ["test/**/*.test.ts"],
  },
  {
    ssr: { resolve: { conditions: ["@env/source", "node"] } },
    logLevel: "silent",
    plugins: [
      {
        name: "mutant",
        enforce: "pre",
        transform: (_, id) => (id === job?.file ? job.code : undefined),
      },
    ],
  },
);
await vitest.standalone();

/** Runs test files one after another, until one fails. Gives the name of the failed test. */
async function firstFailure({ file, tests }: Job): Promise<string | undefined> {
  vitest.invalidateFile(file);
  for (const project of vitest.projects) project.vite.moduleGraph.invalidateAll();
  for (const test of tests) {
    const specifications: TestSpecification[] = vitest.projects.map((project) =>
      project.createSpecification(test),
    );
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
    for (const module of testModules.filter((one) => !one.ok())) {
      const [failed] = module.children.allTests("failed");
      return `${test} fails: ${failed?.fullName ?? "it does not start"}`;
    }
    if (unhandledErrors.length > 0) return `${test} fails: ${String(unhandledErrors[0])}`;
  }
  return undefined;
}

process.on("message", (next: Job) => {
  job = next;
  void firstFailure(next).then((failed) => process.send?.({ failed }));
});
process.send?.({ ready: true });
