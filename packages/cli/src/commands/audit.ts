/**
 * `envelope audit`: the record of every call to a local keystore, refused ones among them.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { principalArn, type AuditAnchor, type AuditReport, type Keystore } from "@env/kms";
import { keyArn } from "../arn.ts";
import { drawEntry, toJson } from "../audit-line.ts";
import { NegativeAnswer, usageError } from "../errors.ts";
import { collect, type Program } from "../program.ts";
import { withKeystore, type GlobalOptions } from "../providers.ts";
import { count } from "../text.ts";
import { parseTime } from "../time.ts";
import type { Ui } from "../ui.ts";

type Globals = GlobalOptions & { readonly keystore?: string | undefined };

export function addAudit(program: Program, ui: Ui): void {
  const audit = program
    .command("audit")
    .description("Read and verify the audit log of a local keystore.")
    .helpCommand(false)
    .option("--keystore <path>", "the keystore (default: that of the configuration)");
  const run = (globals: Globals, use: (keystore: Keystore) => Promise<void>): Promise<void> =>
    withKeystore(ui, globals, globals.keystore, use);

  audit
    .command("tail")
    .summary("Show the latest records, and with -f those to come.")
    .description(
      "Show the latest records in the order in which they were written, and with -f those to come, of all processes, until it is interrupted.",
    )
    .option("-f, --follow", "go on with new records as they come")
    .option("-n, --lines <number>", "how many of those there are", parseCount, 10)
    .addHelpText("after", "\nExample:\n  envelope audit tail -f -n 0 --json | jq -c .errorCode")
    .action(({ follow, lines }, command) =>
      run(command.optsWithGlobals(), (keystore) => tail(ui, keystore, lines, follow === true)),
    );

  audit
    .command("query")
    .summary("Find records.")
    .description("Show the records that meet all that is given, the oldest first.")
    .option(
      "--since <time>",
      "at or after: 2026-07-01, 2026-07-01T12:00:00Z, or 90m ago",
      parseTime,
    )
    .option("--until <time>", "before; as --since", parseTime)
    .option("--operation <name>", "as Decrypt; repeatable: one of them", collect)
    .option("--principal <principal>", "who called: user/alice, role/app, root, or an ARN")
    .option("--key <key>", "what was asked for: key id, alias (the key it names now) or ARN")
    .addOption(
      new Option("--outcome <outcome>", "only these").choices(["succeeded", "refused"] as const),
    )
    .addHelpText(
      "after",
      "\nExample:\n  envelope audit query --since 24h --outcome refused --principal role/app",
    )
    .action(({ since, until, operation, principal, key, outcome }, command) =>
      run(command.optsWithGlobals(), async (keystore) => {
        const { facts } = keystore;
        const filter = {
          ...(since && { from: since }),
          ...(until && { to: until }),
          ...(principal && { principal: principalArn(principal, facts) }),
          ...(key && { resource: await resourceArn(keystore, key) }),
          ...(outcome && { outcome }),
        };
        // Case does not matter, as in the actions of policies.
        const names = operation?.map((name) => name.toLowerCase().replace(/^kms:/, ""));
        let found = 0;
        for await (const entry of keystore.audit.query(filter)) {
          ui.host.signal.throwIfAborted();
          if (names?.includes(entry.record.eventName.toLowerCase()) === false) continue;
          await ui.line(drawEntry(entry, facts), toJson(entry));
          found++;
        }
        if (found === 0) ui.note("no record is like that");
      }),
    );

  audit
    .command("verify")
    .summary("Look at every record: whether one was removed, altered, moved or put back.")
    .description(
      "Look at every record: whether one was removed, altered, moved or put back. The exit code is 9 where something is wrong. Keep the anchor that is shown where nobody can write who can write the keystore: given again, it shows also that the whole file was replaced by an older one.",
    )
    .option("--anchor <anchor>", "of an earlier verify: the log must still hold it", parseAnchor)
    .addHelpText(
      "after",
      "\nExample:\n  envelope audit verify && envelope audit verify --json | jq .last",
    )
    .action(({ anchor }, command) =>
      run(command.optsWithGlobals(), async (keystore) => {
        const { signal } = ui.host;
        const report = await keystore.audit.verify({ signal, ...(anchor && { anchor }) });
        await ui.answer(drawReport(report), report);
        if (!report.intact) throw new NegativeAnswer();
      }),
    );
}

/** Interrupting is how following ends, so that is no error. */
async function tail(ui: Ui, keystore: Keystore, lines: number, follow: boolean): Promise<void> {
  const { audit, facts } = keystore;
  const { signal } = ui.host;
  const { sequence: last } = await audit.anchor();
  if (!follow && (last === 0 || lines === 0)) return;
  for await (const entry of audit.tail({ after: Math.max(last - lines, 0), signal })) {
    await ui.line(drawEntry(entry, facts), toJson(entry));
    if (!follow && entry.sequence >= last) return;
  }
  if (!follow) signal.throwIfAborted();
}

function drawReport({ base, last, problems, anchor }: AuditReport): string {
  const records = last.sequence - base.sequence;
  const from = base.sequence + 1;
  const span = records === 0 ? "" : `, numbers ${from} to ${last.sequence}`;
  const [first] = problems;
  const lines =
    first === undefined
      ? [`ok  ${count(records, "record")}${span}`]
      : [`not ok  ${first.message} (${first.kind})`];
  if (problems.length > 1) lines.push(`${problems.length - 1} more, shown with --json`);
  if (base.sequence > 0) lines.push(`retention has cut off the records up to ${base.sequence}`);
  if (anchor !== undefined) lines.push(`the anchor that was given: ${anchor}`);
  // One of a log that is not sound would vouch for what is wrong with it.
  if (first === undefined) lines.push(`anchor  ${last.sequence}:${last.digest}`);
  return lines.join("\n");
}

async function resourceArn(keystore: Keystore, key: string): Promise<string> {
  // Asked without a call, which would be one more record.
  if (key.startsWith("alias/")) {
    return (await keystore.explain({ action: "DescribeKey", key })).resource;
  }
  // Keys that are deleted have records too.
  const arn = keyArn(key, keystore.facts);
  if (!arn.startsWith("arn:")) throw usageError("--key must be a key id, alias/name or an ARN");
  return arn;
}

function parseCount(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw usageError("--lines must be a number, 0 or more");
}

function parseAnchor(text: string): AuditAnchor {
  const [, sequence, digest = ""] = /^([0-9]{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined) throw usageError("--anchor must be one that verify showed");
  return { sequence: Number(sequence), digest };
}
