/**
 * Runs a tool when node was started with its file, and not when a test imports it.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import { join } from "node:path";

/**
 * @param meta - The tool's `import.meta`.
 * @param main - Gives the exit code, and has said why if it is not 0.
 */
export async function command(
  meta: ImportMeta,
  main: (args: readonly string[]) => number | Promise<number>,
): Promise<void> {
  const started = process.argv[1];
  // Through links too: a check that takes itself for an import would pass without a word.
  if (started === undefined || realpathSync(started) !== realpathSync(meta.filename)) return;
  // What tools start is compiled once, and then takes half the time to start.
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../node_modules/.cache/compile");
  process.exitCode = await main(process.argv.slice(2));
}

/** Prints findings, one per line, and gives the exit code for them. */
export function report(tool: string, findings: readonly string[], passed: string): number {
  for (const finding of findings) console.error(`${tool}: ${finding}`);
  console.log(findings.length === 0 ? `${tool}: ${passed}` : `${tool}: ${findings.length} found`);
  return findings.length === 0 ? 0 : 1;
}
