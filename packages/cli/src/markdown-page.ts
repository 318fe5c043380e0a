/**
 * The reference of all commands in Markdown, as the documentation's site shows it. `envelope help markdown` prints it.
 *
 * @module
 */
import { exitCodes } from "./errors.ts";
import { runnableCommands, type CommandOutline, type OptionOutline } from "./outline.ts";

/** @param program - The whole program, from `outlineOf`. */
export function markdownPage(program: CommandOutline): string {
  return [
    "# Commands",
    program.description,
    "These options may follow every command:",
    optionTable(program.options),
    ...runnableCommands(program).flatMap(commandSection),
    "## Exit codes",
    table(["code", "meaning"], Object.entries(exitCodes)),
  ].join("\n\n");
}

function commandSection({
  path,
  usage,
  description,
  options,
  arguments: args,
}: CommandOutline): string[] {
  return [
    `## envelope ${path}`,
    plain(description),
    `\`\`\`text\nenvelope ${path} ${usage}\n\`\`\``,
    ...(args.length === 0
      ? []
      : [
          table(
            ["argument", "meaning"],
            args.map((one) => [code(one.name), plain(one.description)]),
          ),
        ]),
    ...(options.length === 0 ? [] : [optionTable(options)]),
  ];
}

function optionTable(options: readonly OptionOutline[]): string {
  return table(
    ["option", "meaning"],
    options.map(({ flags, description }) => [code(flags), plain(description)]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

/** Text that is shown as it is, also where it has characters of Markdown or HTML. Code spans stay. */
function plain(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) =>
      index % 2 === 1 ? part.replaceAll("|", "\\|") : part.replaceAll(/[\\*_[\]<>|{}#]/g, "\\$&"),
    )
    .join("");
}
