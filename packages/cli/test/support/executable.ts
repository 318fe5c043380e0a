/** The executable that the tests start, bundled once for all of them. `TEST_BUILT=1` takes what was built. */
import { join } from "node:path";
import { bundle } from "@env/testkit/bundle";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly bin: string;
    readonly compileCache: string;
  }
}

const cli = join(import.meta.dirname, "../..");

export default async function ({ provide }: TestProject): Promise<() => void> {
  const bundled = await bundle(cli, ["src/bin.ts", "../node-stream/src/worker.ts"]);
  const dist = process.env["TEST_BUILT"] === "1" ? join(cli, "dist") : bundled.dist;
  provide("bin", join(dist, "bin.js"));
  provide("compileCache", bundled.compileCache);
  return bundled.remove;
}
