/**
 * The installed `envelope` command, from an empty folder to a rewrapped and decrypted file.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Consumer, Ran } from "./consumer.ts";

/** What failed with the command that npm has installed, at most one paragraph. */
export function brokenCommand(consumer: Consumer, node: string): string[] {
  const envelope = join(consumer.installed(".bin"), "envelope");
  const folder = mkdtempSync(join(consumer.folder, "command-"));
  return brokenSteps(folder, (args) => consumer.run(envelope, args, { node, cwd: folder }));
}

/**
 * What failed, at most one paragraph: a step needs those before it.
 *
 * @param folder - Empty; it is removed.
 * @param envelope - Runs the command there.
 */
export function brokenSteps(
  folder: string,
  envelope: (args: readonly string[]) => Pick<Ran, "status" | "output">,
): string[] {
  const file = join(folder, "report.txt");
  const plaintext = "four pages\n".repeat(10_000);
  writeFileSync(file, plaintext);
  const context = ["--context", "tenant=acme"];
  const steps = [
    ["--version"],
    ["--help"],
    ["init", "--keystore", "dev.kms"],
    ["encrypt", "report.txt", ...context],
    ["keys", "rotate", "alias/app"],
    ["rewrap", "report.txt.envelope", ...context],
    ["decrypt", "report.txt.envelope", "-o", "again.txt", ...context],
  ];
  try {
    for (const args of steps) {
      const { status, output } = envelope(args);
      if (status !== 0) return [`envelope ${args.join(" ")} ended with ${status}\n${output}`];
    }
    const again = readFileSync(join(folder, "again.txt"), "utf8");
    return again === plaintext ? [] : ["envelope decrypt gave another plaintext"];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
