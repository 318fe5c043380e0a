/**
 * `envelope policy lint`: what is wrong with policies in files, by line and column.
 *
 * @module
 */
import { lintPolicy, type PolicyFinding } from "@env/kms";
import { Option } from "@commander-js/extra-typings";
import { NegativeAnswer } from "../errors.ts";
import { forEachInput, listInputs, readTextInput, requireAllDone } from "../inputs.ts";
import { examples } from "../program.ts";
import { count, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import type { PolicyCommand } from "./policy.ts";

/** More than any policy may have, so that one that is too long is found to be that. */
const MAX_BYTES = 2 ** 20;
const PRINCIPAL = /"(?:Not)?Principal"/;

export function addLint(policy: PolicyCommand, ui: Ui): void {
  policy
    .command("lint")
    .summary("Check policies in files: what is malformed, and what is probably a mistake.")
    .description(
      "Check policies in files: what is malformed, and what is probably a mistake. Prints one line per finding. The exit code is 9 if any of them is an error, or with --strict a warning.",
    )
    .argument("<files...>", "policies as JSON, or - for stdin")
    .addOption(
      new Option("--kind <kind>", "key policies, or policies of users, roles and groups")
        .choices(["key", "identity"] as const)
        .default("key" as const),
    )
    .option("--strict", "treat warnings as errors")
    .addHelpText(
      "after",
      examples(
        "envelope policy lint --kind identity policies/*.json",
        "envelope policy lint --json key-policy.json | jq -r .code",
      ),
    )
    .action(async (paths, { kind, strict }) => {
      const inputs = await listInputs(paths);
      const fatal = new Set(strict === true ? ["error", "warning"] : ["error"]);
      const found: PolicyFinding[] = [];
      const totals = await forEachInput(ui, inputs, undefined, async ({ path }) => {
        const text = await readTextInput(ui, path, MAX_BYTES);
        const findings = lintPolicy(text, kind);
        for (const finding of findings) {
          await ui.line(drawFinding(path, finding), { path, ...finding });
        }
        found.push(...findings);
        if (kind === "key" && !PRINCIPAL.test(text)) {
          ui.note(
            `note: ${path} names no principals; add --kind identity if it is a policy of a user, role or group`,
          );
        }
      });
      ui.note(found.length === 0 ? "no findings" : count(found.length, "finding"));
      requireAllDone(totals);
      if (found.some(({ severity }) => fatal.has(severity))) throw new NegativeAnswer();
    });
}

function drawFinding(
  path: string,
  { line, column, severity, code, message }: PolicyFinding,
): string {
  return printableLine(`${path}:${line}:${column}: ${severity}: ${message} [${code}]`);
}
