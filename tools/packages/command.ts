/**
 * The installed `envelope` command, from an empty folder to a rewrapped and decrypted file.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Consumer } from "./consumer.ts";

/** What failed, at most one paragraph: a step needs those before it. */
export function brokenCommand(consumer: Consumer, node: string): string[] {
  const folder = mkdtempSync(join(consumer.folder, "command-"));
  mkdirSync(folder, { recursive: true });
  const envelope = join(consumer.folder, "node_modules/.bin/envelope");
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
      const { status, output } = consumer.run(envelope, args, { node, cwd: folder });
      if (status !== 0) return [`envelope ${args.join(" ")} ended with ${status}\n${output}`];
    }
    const again = readFileSync(join(folder, "again.txt"), "utf8");
    return again === plaintext ? [] : ["envelope decrypt gave another plaintext"];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
