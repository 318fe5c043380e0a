/**
 * `envelope kms`: a local keystore as a file says it is to be, and the file that says how it is.
 *
 * @module
 */
import {
  parseSeed,
  SeedError,
  type ParseSeedOptions,
  type Seed,
  type SeedPlan,
  type SeedStep,
} from "@env/kms";
import { InputError, NegativeAnswer } from "../errors.ts";
import { readTextInput } from "../inputs.ts";
import type { Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { parseSeedText, seedText, type SeedText } from "./kms-seed.ts";

/** More than a hundred thousand keys take. */
const MAX_BYTES = 2 ** 26;

export function addKms(program: Program, ui: Ui): void {
  const kms = program
    .command("kms")
    .description(
      "Keys, aliases, policies and principals of a local keystore, from a file and into one.",
    )
    .helpCommand(false);

  kms
    .command("apply")
    .summary("Bring a keystore to what a seed says.")
    .description(
      "Bring a keystore to what a seed says, and show what that changes. What the seed does not have is left alone without --prune. A conflict, such as a key of another spec, is found before anything is changed. What was interrupted is completed by applying the seed again.",
    )
    .argument("<seed>", "in YAML or JSON, or - for stdin")
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .option("--dry-run", "change nothing; the exit code is 9 where something would be changed")
    .option(
      "--prune",
      "delete what the seed does not have; keys are scheduled for deletion in 30 days",
    )
    .option("--insecure-fixed-material", "take key material from the seed: for tests only")
    .action(async (path, options, command) => {
      const { dryRun = false, prune = false, insecureFixedMaterial } = options;
      const text = await readTextInput(ui, path, MAX_BYTES);
      const seed = readSeed(path, text, { insecureFixedMaterial });
      await withKeystore(ui, command.optsWithGlobals(), options.keystore, async (keystore) => {
        const { seeding } = keystore;
        const plan = await seeding.plan(seed, { prune });
        warn(ui, plan);
        const refused = plan.steps.some(({ action }) => action === "conflict");
        if (dryRun || refused) await ui.answer(draw(plan, "not applied: "), toJson(plan, true));
        if (dryRun && !refused) {
          if (plan.steps.some(({ action }) => action !== "none")) throw new NegativeAnswer();
          return;
        }
        // Throws for the conflict, in the keystore's words.
        const done = await seeding.apply(plan, { signal: ui.host.signal });
        await ui.result(draw(done, ""), toJson(done, false));
      });
    });

  kms
    .command("export-config")
    .summary("Show the seed of a keystore.")
    .description(
      "Show the seed of a keystore: YAML, with --json JSON. It has no key material, no grants, no AWS managed keys and no keys that are pending deletion.",
    )
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .action((options, command) =>
      withKeystore(ui, command.optsWithGlobals(), options.keystore, async ({ seeding }) => {
        const seed = await seeding.exportConfig();
        await ui.answer(seedText(seed), seed);
      }),
    );
}

function readSeed(path: string, text: string, options: ParseSeedOptions): Seed {
  let read: SeedText | undefined;
  try {
    read = parseSeedText(path, text);
    return parseSeed(read.value, options);
  } catch (error) {
    const { place, of } = error instanceof SeedError ? error : {};
    throw new InputError(path, error, place && of && read?.position(place, of));
  }
}

/** Also where all else is quiet. */
function warn(ui: Ui, { warnings }: SeedPlan): void {
  if (ui.json) return;
  for (const warning of warnings) {
    ui.host.stderr.write(`${ui.style("yellow", "warning:")} ${printableLine(warning)}\n`);
  }
}

function toJson({ steps, warnings }: SeedPlan, dryRun: boolean): object {
  return { dryRun, steps, warnings };
}

const SIGNS = { create: "+", update: "~", delete: "-", conflict: "!", none: " " } as const;

function draw({ steps }: SeedPlan, prefix: string): string {
  const lines = steps.filter(({ action }) => action !== "none").flatMap(drawStep);
  const counts = (
    [
      ["create", "created"],
      ["update", "updated"],
      ["delete", "deleted"],
      ["conflict", "in conflict"],
      ["none", "unchanged"],
    ] as const
  ).flatMap(([action, word]) => {
    const number = steps.filter((step) => step.action === action).length;
    return number === 0 ? [] : [`${number} ${word}`];
  });
  const total = counts.length === 0 ? "nothing to do" : counts.join(", ");
  return [...lines, prefix + total].join("\n");
}

function drawStep({ action, record, changes }: SeedStep): string[] {
  const kind = record.startsWith("arn:") ? "principal" : "key";
  const note = action === "delete" && kind === "key" ? " (pending deletion for 30 days)" : "";
  return [
    `${SIGNS[action]} ${kind} ${record}${note}`,
    ...changes.map(({ path, from, to }) => {
      const sign =
        action === "conflict" ? "!" : from === undefined ? "+" : to === undefined ? "-" : "~";
      const values = [from, to]
        .filter((one) => one !== undefined)
        .map((one) => JSON.stringify(one));
      return printableLine(`    ${sign} ${path}: ${values.join(" -> ")}`);
    }),
  ];
}
