import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Where a report for `tools/count-tests.ts` is written. */
const report = process.env["TEST_REPORT"];

// nx sets it: what is tested would be coloured there and plain elsewhere.
delete process.env["FORCE_COLOR"];

const project = (dir: string) => ({
  extends: true as const,
  test: { name: `@env/${dir}`, root: `packages/${dir}` },
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
    // One process per core: the tests start processes of their own.
    maxWorkers: availableParallelism(),
    // Nothing here is timed: a slow machine is not a failure, and a test that hangs still ends.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    projects: [
      project("aws-kms"),
      project("cli"),
      project("conformance"),
      project("core"),
      {
        extends: true,
        resolve: {
          alias: {
            "#crypto": `${import.meta.dirname}/packages/core/src/crypto.web.ts`,
            "#fields": `${import.meta.dirname}/packages/core/src/fields.web.ts`,
          },
        },
        test: { name: "@env/core/web", root: "packages/core", env: { CRYPTO: "web" } },
      },
      project("gcp-kms"),
      project("kms"),
      project("local-file"),
      project("node-stream"),
      project("test-servers"),
      project("testkit"),
      project("vault-transit"),
      {
        extends: true,
        test: { name: "@env/tools", root: "tools", include: ["test/**/*.test.ts"] },
      },
    ],
  },
});
