/**
 * `envelope config`: the effective configuration, and whether it works.
 *
 * @module
 */
import type { Command } from "@commander-js/extra-typings";
import { examples, type GlobalOptions, type Program } from "../program.ts";
import type { Ui } from "../ui.ts";
import { addCheck } from "./config-check.ts";
import { addShow } from "./config-show.ts";

export type ConfigCommand = Command<[], {}, GlobalOptions>;

export function addConfig(program: Program, ui: Ui): void {
  const config = program
    .command("config")
    .description("Check that the configuration works, and show the effective settings.")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "envelope config check --environment production",
        "envelope config show --environment production",
      ),
    );
  addCheck(config, ui);
  addShow(config, ui);
}
