/**
 * The man page `envelope(1)`, in the man macros that every Unix formats. `envelope help man` prints it.
 *
 * Source: groff_man(7), man-pages(7)
 *
 * @module
 */
import { exitCodes } from "./errors.ts";
import { runnableCommands, type CommandOutline, type OptionOutline } from "./outline.ts";

/** @param program - The whole program, from `outlineOf`. */
export function manPage(program: CommandOutline, version: string): string {
  return [
    `.TH ENVELOPE 1 "" "envelope ${version}" "User Commands"`,
    ".SH NAME",
    `envelope \\- ${plain(lowerFirst(program.description).replace(/\.$/, ""))}`,
    ".SH SYNOPSIS",
    ".B envelope",
    plain(program.usage),
    ".SH OPTIONS",
    "These may also follow every command.",
    ...program.options.flatMap(optionEntry),
    ".SH COMMANDS",
    ...runnableCommands(program).flatMap(commandEntry),
    ".SH EXIT STATUS",
    ...Object.entries(exitCodes).flatMap(([code, meaning]) => [
      ".TP",
      `.B ${code}`,
      plain(meaning),
    ]),
    "",
  ].join("\n");
}

function commandEntry({
  path,
  usage,
  description,
  options,
  arguments: args,
}: CommandOutline): string[] {
  return [
    `.SS envelope ${plain(`${path} ${usage}`)}`,
    plain(description),
    ...args.flatMap(({ name, description: what }) => [".TP", `.I ${plain(name)}`, plain(what)]),
    ...options.flatMap(optionEntry),
  ];
}

function optionEntry({ flags, description }: OptionOutline): string[] {
  return [".TP", `.B ${plain(flags)}`, plain(description)];
}

/**
 * Text that groff does not interpret: backslashes and hyphens are escaped, and a line that would be a request gets
 * a character of no width in front.
 */
function plain(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
