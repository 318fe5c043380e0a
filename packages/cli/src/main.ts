/**
 * The `envelope` command, from its arguments to its exit code.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { addCompletion } from "./commands/completion.ts";
import { addHelp } from "./commands/help.ts";
import { usageError, type ExitCode } from "./errors.ts";
import { cryptoInUse } from "./native-crypto.ts";
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
  const program = await buildProgram(ui, args);
  const { cryptoProblem } = host;
  if (cryptoProblem !== undefined) {
    ui.warn(
      `@env/native is installed but does not load, so ${cryptoInUse()} is used: ${cryptoProblem}`,
    );
  }
  try {
    await program.parseAsync(joinValues(args), { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return ui.error(error);
    if (error.exitCode === 0) return 0; // Help or version, shown already.
    if (error.code === "commander.help" && !ui.json) return USAGE; // Help for want of a command.
    return ui.error(commandLineError(error, args, program));
  }
}

type AddCommand = (program: Program, ui: Ui) => void;

/** The commands in the order of the help. A module is loaded when its command is called, or when all are listed. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  init: async () => (await import("./commands/init.ts")).addInit,
  encrypt: async () => (await import("./commands/encrypt.ts")).addEncrypt,
  decrypt: async () => (await import("./commands/decrypt.ts")).addDecrypt,
  verify: async () => (await import("./commands/verify.ts")).addVerify,
  cat: async () => (await import("./commands/cat.ts")).addCat,
  inspect: async () => (await import("./commands/inspect.ts")).addInspect,
  rewrap: async () => (await import("./commands/rewrap.ts")).addRewrap,
  config: async () => (await import("./commands/config.ts")).addConfig,
  keys: async () => (await import("./commands/keys.ts")).addKeys,
  kms: async () => (await import("./commands/kms.ts")).addKms,
  policy: async () => (await import("./commands/policy.ts")).addPolicy,
  audit: async () => (await import("./commands/audit.ts")).addAudit,
  s3: async () => (await import("./commands/s3.ts")).addS3,
  db: async () => (await import("./commands/db.ts")).addDb,
  serve: async () => (await import("./commands/serve.ts")).addServe,
  "access-keys": async () => (await import("./commands/access-keys.ts")).addAccessKeys,
};

/** The command that the arguments begin with, or else all of them. */
function neededFor([name = ""]: readonly string[]): Promise<AddCommand[]> {
  const one = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return Promise.all((one === undefined ? Object.values(commands) : [one]).map((load) => load()));
}

async function buildProgram(ui: Ui, args: readonly string[]): Promise<Program> {
  const { stdout, stderr } = ui.host;
  const program = createProgram(`${version()}\ncrypto: ${cryptoInUse()}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => ui.json || stderr.write(text),
      outputError: () => undefined, // Reported by main, in one form with all other errors.
    })
    .helpCommand(false);
  for (const add of await neededFor(args)) add(program, ui);
  addHelp(program, ui);
  addCompletion(program, ui);
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

/**
 * Joins a value that begins with `-V`, as a grant token can, to its option. Commander looks for the program's own flags among all
 * arguments, and would show the version instead, with exit code 0.
 */
function joinValues(args: readonly string[]): string[] {
  const options = optionsOf(args);
  const joined: string[] = [];
  for (const arg of options) {
    const before = joined.at(-1) ?? "";
    if (/^-V./.test(arg) && /^--[^=]+$/.test(before)) joined.splice(-1, 1, `${before}=${arg}`);
    else joined.push(arg);
  }
  return [...joined, ...args.slice(options.length)];
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
