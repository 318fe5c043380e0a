/**
 * `envelope config`: what the configuration comes to, and whether it works.
 *
 * @module
 */
import type { Command } from "@commander-js/extra-typings";
import type { Program } from "../program.ts";
import type { GlobalOptions } from "../providers.ts";
import type { Ui } from "../ui.ts";
import { addCheck } from "./config-check.ts";
import { addShow } from "./config-show.ts";

export type ConfigCommand = Command<[], {}, GlobalOptions>;

export function addConfig(program: Program, ui: Ui): void {
  const config = program
    .command("config")
    .description("Check that the configuration works, and show what it comes to.")
    .helpCommand(false);
  addCheck(config, ui);
  addShow(config, ui);
}
