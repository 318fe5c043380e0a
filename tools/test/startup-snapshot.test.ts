import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { tempFolder } from "@env/testkit/folder";

/** Draws a salt while the snapshot is built, and prints the next one in each process started from it. */
const PROGRAM = `
import v8 from "node:v8";
import { cryptoBackend } from "./crypto.ts";
const draw = () => Buffer.from(cryptoBackend().randomPublic(24)).toString("hex");
draw();
v8.startupSnapshot.setDeserializeMainFunction(() => {
  process.stdout.write(draw());
});
`;

it("processes that start from one snapshot of Node draw different salts", async () => {
  const folder = tempFolder();
  const [script, blob] = [join(folder, "entry.cjs"), join(folder, "snapshot.blob")];
  await build({
    stdin: {
      contents: PROGRAM,
      resolveDir: dirname(fileURLToPath(import.meta.resolve("@env/core"))),
    },
    conditions: ["@env/source"],
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
