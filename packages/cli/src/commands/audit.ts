/**
 * `envelope audit`: the record of every call to a local keystore, including refused ones.
 *
 * @module
 */
import { resolve } from "node:path";
import { Option, type Command } from "@commander-js/extra-typings";
import {
  CHAIN_NUMBERS,
  chainOf,
  principalArn,
  type AuditAnchor,
  type AuditEntry,
  type AuditReport,
  type AuditRetention,
  type Keystore,
} from "@env/kms";
import { keyArn } from "../arn.ts";
import { drawEntry, toJson } from "../audit-line.ts";
import { NegativeAnswer, usageError } from "../errors.ts";
import { collect, examples, type GlobalOptions, type Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { count } from "../text.ts";
import { daysParser, parseTime } from "../time.ts";
import type { Ui } from "../ui.ts";

type Globals = GlobalOptions & { readonly keystore?: string | undefined };
type AuditCommand = Command<[], { keystore?: string | undefined }, GlobalOptions>;
type Run = (globals: Globals, use: (keystore: Keystore) => Promise<void>) => Promise<void>;

/** The keystore's own default. */
const DEFAULT_RECORDS = "1,000,000";

export function addAudit(program: Program, ui: Ui): void {
  const audit = program
    .command("audit")
    .description("Read, verify and prune the audit log of a local keystore.")
    .helpCommand(false)
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addHelpText(
      "after",
      examples(
        "envelope audit tail -f",
        "envelope audit query --since 24h --outcome refused",
        "envelope audit verify",
      ),
    );
  const run: Run = (globals, use) => withKeystore(ui, globals, globals.keystore, use);

  audit
    .command("tail")
    .summary("Show the latest records, and with -f new ones as they are written.")
    .description(
      "Show the latest records, oldest first. With -f, go on with the new records of all processes until interrupted.",
    )
    .option("-f, --follow", "go on with new records as they are written")
    .option("-n, --lines <number>", "how many existing records to show", parseCount, 10)
    .addHelpText(
      "after",
      examples(
        "envelope audit tail -n 50",
        "envelope audit tail -f -n 0 --json | jq -c .errorCode",
      ),
    )
    .action(({ follow, lines }, command) =>
      run(command.optsWithGlobals(), (keystore) => tail(ui, keystore, lines, follow === true)),
    );

  audit
    .command("query")
    .summary("Find records.")
    .description("Show the records that meet all given conditions, oldest first.")
    .option(
      "--since <time>",
      "at or after this time: 2026-07-01, 2026-07-01T12:00:00Z, or 90m for 90 minutes ago",
      parseTime,
    )
    .option("--until <time>", "before this time, written as for --since", parseTime)
    .option("--operation <name>", "an operation, such as Decrypt; repeatable: any of them", collect)
    .option("--principal <principal>", "the caller: user/alice, role/app, root, or an ARN")
    .option("--key <key>", "the key: id, ARN, or alias (meaning the key it names now)")
    .addOption(
      new Option("--outcome <outcome>", "only calls with this outcome").choices([
        "succeeded",
        "refused",
      ] as const),
    )
    .addHelpText(
      "after",
      examples(
        "envelope audit query --since 24h --outcome refused --principal role/app",
        "envelope audit query --operation Decrypt --key alias/app --json | jq -r .eventTime",
      ),
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
          await ui.line(drawEntry(entry, facts, ui.columns), toJson(entry));
          found++;
        }
        if (found === 0) ui.note("no matching records");
      }),
    );

  audit
    .command("verify")
    .summary("Check that no record was removed, altered, moved or put back.")
    .description(
      "Check every record: whether any was removed, altered, moved or put back. The exit code is 9 if so. Store the anchor that is printed where people who can write the keystore cannot change it. Passed to a later verify with --anchor, it reveals that the file was rolled back.",
    )
    .option(
      "--anchor <anchor>",
      "from an earlier verify: the log must still contain it",
      parseAnchor,
    )
    .addHelpText(
      "after",
      examples("envelope audit verify", "envelope audit verify --json | jq .last"),
    )
    .action(({ anchor }, command) =>
      run(command.optsWithGlobals(), async (keystore) => {
        const { signal } = ui.host;
        const report = await keystore.audit.verify({ signal, ...(anchor && { anchor }) });
        // The anchor of an altered log would vouch for the alteration.
        const end = report.intact ? await endOf(keystore, report) : undefined;
        await ui.answer(drawReport(report, end), report);
        if (!report.intact) throw new NegativeAnswer();
      }),
    );

  audit
    .command("anchor")
    .summary("Print the place of the newest record, to be stored elsewhere.")
    .description(
      "Print the place of the newest record, without verifying the log. Store it where people who can write the keystore cannot change it: `audit verify --anchor` later reveals whether the keystore was rolled back. On a keystore in PostgreSQL, it is the place of a new record that contains the places of all nodes' chains.",
    )
    .addHelpText(
      "after",
      examples("envelope audit anchor", "envelope audit anchor --json | jq -r .digest"),
    )
    .action((_, command) =>
      run(command.optsWithGlobals(), async (keystore) => {
        const anchor = await keystore.audit.anchor();
        await ui.result(toText(anchor), anchor);
      }),
    );

  addPruning(audit, ui, run);
}

function addPruning(audit: AuditCommand, ui: Ui, run: Run): void {
  withLimits(audit.command("prune"))
    .summary("Delete old records.")
    .description(
      `Delete the oldest records, beyond the given limits. The cut is itself recorded, and the log verifies from there on. Without a limit, the last ${DEFAULT_RECORDS} records are kept, which also happens automatically.`,
    )
    .addHelpText("after", examples("envelope audit prune --keep-days 90"))
    .action((limits, command) =>
      run(command.optsWithGlobals(), (keystore) => prune(ui, keystore, retentionOf(limits))),
    );

  withLimits(audit.command("archive"))
    .summary("Move old records to files.")
    .description(
      "Move the oldest records, beyond the given limits, to files in a folder: one record per line, unencrypted, in the form of a CloudTrail log file. The cut is itself recorded, and the log verifies from there on.",
    )
    .argument("<folder>", "an existing folder")
    .addHelpText(
      "after",
      examples(
        "envelope audit archive /srv/audit --keep-days 30",
        "envelope audit archive . --keep-records 1000",
      ),
    )
    .action((folder, limits, command) => {
      const retention = retentionOf(limits);
      if (retention === undefined) {
        throw usageError("archive needs to know what to keep", "add --keep-days or --keep-records");
      }
      const archive = resolve(folder);
      return run(command.optsWithGlobals(), (keystore) =>
        prune(ui, keystore, { ...retention, archive }),
      );
    });
}

function withLimits(
  command: Command<[], {}, GlobalOptions & { keystore?: string | undefined }>,
): Command<[], Limits, GlobalOptions & { keystore?: string | undefined }> {
  return command
    .option(
      "--keep-days <days>",
      "keep records up to this age, 1 to 36500 days",
      daysParser("--keep-days", 1, 36_500),
    )
    .option("--keep-records <number>", "keep this number of records, 1 or more", parseRecords);
}

type Limits = { readonly keepDays?: number | undefined; readonly keepRecords?: number | undefined };

function retentionOf({ keepDays, keepRecords }: Limits): AuditRetention | undefined {
  if (keepDays === undefined && keepRecords === undefined) return undefined;
  return {
    ...(keepDays === undefined ? {} : { maxAgeDays: keepDays }),
    ...(keepRecords === undefined ? {} : { maxRecords: keepRecords }),
  };
}

async function prune(
  ui: Ui,
  { audit }: Keystore,
  retention: AuditRetention | undefined,
): Promise<void> {
  const { removed, archives } = await audit.applyRetention(retention);
  const to = archives.map((path) => `\narchived to ${path}`);
  await ui.result(`${count(removed, "record")} removed${to.join("")}`, { removed, archives });
}

function parseRecords(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw usageError("--keep-records must be a number, 1 or more");
}

/** Following ends by an interruption, which therefore is not an error. */
async function tail(ui: Ui, keystore: Keystore, lines: number, follow: boolean): Promise<void> {
  const { audit, facts } = keystore;
  const { signal } = ui.host;
  const show = (entry: AuditEntry): Promise<void> =>
    ui.line(drawEntry(entry, facts, ui.columns), toJson(entry));
  if (follow) {
    for await (const entry of audit.tail({ latest: lines, signal })) await show(entry);
    return;
  }
  const latest: AuditEntry[] = [];
  for await (const entry of audit.query({ first: "newest" })) {
    signal.throwIfAborted();
    if (latest.length >= lines) break;
    latest.push(entry);
  }
  for (const entry of latest.toReversed()) await show(entry);
}

/** The anchor of a verified log. That of several chains is a record of its own. */
function endOf({ audit }: Keystore, { chains, last }: AuditReport): Promise<AuditAnchor> {
  return chains === undefined ? Promise.resolve(last) : audit.anchor();
}

function drawReport(report: AuditReport, end: AuditAnchor | undefined): string {
  const { chains = [], problems, anchor } = report;
  const ends = [report, ...chains];
  const [first] = problems;
  const lines =
    first === undefined ? drawSpans(ends) : [`not ok  ${first.message} (${first.kind})`];
  if (problems.length > 1) lines.push(`${problems.length - 1} more, shown with --json`);
  for (const { base } of ends) {
    if (base.sequence % CHAIN_NUMBERS > 0) {
      const from = chains.length === 0 ? "" : ` of ${nameOf(base)}`;
      lines.push(`the records${from} up to ${base.sequence} were pruned`);
    }
  }
  if (anchor !== undefined) lines.push(`the given anchor: ${anchor}`);
  if (end !== undefined) lines.push(`anchor  ${toText(end)}`);
  return lines.join("\n");
}

type Ends = readonly Pick<AuditReport, "base" | "last">[];

/** How many records there are, and their numbers, by chain if there are several. */
function drawSpans(ends: Ends): string[] {
  const spans = ends.map(({ base, last }) => {
    const [records, from] = [last.sequence - base.sequence, base.sequence + 1];
    const numbers = records === 1 ? `number ${from}` : `numbers ${from} to ${last.sequence}`;
    const text = `${count(records, "record")}${records === 0 ? "" : `, ${numbers}`}`;
    return { records, text, name: nameOf(base) };
  });
  const [only, ...others] = spans;
  if (only !== undefined && others.length === 0) return [`ok  ${only.text}`];
  const total = spans.reduce((sum, { records }) => sum + records, 0);
  return [
    `ok  ${count(total, "record")} in ${spans.length} chains`,
    ...spans.map(({ name, text }) => `${name}  ${text}`),
  ];
}

function nameOf({ sequence }: AuditAnchor): string {
  return `chain ${chainOf(sequence)}`;
}

function toText({ sequence, digest }: AuditAnchor): string {
  return `${sequence}:${digest}`;
}

async function resourceArn(keystore: Keystore, key: string): Promise<string> {
  // Resolved without a call, which would add a record.
  if (key.startsWith("alias/")) {
    return (await keystore.explain({ action: "DescribeKey", key })).resource;
  }
  // Deleted keys have records as well.
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
  if (sequence === undefined)
    throw usageError("--anchor must be an anchor that `audit verify` printed");
  return { sequence: Number(sequence), digest };
}
