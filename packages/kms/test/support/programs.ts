/** The programs that the tests start, and the package itself for others, bundled once for all of them. */
import { join } from "node:path";
import { bundle } from "@env/testkit/bundle";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly programs: { readonly dist: string; readonly compileCache: string };
  }
}

export default async function ({ provide }: TestProject): Promise<() => void> {
  const { dist, compileCache, remove } = await bundle(join(import.meta.dirname, "../.."), [
    "src/index.ts",
    "test/audit/support/appender.ts",
    "test/seed/support/applier.ts",
    "test/support/maker.ts",
    "test/support/stress-writer.ts",
    "test/support/writer.ts",
  ]);
  provide("programs", { dist, compileCache });
  return remove;
}
