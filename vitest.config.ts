import { existsSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import {
  BaseSequencer,
  DefaultReporter,
  type TestCase,
  type TestModule,
  type TestSpecification,
  type TestSuite,
} from "vitest/node";

/** Where a report for `tools/count-tests.ts` is written. */
const report = process.env["TEST_REPORT"];

const json: ["json", { outputFile: string }][] =
  report === undefined ? [] : [["json", { outputFile: report }]];

// nx sets it: what is tested would be coloured there and plain elsewhere.
delete process.env["FORCE_COLOR"];

// Halves the time that a process takes to start: sources are stripped and compiled once. The processes that
// tests start inherit it. Coverage would be less exact with it.
if (!process.argv.some((argument) => argument.startsWith("--coverage"))) {
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/compile");
}

// Thousands of keystores are made, and a disk is waited for at every change of one. No test needs a disk: what a
// killed process has written stays. Where memory has no room, the usual folder for temporary files is used.
const memory = "/dev/shm";
if (process.env["TMPDIR"] === undefined && roomIn(memory) > 2 ** 31) process.env["TMPDIR"] = memory;

/** Bytes that a folder can take; 0 where it does not exist. */
function roomIn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** Nothing here is timed: a slow machine is not a failure, and a test that hangs still ends. */
const testTimeout = process.env["SLOW"] === undefined ? 600_000 : 3_600_000;

/** Counts the files on their lines, so that a log shows how far the run is. */
class CountingReporter extends DefaultReporter {
  #files = 0;
  #finished = 0;

  override onTestRunStart(...args: Parameters<DefaultReporter["onTestRunStart"]>): void {
    this.#files = args[0].length;
    this.#finished = 0;
    super.onTestRunStart(...args);
  }

  override onTestModuleEnd(testModule: TestModule): void {
    this.#finished++;
    super.onTestModuleEnd(testModule);
  }

  protected override getEntityPrefix(entity: TestCase | TestModule | TestSuite): string {
    const prefix = super.getEntityPrefix(entity);
    return entity.type === "module" ? `${prefix}${this.#finished}/${this.#files} ` : prefix;
  }
}

/**
 * Spreads the tests in a browser over the run. They wait for it most of the time, and one after another they would leave
 * the cores idle.
 */
class SpreadingSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- This is Vitest's sort of files.
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification): boolean => moduleId.includes("/test/browser/");
    const waiting = sorted.filter(waits);
    const computing = sorted.filter((file) => !waits(file));
    waiting.forEach((file, index) => {
      computing.splice(Math.floor((index * sorted.length) / waiting.length), 0, file);
    });
    return computing;
  }
}

/** @param setup - Files in the package: run before each file of tests, once before all of them, and those to leave out. */
const project = (
  dir: string,
  setup: { readonly each?: string; readonly once?: string; readonly except?: string } = {},
) => {
  const root = join(import.meta.dirname, "packages", dir);
  const files = (name: string | undefined) => (name === undefined ? [] : [join(root, name)]);
  const [setupFiles, globalSetup] = [files(setup.each), files(setup.once)];
  const exclude = setup.except === undefined ? [] : [setup.except];
  return {
    extends: true as const,
    test: { name: `@env/${dir}`, root, setupFiles, globalSetup, exclude },
  };
};

/** A project whose tests start PostgreSQL: none where it is not installed. */
const postgres = <Project>(one: Project): Project[] => {
  if (existsSync("/usr/lib/postgresql")) return [one];
  console.warn("PostgreSQL is not installed: the tests of @env/kms on it are skipped");
  return [];
};

/** Tests of a package where core has WebCrypto. */
const web = (dir: string, include: string[]) => ({
  extends: true as const,
  resolve: {
    alias: {
      "#crypto": `${import.meta.dirname}/packages/core/src/crypto.web.ts`,
      "#fields": `${import.meta.dirname}/packages/core/src/fields.web.ts`,
    },
  },
  test: { name: `@env/${dir}/web`, root: `packages/${dir}`, include, env: { CRYPTO: "web" } },
});

export default defineConfig({
  // Packages are tested from their sources: no build first.
  ssr: { resolve: { conditions: ["@env/source", "node"] } },
  test: {
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**"],
      reporter: ["text-summary", "lcov"],
    },
    include: ["test/**/*.test.ts"],
    // Starting a process for every file would take a third of the time; the setup isolates their modules.
    isolate: false,
    setupFiles: [join(import.meta.dirname, "vitest.setup.ts")],
    // One process more than there are cores: tests also wait for processes of their own.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: SpreadingSequencer },
    // Concurrent tests start processes: more at a time are not quicker, and each takes longer.
    maxConcurrency: 2,
    testTimeout,
    expect: { poll: { timeout: testTimeout } },
    hookTimeout: 600_000,
    reporters: [new CountingReporter(), ...json],
    projects: [
      project("aws-kms"),
      project("cli", { once: "test/support/programs.ts" }),
      project("columns", { once: "test/support/setup.ts" }),
      project("conformance"),
      web("conformance", ["test/crypto/*.test.ts"]),
      project("console", { once: "test/support/build.ts" }),
      project("core"),
      web("core", ["test/**/*.test.ts"]),
      project("gcp-kms"),
      project("kms", {
        each: "test/support/rsa-pairs.ts",
        once: "test/support/programs.ts",
        except: "test/store/postgres/**",
      }),
      ...postgres({
        extends: true,
        test: {
          name: "@env/kms/postgres",
          root: join(import.meta.dirname, "packages/kms"),
          setupFiles: [join(import.meta.dirname, "packages/kms/test/support/rsa-pairs.ts")],
          globalSetup: ["test/support/programs.ts", "test/support/postgres.ts"].map((name) =>
            join(import.meta.dirname, "packages/kms", name),
          ),
          // What knows nothing of the store is tested once, and most of the rest only where time does not matter.
          exclude: [
            "test/{audit,catalogue,keys,material,policy,requests,seed}/**",
            "test/store/*.test.ts",
            "test/{arn,keystore,moto,property,read-only}.test.ts",
            ...(process.env["SLOW"] === undefined
              ? ["test/access/**", "test/operations/!(operation).test.ts"]
              : []),
          ],
        },
      }),
      project("kms-server"),
      project("local-file"),
      project("native"),
      project("node-stream", { once: "test/support/programs.ts" }),
      project("s3", { once: "test/support/programs.ts" }),
      project("test-servers"),
      project("testkit"),
      project("vault-transit"),
      { extends: true, test: { name: "@env/site", root: "docs" } },
      { extends: true, test: { name: "@env/tools", root: "tools" } },
    ],
  },
});
