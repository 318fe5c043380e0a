import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterEach, beforeEach, expect, it } from "vitest";
import { root } from "../workspace.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "env-snapshot-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Draws a salt while the snapshot is built, and prints the next one in each process started from it. */
const program = `
import v8 from "node:v8";
import { backend } from "${root}/packages/core/src/crypto.node.ts";
backend.randomPublic(24);
v8.startupSnapshot.setDeserializeMainFunction(() => {
  process.stdout.write(Buffer.from(backend.randomPublic(24)).toString("hex"));
});
`;

it("processes that start from one snapshot of Node draw different salts", async () => {
  const [script, blob] = [join(folder, "entry.cjs"), join(folder, "snapshot.blob")];
  await build({
    stdin: { contents: program, resolveDir: import.meta.dirname },
    bundle: true,
    platform: "node",
    format: "cjs",
    outfile: script,
    logLevel: "error",
  });
  execFileSync(process.execPath, ["--snapshot-blob", blob, "--build-snapshot", script], {
    cwd: folder,
    stdio: "pipe",
  });
  const start = (): string =>
    execFileSync(process.execPath, ["--snapshot-blob", blob, "main.js"], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  const salts = [start(), start(), start()];
  for (const salt of salts) expect(salt).toMatch(/^[0-9a-f]{48}$/);
  expect(new Set(salts).size).toBe(3);
});
