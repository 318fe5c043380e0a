/**
 * A process that encrypts one file and prints the most memory it ever held, in MB; with no file it
 * has loaded all the same modules and does nothing.
 *
 *     node tools/bench/peak-rss.ts [SOURCE TARGET]
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { encryptFile } from "@env/node-stream";
import { command } from "../command.ts";
import { CONTEXT, openEnvelope } from "./bench.ts";

await command(import.meta, async ([source, target]) => {
  const { envelope } = openEnvelope();
  if (source !== undefined && target !== undefined) {
    await encryptFile(envelope, source, target, CONTEXT);
  }
  // Not getrusage's maximum: on Linux a child starts with that of its parent.
  const kib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  console.log((kib * 1024) / 1e6);
  return kib > 0 ? 0 : 1;
});
