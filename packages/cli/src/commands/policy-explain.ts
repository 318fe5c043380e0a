/**
 * `envelope policy explain` and `envelope policy check`: one question about a permission, answered in full or
 * in one line. Asked of the keystore as it is now; nothing is done and nothing recorded.
 *
 * @module
 */
import { collectPair, type Pairs } from "../context.ts";
import { NegativeAnswer, usageError } from "../errors.ts";
import { drawDecision, drawExplanation } from "../explanation.ts";
import { collect } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { ask, isKnown, type NewGrant, type Question } from "../question.ts";
import { shortPrincipal } from "../arn.ts";
import type { Ui } from "../ui.ts";
import type { Explanation, Keystore } from "@env/kms";
import type { PolicyCommand } from "./policy.ts";

export function addExplain(policy: PolicyCommand, ui: Ui): void {
  withQuestion(policy, "explain")
    .summary("Show what allows or denies something, and what would allow it.")
    .description(
      "Show every policy, statement, condition and grant that has a say, what it makes of the request, what decided, and the least that would have to be added to allow it. Shows policies and contexts. Whether the key is enabled is another question.",
    )
    .addHelpText("after", example("explain"))
    .action(async (options, command) => {
      const { keystore: path } = options;
      await withKeystore(ui, command.optsWithGlobals(), path, async (keystore) => {
        const explanation = await ask(keystore, toQuestion(options));
        await noteUnknown(ui, keystore, explanation);
        await ui.answer(drawExplanation(explanation, keystore.facts), explanation);
      });
    });

  withQuestion(policy, "check")
    .summary("Say whether something is allowed, by a line and the exit code.")
    .description(
      "Say whether something is allowed, and what decided. The exit code is 0 where it is, 9 where it is not; with --quiet that is all.",
    )
    .addHelpText("after", example("check"))
    .action(async (options, command) => {
      const { keystore: path } = options;
      await withKeystore(ui, command.optsWithGlobals(), path, async (keystore) => {
        const explanation = await ask(keystore, toQuestion(options));
        await noteUnknown(ui, keystore, explanation);
        const { caller, action, resource, decision } = explanation;
        const { allowed, because, deciding } = decision;
        await ui.result(drawDecision(explanation), {
          allowed,
          because,
          deciding,
          principal: caller,
          action,
          resource,
        });
        if (!allowed) throw new NegativeAnswer();
      });
    });
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- commander infers the options.
function withQuestion(policy: PolicyCommand, name: "explain" | "check") {
  return policy
    .command(name)
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .requiredOption("--as <principal>", "who asks: user/alice, role/app, root, or an ARN")
    .requiredOption("--action <action>", "what for: kms:Decrypt; kms: may be left out")
    .option("--key <key>", "on which key: id, ARN or alias")
    .option("--alias <name>", "on which alias, for CreateAlias, UpdateAlias and DeleteAlias")
    .option("--context <key=value>", "of the encryption context; repeatable", collectPair)
    .option("--via <service>", "the service that calls for the principal, as s3")
    .option(
      "--condition <key=value>",
      "a further condition key, as aws:SourceIp; repeatable",
      collect,
    )
    .option(
      "--grant-token <token>",
      "as CreateGrant answered it; repeatable; for RetireGrant without --key, the grant",
      collect,
    )
    .option("--grant <id>", "of the key's grants, the one that RetireGrant is for")
    .option("--grant-operation <operation>", "what CreateGrant is to grant; repeatable", collect)
    .option("--grantee <principal>", "to whom")
    .option("--retiring <principal>", "who may retire it")
    .option(
      "--grant-context-equals <key=value>",
      "the context that the grant is for; repeatable",
      collectPair,
    )
    .option(
      "--grant-context-subset <key=value>",
      "a pair of every context that the grant is for; repeatable",
      collectPair,
    );
}

interface Options {
  readonly as: string;
  readonly action: string;
  readonly key?: string | undefined;
  readonly alias?: string | undefined;
  readonly context?: Pairs | undefined;
  readonly via?: string | undefined;
  readonly condition?: string[] | undefined;
  readonly grantToken?: string[] | undefined;
  readonly grant?: string | undefined;
  readonly grantOperation?: string[] | undefined;
  readonly grantee?: string | undefined;
  readonly retiring?: string | undefined;
  readonly grantContextEquals?: Pairs | undefined;
  readonly grantContextSubset?: Pairs | undefined;
}

function toQuestion(options: Options): Question {
  const { as, action, key, alias, context, via, condition = [], grantToken } = options;
  return {
    principal: as,
    action,
    key,
    alias,
    context: context && Object.fromEntries(context),
    via,
    conditions: conditionsOf(condition),
    grantTokens: grantToken,
    grant: options.grant,
    newGrant: newGrantOf(options),
  };
}

function newGrantOf(options: Options): NewGrant | undefined {
  const { grantOperation, grantee, retiring, grantContextEquals, grantContextSubset } = options;
  const contextEquals = grantContextEquals && Object.fromEntries(grantContextEquals);
  const contextSubset = grantContextSubset && Object.fromEntries(grantContextSubset);
  const facts = { grantee, retiring, contextEquals, contextSubset };
  if (grantOperation !== undefined) return { operations: grantOperation, ...facts };
  if (Object.values(facts).every((one) => one === undefined)) return undefined;
  throw usageError("what is to be granted is missing", "add --grant-operation");
}

/** A condition key that is given more than once has several values. */
function conditionsOf(pairs: readonly string[]): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const pair of pairs) {
    const [[key, value] = ["", ""]] = collectPair(pair);
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].map(([key, all]) => [key, all.length === 1 ? (all[0] ?? "") : all]),
  );
}

async function noteUnknown(ui: Ui, keystore: Keystore, explanation: Explanation): Promise<void> {
  if (await isKnown(keystore, explanation)) return;
  const name = shortPrincipal(explanation.caller, keystore.facts);
  ui.note(`note: the keystore has no ${name}, so no policies of IAM for it`);
}

function example(name: string): string {
  return `\nExample:\n  envelope policy ${name} --as user/alice --action kms:Decrypt --key alias/app --context tenant=acme`;
}
