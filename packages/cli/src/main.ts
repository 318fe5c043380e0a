/**
 * The `envelope` command, from its arguments to its exit code.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { addAccessKeys } from "./commands/access-keys.ts";
import { addAudit } from "./commands/audit.ts";
import { addCat } from "./commands/cat.ts";
import { addConfig } from "./commands/config.ts";
import { addDecrypt } from "./commands/decrypt.ts";
import { addEncrypt } from "./commands/encrypt.ts";
import { addHelp } from "./commands/help.ts";
import { addInit } from "./commands/init.ts";
import { addInspect } from "./commands/inspect.ts";
import { addKeys } from "./commands/keys.ts";
import { addKms } from "./commands/kms.ts";
import { addPolicy } from "./commands/policy.ts";
import { addRewrap } from "./commands/rewrap.ts";
import { addS3 } from "./commands/s3.ts";
import { addServe } from "./commands/serve.ts";
import { addVerify } from "./commands/verify.ts";
import { usageError, type ExitCode } from "./errors.ts";
import { createProgram, type Program } from "./program.ts";
import { Ui, type Host } from "./ui.ts";

const USAGE: ExitCode = 2;
/**
 * Runs one command.
 *
 * @param args - The arguments without the interpreter and the script: `["encrypt", "--context", "a=b", "x"]`.
 * @returns The exit code. Everything that went wrong has been reported on `host.stderr`.
 */
export async function main(args: readonly string[], host: Host): Promise<ExitCode> {
  const ui = new Ui(host, modeOf(args));
  const program = buildProgram(ui);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return ui.error(error);
    if (error.exitCode === 0) return 0; // Help or version, shown already.
    if (error.code === "commander.help" && !ui.json) return USAGE; // Help for want of a command.
    return ui.error(commandLineError(error, args, program));
  }
}

function buildProgram(ui: Ui): Program {
  const { stdout, stderr } = ui.host;
  const program = createProgram(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => ui.json || stderr.write(text),
      outputError: () => undefined, // Reported by main, in one form with all other errors.
    })
    .helpCommand(false);
  addInit(program, ui);
  addEncrypt(program, ui);
  addDecrypt(program, ui);
  addVerify(program, ui);
  addCat(program, ui);
  addInspect(program, ui);
  addRewrap(program, ui);
  addConfig(program, ui);
  addKeys(program, ui);
  addKms(program, ui);
  addPolicy(program, ui);
  addAudit(program, ui);
  addS3(program, ui);
  addServe(program, ui);
  addAccessKeys(program, ui);
  addHelp(program, ui);
  program.hook("preAction", (_, command) => {
    ui.mode = command.optsWithGlobals();
  });
  return program;
}

/** The mode for errors in the command line itself, which are found before its options are known. */
function modeOf(args: readonly string[]): { json: boolean; quiet: boolean } {
  const options = optionsOf(args);
  return { json: options.includes("--json"), quiet: options.includes("--quiet") };
}

/** The arguments in front of `--`. */
function optionsOf(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end === -1 ? args : args.slice(0, end);
}

/** The command that was probably meant, for a hint: what looks like its name may be the value of an option. */
function commandIn(args: readonly string[], program: Program): string {
  let command: CommandUnknownOpts = program;
  for (const arg of optionsOf(args)) {
    command = command.commands.find((one) => one.name() === arg) ?? command;
  }
  const names: string[] = [];
  for (let at: CommandUnknownOpts | null = command; at !== null; at = at.parent) {
    names.unshift(at.name());
  }
  return names.join(" ");
}

function commandLineError(
  { code, message }: CommanderError,
  args: readonly string[],
  program: Program,
): Error {
  const command = commandIn(args, program);
  if (code === "commander.help") {
    return usageError("a command is missing", "`envelope --help` lists the commands");
  }
  // Commander's text: a sentence, and on a line of its own what may have been meant, in parentheses.
  const [problem = "", ...suggestion] = message.replace(/^error: /, "").split("\n");
  const meant = suggestion.join(" ").replace(/^\((.*)\)$/, "$1");
  const file = optionsOf(args).find((arg) => /^-[^-]/.test(arg) && existsSync(arg));
  const hint =
    code === "commander.unknownOption" && file !== undefined
      ? `put -- in front of a file whose name starts with a dash: ${command} … -- ${file}`
      : meant;
  // Such a message lists the values there are.
  if (hint === "" && code === "commander.invalidArgument") return usageError(problem);
  const help = code === "commander.unknownCommand" ? "lists the commands" : "shows how it is used";
  return usageError(problem, hint === "" ? `\`${command} --help\` ${help}` : hint);
}

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  const json: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof json === "object" && json !== null && "version" in json) return String(json.version);
  throw new Error("package.json has no version");
}
