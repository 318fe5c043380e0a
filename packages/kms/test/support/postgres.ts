/** A PostgreSQL for all tests of a run. Its disk is not waited for: no test here ends its machine. */
import { startPostgres } from "@env/testkit/postgres";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Its URL. */
    readonly keystoreDatabase: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const settings = { fsync: "off", max_connections: "300" };
  const server = await startPostgres({ settings });
  if (typeof server === "string") throw new Error(server);
  provide("keystoreDatabase", server.url);
  return () => server.stop();
}
