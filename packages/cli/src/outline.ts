/**
 * All commands with their options, as data: what shell completion and the man page are made of, so that they
 * cannot differ from `--help`.
 *
 * @module
 */
import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

export interface OptionOutline {
  /** What people type: `-o` and `--output`, or one of them. */
  readonly names: readonly string[];
  /** The line in the help: `-o, --output <file>`. */
  readonly flags: string;
  readonly description: string;
  readonly takesValue: boolean;
  /** The values there are, if not any. */
  readonly choices: readonly string[];
}

export interface CommandOutline {
  /** The names that lead to it, without that of the program: `keys rotate`; empty for the program. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  /** What follows the path: `[options] <paths...>`. */
  readonly usage: string;
  readonly options: readonly OptionOutline[];
  /** Those that help describes. */
  readonly arguments: readonly { readonly name: string; readonly description: string }[];
  readonly commands: readonly CommandOutline[];
}

export function outlineOf(command: CommandUnknownOpts, path = ""): CommandOutline {
  const description = command.description();
  return {
    path,
    summary: command.summary() || description,
    description,
    usage: command.usage(),
    options: command.createHelp().visibleOptions(command).map(optionOutline),
    arguments: command.registeredArguments
      .filter((argument) => argument.description !== "")
      .map((argument) => ({ name: argument.name(), description: argument.description })),
    commands: command.commands.map((one) => outlineOf(one, `${path} ${one.name()}`.trimStart())),
  };
}

/** The commands that do something, and not only have others below them. */
export function runnableCommands(program: CommandOutline): CommandOutline[] {
  const [, ...commands] = allCommands(program);
  return commands.filter((command) => command.commands.length === 0);
}

/** A command and all below it, each before those below it. */
export function allCommands(command: CommandOutline): CommandOutline[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function optionOutline(option: Option): OptionOutline {
  const { short, long, flags, description, argChoices } = option;
  return {
    names: [short, long].filter((name) => name !== undefined),
    flags,
    description,
    takesValue: option.required || option.optional,
    choices: argChoices ?? [],
  };
}
