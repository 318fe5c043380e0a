/**
 * `envelope help [command…]`; `envelope help exit-codes` from the table of exit codes; and all commands as one page,
 * `envelope help man` and `envelope help markdown`.
 *
 * @module
 */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { manPage } from "../man-page.ts";
import { markdownPage } from "../markdown-page.ts";
import { outlineOf } from "../outline.ts";
import { exitCodes, usageError } from "../errors.ts";
import { examples, type Program } from "../program.ts";
import type { Ui } from "../ui.ts";

export function addHelp(program: Program, ui: Ui): void {
  program
    .command("help")
    .description(
      "Show help for a command, the exit-codes, or all commands as a man or markdown page.",
    )
    .argument("[topic...]", "a command, exit-codes, man, or markdown")
    .addHelpText(
      "after",
      examples(
        "envelope help keys rotate",
        "envelope help exit-codes",
        "envelope help man > envelope.1 && man -l envelope.1",
      ),
    )
    .action(async (topic) => {
      if (topic.length === 1 && topic[0] === "exit-codes") {
        await ui.answer(exitCodesText(), exitCodes);
        return;
      }
      if (topic.length === 1 && (topic[0] === "man" || topic[0] === "markdown")) {
        const outline = outlineOf(program);
        const page =
          topic[0] === "man" ? manPage(outline, program.version() ?? "") : markdownPage(outline);
        await ui.answer(page.trimEnd(), { page });
        return;
      }
      let command: CommandUnknownOpts = program;
      for (const name of topic) {
        const found = command.commands.find((one) => one.name() === name);
        if (found === undefined) {
          throw usageError(
            `there is no command ${JSON.stringify(name)}`,
            "`envelope help` lists the commands",
          );
        }
        command = found;
      }
      command.outputHelp();
    });
}

/** One line per exit code. */
export function exitCodesText(): string {
  return Object.entries(exitCodes)
    .map(([code, meaning]) => `${code.padStart(3)}  ${meaning}`)
    .join("\n");
}
