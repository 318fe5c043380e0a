import { defineConfig } from "vitest/config";

/** nx names the project whose test script runs; its report is counted by `.ci/run`. */
const report = process.env["NX_TASK_TARGET_PROJECT"] ?? "all";

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
    // Nothing here is timed: a slow machine is no failure, and what hangs still ends.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: [
      "default",
      ["json", { outputFile: `${import.meta.dirname}/.reports/${report}.json` }],
    ],
    projects: [
      project("aws-kms"),
      project("cli"),
      project("conformance"),
      project("core"),
      {
        extends: true,
        resolve: {
          alias: { "#crypto": `${import.meta.dirname}/packages/core/src/crypto.web.ts` },
        },
        test: { name: "@env/core/web", root: "packages/core", env: { CRYPTO: "web" } },
      },
      project("gcp-kms"),
      project("kms"),
      project("local-file"),
      project("node-stream"),
      project("vault-transit"),
      {
        extends: true,
        test: { name: "@env/tools", root: "tools", include: ["test/**/*.test.ts"] },
      },
    ],
  },
});
