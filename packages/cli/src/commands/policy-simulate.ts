/**
 * `envelope policy simulate`: compares the permissions that a file expects with those of a keystore. These are
 * tests of policies, to be run in CI.
 *
 * @module
 */
import type { Keystore } from "@env/kms";
import { NegativeAnswer, reportOf } from "../errors.ts";
import type { Expectation } from "../expectations.ts";
import { withKeystore } from "../providers.ts";
import { ask, isKnown } from "../question.ts";
import { count, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";
import { unknownNote } from "./policy-explain.ts";
import type { PolicyCommand } from "./policy.ts";

export function addSimulate(policy: PolicyCommand, ui: Ui): void {
  policy
    .command("simulate")
    .summary("Test permissions against a file of expectations.")
    .description(
      "Ask the keystore each question of a file and compare the answers with the expected ones. The exit code is 9 if any answer differs. The keys are not used, and nothing is recorded.",
    )
    .argument("<file>", "a list of expectations in YAML or JSON, or - for stdin")
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addHelpText("after", EXAMPLE)
    .action(async (file, { keystore: path }, command) => {
      // Loads a parser of YAML, which other commands do without.
      const { readExpectations } = await import("../expectations.ts");
      const expectations = await readExpectations(ui, file);
      await withKeystore(ui, command.optsWithGlobals(), path, async (keystore) => {
        const outcomes: Outcome[] = [];
        for (const expectation of expectations)
          outcomes.push(await simulate(keystore, expectation));
        const failures = outcomes.filter(({ met }) => !met);
        await ui.answer(drawOutcomes(file, outcomes), {
          total: outcomes.length,
          failed: failures.length,
          outcomes,
        });
        const unknown = outcomes.filter(({ unknownPrincipal }) => unknownPrincipal === true);
        for (const name of new Set(unknown.map(({ principal }) => principal))) {
          ui.note(unknownNote(name));
        }
        if (failures.length > 0) throw new NegativeAnswer();
      });
    });
}

const EXAMPLE = `
Example:
  envelope policy simulate permissions.yaml

  # permissions.yaml
  - { principal: role/app, action: Decrypt, key: alias/app, context: { tenant: acme }, expect: allow }
  - { principal: user/eve, action: Decrypt, key: alias/app, expect: deny, because: explicit-deny }

An expectation may also contain alias, via, conditions, grantTokens, grant, newGrant and name.`;

interface Outcome extends Omit<Expectation, "question"> {
  readonly principal: string;
  readonly action: string;
  readonly key: string | undefined;
  readonly met: boolean;
  readonly answer: "allow" | "deny" | "error";
  /** The reason of the decision. */
  readonly answerBecause?: string;
  readonly deciding?: string | undefined;
  /** Why there was no answer. */
  readonly error?: { readonly code: string; readonly message: string };
  /** The keystore should know the principal and does not. */
  readonly unknownPrincipal?: true;
}

async function simulate(
  keystore: Keystore,
  { question, ...expectation }: Expectation,
): Promise<Outcome> {
  const { principal, action, key = question.alias } = question;
  const { expect, because } = expectation;
  const head = { ...expectation, principal, action, key };
  try {
    const explanation = await ask(keystore, question);
    const { decision } = explanation;
    const answer = decision.allowed ? "allow" : "deny";
    const known = await isKnown(keystore, explanation);
    return {
      ...head,
      met: answer === expect && (because ?? decision.because) === decision.because,
      answer,
      answerBecause: decision.because,
      deciding: decision.deciding,
      ...(known ? {} : { unknownPrincipal: true as const }),
    };
  } catch (error) {
    const { code, message, exitCode } = reportOf(error);
    // The keystore cannot be read: that is not the expectation's fault.
    if (exitCode !== 2 && exitCode !== 4) throw error;
    return { ...head, met: false, answer: "error", error: { code, message } };
  }
}

function drawOutcomes(file: string, outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => [
    outcome.met ? "✓" : "✗",
    String(outcome.line),
    outcome.principal,
    outcome.action,
    outcome.key ?? "-",
    outcome.expect,
    outcome.answer,
    outcome.answerBecause ?? "-",
    outcome.name ?? "",
  ]);
  const head = ["", "LINE", "PRINCIPAL", "ACTION", "KEY", "EXPECTED", "ANSWER", "BECAUSE", "NAME"];
  const failures = outcomes.filter(({ met }) => !met);
  const lines = failures.map((outcome) =>
    printableLine(`${file}:${outcome.line}: ${describeFailure(outcome)}`),
  );
  const total =
    failures.length === 0
      ? `${count(outcomes.length, "expectation")} met`
      : `${failures.length} of ${count(outcomes.length, "expectation")} failed`;
  return [table(head, rows), "", ...lines, total].join("\n");
}

function describeFailure({
  expect,
  because,
  answer,
  answerBecause,
  deciding,
  error,
}: Outcome): string {
  const expected = because === undefined ? expect : `${expect} (${because})`;
  if (error !== undefined) return `expected ${expected}, but ${error.message}`;
  const by = deciding === undefined ? "" : `: ${deciding}`;
  return `expected ${expected}, got ${answer} (${answerBecause}${by})`;
}
