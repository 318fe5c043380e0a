/**
 * `envelope policy explain` and `envelope policy check`: one question about a permission, answered in full or
 * in one line, from the current state of the keystore. Nothing is changed and nothing is recorded.
 *
 * @module
 */
import { collectPair, type Pairs } from "../context.ts";
import { NegativeAnswer, usageError } from "../errors.ts";
import { drawDecision, drawExplanation } from "../explanation.ts";
import { collect, examples } from "../program.ts";
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
      "Show how every policy, statement, condition and grant evaluates the request, which of them decides, and the smallest additions that would allow it. The output contains policies and contexts. Whether the key is enabled is not considered.",
    )
    .addHelpText("after", example("explain"))
    .action(async (options, command) => {
      const { keystore: path } = options;
      await withKeystore(ui, command.optsWithGlobals(), path, async (keystore) => {
        const explanation = await ask(keystore, toQuestion(options));
        await noteUnknown(ui, keystore, explanation);
        await ui.answer(drawExplanation(explanation, keystore.facts, ui.columns), explanation);
      });
    });

  withQuestion(policy, "check")
    .summary("Tell whether something is allowed, by one line and the exit code.")
    .description(
      "Tell whether something is allowed, and what decides. The exit code is 0 if it is allowed and 9 if it is not; with --quiet, nothing is printed.",
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
    .requiredOption("--as <principal>", "who calls: user/alice, role/app, root, or an ARN")
    .requiredOption(
      "--action <action>",
      "the action: kms:Decrypt, or just Decrypt; also sts:AssumeRole",
    )
    .option("--key <key>", "the key: id, ARN or alias")
    .option("--role <role>", "the role, for sts:AssumeRole: role/app, or an ARN")
    .option("--alias <name>", "the alias, for CreateAlias, UpdateAlias and DeleteAlias")
    .option("--context <key=value>", "a pair of the encryption context; repeatable", collectPair)
    .option("--via <service>", "the service that calls for the principal, such as s3")
    .option(
      "--condition <key=value>",
      "another condition key, such as aws:SourceIp; repeatable",
      collect,
    )
    .option(
      "--grant-token <token>",
      "a token returned by CreateGrant; repeatable; with RetireGrant, identifies the grant if --key is omitted",
      collect,
    )
    .option("--grant <id>", "the grant of the key, for RetireGrant")
    .option("--grant-operation <operation>", "what CreateGrant would grant; repeatable", collect)
    .option("--grantee <principal>", "who would receive the new grant")
    .option("--grantee-service <name>", "the service that would receive the new grant")
    .option("--retiring <principal>", "who could retire the new grant")
    .option("--retiring-service <name>", "the service that could retire the new grant")
    .option("--grant-source-arn <arn>", "the resource that the new grant would be for")
    .option(
      "--grant-context-equals <key=value>",
      "the exact context of the new grant; repeatable",
      collectPair,
    )
    .option(
      "--grant-context-subset <key=value>",
      "a pair that the context must contain for the new grant; repeatable",
      collectPair,
    );
}

interface Options {
  readonly as: string;
  readonly action: string;
  readonly key?: string | undefined;
  readonly role?: string | undefined;
  readonly alias?: string | undefined;
  readonly context?: Pairs | undefined;
  readonly via?: string | undefined;
  readonly condition?: string[] | undefined;
  readonly grantToken?: string[] | undefined;
  readonly grant?: string | undefined;
  readonly grantOperation?: string[] | undefined;
  readonly grantee?: string | undefined;
  readonly granteeService?: string | undefined;
  readonly retiring?: string | undefined;
  readonly retiringService?: string | undefined;
  readonly grantSourceArn?: string | undefined;
  readonly grantContextEquals?: Pairs | undefined;
  readonly grantContextSubset?: Pairs | undefined;
}

function toQuestion(options: Options): Question {
  const { as, action, key, role, alias, context, via, condition = [], grantToken } = options;
  return {
    principal: as,
    action,
    key,
    role,
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
  const { grantOperation, grantContextEquals, grantContextSubset } = options;
  const { grantee, granteeService, retiring, retiringService, grantSourceArn } = options;
  const contextEquals = grantContextEquals && Object.fromEntries(grantContextEquals);
  const contextSubset = grantContextSubset && Object.fromEntries(grantContextSubset);
  const facts = {
    grantee,
    granteeService,
    retiring,
    retiringService,
    contextEquals,
    contextSubset,
    sourceArn: grantSourceArn,
  };
  if (grantOperation !== undefined) return { operations: grantOperation, ...facts };
  if (Object.values(facts).every((one) => one === undefined)) return undefined;
  throw usageError("a new grant needs at least one operation", "add --grant-operation");
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
  ui.note(unknownNote(name));
}

/** Somebody unknown has no policies, so a misspelt name looks like one that is refused. */
export function unknownNote(name: string): string {
  return `note: ${name} is not in this keystore, so no IAM policies apply`;
}

function example(name: string): string {
  return examples(
    `envelope policy ${name} --as user/alice --action kms:Decrypt --key alias/app --context tenant=acme`,
  );
}
