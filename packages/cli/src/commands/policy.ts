/**
 * `envelope policy`: who may do what with the keys of a local keystore, and why.
 *
 * @module
 */
import type { Command } from "@commander-js/extra-typings";
import { examples, type GlobalOptions, type Program } from "../program.ts";
import type { Ui } from "../ui.ts";
import { addExplain } from "./policy-explain.ts";
import { addLint } from "./policy-lint.ts";
import { addSimulate } from "./policy-simulate.ts";

export type PolicyCommand = Command<[], {}, GlobalOptions>;

export function addPolicy(program: Program, ui: Ui): void {
  const policy = program
    .command("policy")
    .description("Explain who may do what with a key and why, and check policies.")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "envelope policy explain --as role/app --action Decrypt --key alias/app",
        "envelope policy lint key-policy.json",
        "envelope policy simulate permissions.yaml",
      ),
    );
  addExplain(policy, ui);
  addLint(policy, ui);
  addSimulate(policy, ui);
}
