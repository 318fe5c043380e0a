/**
 * `envelope kms`: a local keystore, the seed that describes it, and its unused keys.
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
  type UnusedKey,
} from "@env/kms";
import { keystorePath } from "@env/local-file";
import { InputError, NegativeAnswer, usageError } from "../errors.ts";
import { readTextInput } from "../inputs.ts";
import { describeRoot, newKeystore, rootOption } from "../new-keystore.ts";
import { examples, type Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { count, formatDay, formatState, printableLine, table } from "../text.ts";
import { daysParser } from "../time.ts";
import type { Ui } from "../ui.ts";
import { addKmsMove } from "./kms-move.ts";
import type * as KmsSeed from "./kms-seed.ts";

/** More than a hundred thousand keys take. */
const MAX_BYTES = 2 ** 26;

export function addKms(program: Program, ui: Ui): void {
  const kms = program
    .command("kms")
    .summary(
      "Create a local keystore, apply a seed to it, export one, move it, or find unused CMKs.",
    )
    .description(
      "Create a local keystore, keep its keys, aliases, policies and principals in a file, the seed, and find the CMKs that nobody uses.",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "envelope kms export-config --keystore dev.kms > seed.yaml",
        "envelope kms create --keystore ci.kms",
        "envelope kms apply seed.yaml --keystore ci.kms",
      ),
    );

  kms
    .command("create")
    .summary("Create an empty keystore.")
    .description(
      "Create an empty keystore: no CMK and no configuration. Overwrites nothing. To start with a CMK and a configuration, use init.",
    )
    .requiredOption("--keystore <path>", "the keystore: a path, or a URL of PostgreSQL")
    .addOption(rootOption())
    .option("--account <id>", "the account in its ARNs, twelve digits", parseAccount)
    .option("--region <name>", "the region in its ARNs", parseRegion)
    .addHelpText(
      "after",
      examples(
        "envelope kms create --keystore ci.kms && envelope kms apply seed.yaml --keystore ci.kms",
      ),
    )
    .action(async ({ keystore: named, root, account: accountId, region }) => {
      const path = keystorePath(named, process.cwd());
      const facts = { ...(accountId && { accountId }), ...(region && { region }) };
      using keystore = await newKeystore(ui, path, root, facts);
      const { keystoreId } = keystore.facts;
      const data = { keystore: path, root, keystoreId, ...facts };
      await ui.result(`keystore   ${path}\nroot key   ${describeRoot(path, root)}`, data);
    });

  kms
    .command("apply")
    .summary("Change a keystore to match a seed.")
    .description(
      "Change a keystore to match a seed, and show the changes. What is not in the seed is left alone without --prune. A conflict, such as a key of another spec, is found before anything is changed. An interrupted run is completed by applying the seed again.",
    )
    .argument("<seed>", "a file in YAML or JSON, or - for stdin")
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .option("--dry-run", "change nothing; the exit code is 9 if there is something to change")
    .option("--prune", "delete what is not in the seed; keys are scheduled for deletion in 30 days")
    .option("--insecure-fixed-material", "accept key material in the seed, for tests only")
    .addHelpText(
      "after",
      examples(
        "envelope kms apply seed.yaml --keystore ci.kms --dry-run",
        "envelope kms apply seed.yaml --keystore ci.kms",
      ),
    )
    .action(async (path, options, command) => {
      const { dryRun = false, prune = false, insecureFixedMaterial } = options;
      const text = await readTextInput(ui, path, MAX_BYTES);
      const seed = await readSeed(path, text, { insecureFixedMaterial });
      await withKeystore(ui, command.optsWithGlobals(), options.keystore, async (keystore) => {
        const { seeding } = keystore;
        const plan = await seeding.plan(seed, { prune });
        for (const warning of plan.warnings) ui.warn(warning);
        const refused = plan.steps.some(({ action }) => action === "conflict");
        if (dryRun || refused) await ui.answer(draw(plan, NOT_APPLIED), toJson(plan, true));
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
    .summary("Print the seed of a keystore.")
    .description(
      "Print the seed of a keystore as YAML, or with --json as JSON. It contains no key material, no grants, no AWS managed keys and no keys that are pending deletion.",
    )
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addHelpText("after", examples("envelope kms export-config --keystore dev.kms > seed.yaml"))
    .action((options, command) =>
      withKeystore(ui, command.optsWithGlobals(), options.keystore, async ({ seeding }) => {
        const seed = await seeding.exportConfig();
        const { seedText } = await yaml();
        await ui.answer(seedText(seed), seed);
      }),
    );

  addKmsMove(kms, ui);

  kms
    .command("unused")
    .summary("List the CMKs that were not used for some time.")
    .description(
      "List the CMKs of all regions that were not used for cryptography for so many days, or since they were created if they never were. The one that was unused for longest is the first. AWS managed keys are not listed. Data that was encrypted long ago may still need a CMK: disable it before you delete it.",
    )
    .option(
      "--days <number>",
      "how long they were unused, 1 to 36500",
      daysParser("--days", 1, 36_500),
      90,
    )
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addHelpText(
      "after",
      examples(
        "envelope kms unused --days 365",
        "envelope kms unused --json | jq -r '.[].arn'",
        "envelope keys disable 0a0b0c0d-1111-4222-8333-444455556666",
      ),
    )
    .action(({ days, keystore: named }, command) =>
      withKeystore(ui, command.optsWithGlobals(), named, async (keystore) => {
        const unused = await keystore.unusedKeys(days);
        if (unused.length === 0)
          ui.note(`every CMK was used or created in the last ${count(days, "day")}`);
        if (unused.length > 0 || ui.json) await ui.answer(drawUnused(unused), unused);
      }),
    );
}

function drawUnused(keys: readonly UnusedKey[]): string {
  return table(
    ["KEY", "REGION", "STATE", "CREATED", "LAST USE", "OPERATION", "ALIAS"],
    keys.map(({ keyId, region, state, created, lastUse, aliases }) => [
      keyId,
      region,
      formatState(state),
      formatDay(created),
      lastUse === undefined ? "never" : formatDay(lastUse.time),
      lastUse?.operation ?? "-",
      aliases.join(", ") || "-",
    ]),
  );
}

/** Loads a parser of YAML, which other commands do without. */
const yaml = (): Promise<typeof KmsSeed> => import("./kms-seed.ts");

async function readSeed(path: string, text: string, options: ParseSeedOptions): Promise<Seed> {
  const { parseSeedText } = await yaml();
  let read: KmsSeed.SeedText | undefined;
  try {
    read = parseSeedText(path, text);
    return parseSeed(read.value, options);
  } catch (error) {
    const { place, of } = error instanceof SeedError ? error : {};
    throw new InputError(path, error, place && of && read?.position(place, of));
  }
}

function parseAccount(text: string): string {
  if (/^[0-9]{12}$/.test(text)) return text;
  throw usageError("--account must be twelve digits");
}

function parseRegion(text: string): string {
  if (/^[a-z0-9-]{1,32}$/.test(text)) return text;
  throw usageError("--region must be 1 to 32 of a-z, 0-9 and -");
}

function toJson({ steps, warnings }: SeedPlan, dryRun: boolean): object {
  return { dryRun, steps, warnings };
}

const NOT_APPLIED = "not applied: ";
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
  const idle = lines.length === 0;
  const total = idle
    ? `nothing to change (${counts.join(", ") || "the seed is empty"})`
    : counts.join(", ");
  return [...lines, idle ? total : prefix + total].join("\n");
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
