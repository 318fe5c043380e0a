/** Starts one PostgreSQL for all tests of this package, which have databases of their own in it. */
import { startPostgres } from "@env/testkit/postgres";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of a PostgreSQL, or why there is none. */
    readonly postgres: { readonly url: string } | { readonly missing: string };
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const started = await startPostgres({ settings: { fsync: "off", max_connections: "200" } });
  if (typeof started === "string") {
    console.warn(`@env/columns: tests on PostgreSQL are skipped, because ${started}`);
    provide("postgres", { missing: started });
    return async () => undefined;
  }
  provide("postgres", { url: started.url });
  return () => started.stop();
}
