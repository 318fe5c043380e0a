/**
 * The options that every command has.
 *
 * @module
 */
import { Command, Option } from "@commander-js/extra-typings";

/** The options of every command. */
// A type and not an interface: commander wants an index signature.
export type GlobalOptions = {
  readonly config?: string | undefined;
  readonly environment?: string | undefined;
  readonly cmk?: string[] | undefined;
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
};

export type Program = Command<[], GlobalOptions>;

export function createProgram(version: string): Program {
  return new Command("envelope")
    .description("Encrypt files under customer master keys (CMKs) of any KMS.")
    .version(version, "-V, --version", "show the version, and which cryptography is used")
    .option("--config <file>", "the configuration file (default: envelope.config.json)")
    .option(
      "--environment <name>",
      "the environment in it (default: ENVELOPE_ENVIRONMENT, NODE_ENV, development)",
    )
    .option("--cmk <uri>", "use this CMK instead of a configuration; repeatable", collect)
    .option("--json", "print results as JSON on stdout, and errors as JSON on stderr")
    .option("--quiet", "print errors and warnings only")
    .helpOption("-h, --help", "show help")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      "after",
      examples(
        "envelope init",
        "envelope encrypt --context tenant=acme report.pdf",
        "envelope decrypt --context tenant=acme report.pdf.envelope -o copy.pdf",
        "envelope help exit-codes",
      ),
    );
}

/** The end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? "Example" : "Examples"}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** `--as`, for commands that call a KMS. */
export function asOption(): Option<"--as <principal>"> {
  return new Option(
    "--as <principal>",
    "call local keystores as this principal: user/alice, role/app, or an ARN",
  );
}

/** Collects the values of a repeatable option. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}
