/**
 * The options that every command has.
 *
 * @module
 */
import { Command } from "@commander-js/extra-typings";
import type { GlobalOptions } from "./providers.ts";

export type Program = Command<[], GlobalOptions>;

export function createProgram(version: string): Program {
  return new Command("envelope")
    .description("Envelope encryption for files, under CMKs of any KMS.")
    .version(version, "--version", "show the version")
    .option("--config <file>", "configuration file (default: envelope.config.json)")
    .option(
      "--environment <name>",
      "its environment (default: ENVELOPE_ENVIRONMENT, NODE_ENV, development)",
    )
    .option("--cmk <uri>", "a CMK instead of a configuration; repeatable", collect)
    .option("--json", "results as JSON on stdout, errors as JSON on stderr")
    .option("--quiet", "no report, no progress; errors only")
    .helpOption("-h, --help", "show help")
    .configureHelp({ showGlobalOptions: true });
}

/** Collects the values of a repeatable option. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}
