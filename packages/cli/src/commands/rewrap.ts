/**
 * `envelope rewrap`: other wrapped copies of the same data keys, in many files.
 *
 * A file is replaced as a whole: new header, the payload's bytes as they are, then a new name for both
 * in one step. So the only copy of a wrapped key is never half-written. What is wrapped by the current
 * versions already is not touched.
 *
 * @module
 */
import { realpath } from "node:fs/promises";
import {
  inspect,
  type Cmk,
  type Entry,
  type Envelope,
  type RewrapOptions,
  type RewrapReport,
} from "@env/core";
import { headerLength, MAX_HEADER_BYTES, plaintextLength } from "@env/core/message";
import { collectPair, contextToRead, noContextOption } from "../context.ts";
import { changedMeanwhile, readFront, readPieces, readSource } from "../files.ts";
import { writeAll, writeFileWhole, type Source } from "../files.ts";
import {
  forEachInput,
  formOf,
  formOfFront,
  listInputs,
  requireAllDone,
  STANDARD,
} from "../inputs.ts";
import { usageError } from "../errors.ts";
import { collect, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withCmks, withEnvelope } from "../providers.ts";
import { count, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";
import { keyVersionOf } from "./inspect.ts";

export function addRewrap(program: Program, ui: Ui): void {
  program
    .command("rewrap")
    .description(
      "Wrap the data keys of messages under the current versions of the configured CMKs. Payloads stay as they are.",
    )
    .argument("<paths...>", "messages, or folders with --recursive")
    .option("--context <key=value>", "the context of the encryption; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--from-header", "use the stored context; whoever wrote the message chose it")
    .option("--require <key=value>", "what the stored context must have; repeatable", collectPair)
    .option("--from <uri>", "a CMK to leave: it may unwrap, its entries go; repeatable", collect)
    .option("-r, --recursive", "all messages in folders")
    .option("--dry-run", "make the same KMS calls, write nothing")
    .action(async (paths, options, command) => {
      const globals = command.optsWithGlobals();
      const { recursive = false, dryRun = false } = options;
      if (paths.includes(STANDARD)) throw usageError("rewrap works on files, not on stdin");
      const context = await contextToRead(options);
      const { signal } = ui.host;
      const inputs = await listInputs(paths, recursive);
      const usage = new KeyUsage();

      await withEnvelope(ui, globals, (envelope) =>
        withCmks(ui, options.from ?? [], async (from: readonly Cmk[]) => {
          const job: Job = { context, from, signal, dryRun };
          let changed = 0;
          const totals = await forEachInput(ui, inputs, async (input, progress) => {
            const form = await formOf(input.path);
            if (input.found && form === undefined) return "skipped";
            const done = await rewrapFile(envelope, input.path, job, usage, progress);
            progress.clear();
            if (done.changed) changed++;
            const verb = done.changed ? (dryRun ? "would rewrap" : "rewrapped") : "is current:";
            await ui.result(printableLine(`${verb} ${input.path}`), { path: input.path, ...done });
            return "done";
          });
          await report(ui, usage, { ...totals, changed, dryRun });
          requireAllDone(totals);
        }),
      );
    });
}

interface Job extends RewrapOptions {
  readonly dryRun: boolean;
}

interface Rewrapped {
  readonly changed: boolean;
  readonly plaintextSeen: boolean;
  readonly entries: readonly RewrapReport[];
}

async function rewrapFile(
  envelope: Envelope,
  named: string,
  { dryRun, ...options }: Job,
  usage: KeyUsage,
  progress: Progress,
): Promise<Rewrapped> {
  // What a symbolic link on the command line points to, so that the link stays one.
  const path = await realpath(named);
  return readSource(path, async (source) => {
    const { size } = source;
    if (size === undefined) throw usageError(`${path}: only regular files can be rewrapped`);
    const message = await readMessage(source, size);
    const before = inspect(message.header).entries ?? [];
    usage.add("before", before);
    let now: readonly Entry[] = before;
    let reports: readonly RewrapReport[] = [];
    try {
      const result = await envelope.rewrap(message.header, options);
      if (result.changed && !dryRun) {
        await replace(source, message, result.message, options.signal, progress);
      } else progress.add(size);
      ({ entries: reports } = result);
      now = result.changed ? (inspect(result.message).entries ?? []) : before;
      const { changed, plaintextSeen, entries } = result;
      return { changed, plaintextSeen, entries };
    } finally {
      // A file that failed still depends on what it depended on.
      usage.add("after", now, reports);
    }
  });
}

/** The header of a binary message, or all of a text form. */
interface Message {
  readonly header: Uint8Array | string;
  /** What stands behind a text form. */
  readonly lineBreak: string;
  readonly payloadOffset: number;
}

async function readMessage(source: Source, size: number): Promise<Message> {
  const front = await readFront(source, Math.min(size, MAX_HEADER_BYTES));
  if (formOfFront(front) === "text") {
    const text = await readText(readPieces(source));
    const lineBreak = ["", "\n", "\r\n"][size - text.length] ?? "";
    return { header: text, lineBreak, payloadOffset: size };
  }
  const length = headerLength(front) ?? front.length;
  // A cut message is reported, not copied: whoever looks at it later should see that it was found so.
  if (length < size) plaintextLength(size - length);
  return { header: front.subarray(0, length), lineBreak: "", payloadOffset: length };
}

async function replace(
  source: Source,
  { payloadOffset, lineBreak }: Message,
  header: Uint8Array | string,
  signal: AbortSignal | undefined,
  progress: Progress,
): Promise<void> {
  const { path, stats, size = 0 } = source;
  const options = { overwrite: true, like: stats, replaces: stats, signal };
  await writeFileWhole(path, options, async (file) => {
    const bytes = typeof header === "string" ? Buffer.from(`${header}${lineBreak}`) : header;
    await writeAll(file, bytes);
    progress.add(payloadOffset);
    let copied = 0;
    for await (const piece of readPieces(source, { start: payloadOffset, signal })) {
      await writeAll(file, piece);
      copied += piece.length;
      progress.add(piece.length);
    }
    const written = (await file.stat()).size;
    if (copied !== size - payloadOffset || written !== bytes.length + copied) {
      throw changedMeanwhile(path);
    }
  });
}

interface KeyUsageRow {
  provider: string;
  keyId: string;
  keyVersion: string | undefined;
  before: number;
  after: number;
}

/** How many files depend on which version of which key, before and after. */
class KeyUsage {
  readonly #rows = new Map<string, KeyUsageRow>();

  /** @param reports - What the KMSs told, for entries that do not tell their version themselves. */
  add(
    when: "before" | "after",
    entries: readonly Entry[],
    reports: readonly RewrapReport[] = [],
  ): void {
    for (const entry of entries) {
      const { provider, keyId } = entry;
      const told = reports.find((one) => one.provider === provider && one.keyId === keyId);
      const keyVersion = keyVersionOf(entry) ?? told?.keyVersion;
      const id = JSON.stringify([provider, keyId, keyVersion]);
      const row = this.#rows.get(id) ?? { provider, keyId, keyVersion, before: 0, after: 0 };
      row[when]++;
      this.#rows.set(id, row);
    }
  }

  get rows(): readonly Readonly<KeyUsageRow>[] {
    const name = ({ provider, keyId, keyVersion = "" }: KeyUsageRow): string =>
      `${provider} ${keyId} ${keyVersion}`;
    return [...this.#rows.values()].toSorted((a, b) =>
      name(a).localeCompare(name(b), "en", { numeric: true }),
    );
  }
}

async function report(
  ui: Ui,
  usage: KeyUsage,
  totals: { files: number; failed: number; skipped: number; changed: number; dryRun: boolean },
): Promise<void> {
  const { rows } = usage;
  const { files, changed, failed, skipped, dryRun } = totals;
  const facts = [
    count(files, "file"),
    `${changed} ${dryRun ? "to rewrap" : "rewrapped"}`,
    `${files - changed - failed} current`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} others left alone`] : []),
  ];
  const head = ["PROVIDER", "KEY", "VERSION", "BEFORE", "AFTER"];
  const lines = rows.map(({ provider, keyId, keyVersion, before, after }) => [
    provider,
    keyId,
    keyVersion ?? "-",
    String(before),
    String(after),
  ]);
  const text = rows.length === 0 ? "" : `\n\n${table(head, lines)}`;
  await ui.result(`${facts.join(", ")}${text}`, { summary: { ...totals, keys: rows } });
}
