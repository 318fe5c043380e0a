/**
 * Generates a Prisma Client: the code of an application that no package has.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * Runs `prisma generate` on `schema.prisma` of a folder, whose `node_modules` has Prisma.
 *
 * @throws Error with what Prisma says of a schema that is wrong.
 */
export function generatePrisma(folder: string): void {
  const schema = join(folder, "schema.prisma");
  const program = createRequire(schema).resolve("prisma/build/index.js");
  execFileSync(process.execPath, [program, "generate", "--no-hints", "--schema", schema], {
    cwd: folder,
    // Migrations need an engine that is downloaded, and a client does not: any file serves.
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
}
