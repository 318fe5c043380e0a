/** What the tests of this package need once: a PostgreSQL, and the program that kills itself. */
import { join } from "node:path";
import { bundled } from "@env/testkit/bundle";
import { startPostgres } from "@env/testkit/postgres";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of a PostgreSQL, or why there is none. */
    readonly postgres: { readonly url: string } | { readonly missing: string };
  }
}

const programs = bundled(join(import.meta.dirname, "../.."), ["test/support/pass-process.ts"]);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const remove = await programs(project);
  const started = await startPostgres({ settings: { fsync: "off", max_connections: "200" } });
  if (typeof started === "string") {
    console.warn(`@env/columns: tests on PostgreSQL are skipped, because ${started}`);
    project.provide("postgres", { missing: started });
  } else project.provide("postgres", { url: started.url });
  return async () => {
    remove();
    if (typeof started !== "string") await started.stop();
  };
}
