/**
 * `envelope help [command…]`, and `envelope help exit-codes` from the table of exit codes.
 *
 * @module
 */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { exitCodes, usageError } from "../errors.ts";
import { examples, type Program } from "../program.ts";
import type { Ui } from "../ui.ts";

export function addHelp(program: Program, ui: Ui): void {
  program
    .command("help")
    .description("Show help for a command, or for exit-codes.")
    .argument("[topic...]", "a command, or exit-codes")
    .addHelpText("after", examples("envelope help keys rotate", "envelope help exit-codes"))
    .action(async (topic) => {
      if (topic.length === 1 && topic[0] === "exit-codes") {
        await ui.answer(exitCodesText(), exitCodes);
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
