/**
 * `envelope rewrap`: other wrapped copies of the same data keys, in many files.
 *
 * In place where the new key block fits into the old header, under a journal; else a new file with the
 * old payload takes the name in one step. Either way the only copy of a wrapped key is never
 * half-written. What is wrapped by the current versions already is not touched.
 *
 * @module
 */
import { lstat, realpath } from "node:fs/promises";
import {
  inspect,
  isEnvelopeError,
  type Cmk,
  type Entry,
  type Envelope,
  type RewrapOptions,
} from "@env/core";
import { MAX_HEADER_BYTES } from "@env/core/message";
import { rewrapFile, type RewrapFileResult } from "@env/node-stream";
import { collectPair, contextToRead, noContextOption } from "../context.ts";
import { betweenFiles, readFront, readMessage, readPieces, writeOutput } from "../files.ts";
import {
  forEachInput,
  formOf,
  isNamedMessage,
  listInputs,
  requireAllDone,
  STANDARD,
  type Form,
} from "../inputs.ts";
import { usageError } from "../errors.ts";
import { KeyUsage } from "../key-usage.ts";
import { collect, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withCmks, withEnvelope } from "../providers.ts";
import { count, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";

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
            if (input.size === undefined) {
              throw usageError(`${input.path}: only regular files can be rewrapped`);
            }
            const form = await formOf(input.path);
            // A damaged one is not passed over: it would be lost with the key that it was wrapped by.
            if (input.found && form === undefined && !isNamedMessage(input.path)) return "skipped";
            const { path, size } = input;
            const done = await rewrapInput(envelope, path, size, form, job, usage, progress);
            progress.clear();
            if (done.changed) changed++;
            const line = printableLine(describe(input.path, done, form, dryRun));
            await ui.result(line, { path: input.path, ...done });
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

function describe(
  path: string,
  { method }: RewrapFileResult,
  form: Form | undefined,
  dryRun: boolean,
): string {
  if (method === "none") return `is current: ${path}`;
  const copied = form === "text" ? "text form, written anew" : "copied: its header has no room";
  const how = method === "in-place" ? "header in place" : copied;
  return `${dryRun ? "would rewrap" : "rewrapped"} ${path}  (${how})`;
}

async function rewrapInput(
  envelope: Envelope,
  named: string,
  size: number,
  form: Form | undefined,
  { dryRun, ...options }: Job,
  usage: KeyUsage,
  progress: Progress,
): Promise<RewrapFileResult> {
  // What a symbolic link on the command line points to, so that the link stays one.
  const path = (await lstat(named)).isSymbolicLink() ? await realpath(named) : named;
  const before = await entriesOf(path, form);
  let result: RewrapFileResult | undefined;
  try {
    if (form === "text") result = await rewrapText(envelope, path, { dryRun, ...options });
    else {
      const onProgress = progress.follow(size);
      result = await betweenFiles(path, path, () =>
        rewrapFile(envelope, path, { dryRun, onProgress, ...options }),
      );
    }
    if (form === "text" || result.method !== "copied" || dryRun) progress.add(size);
    return result;
  } finally {
    usage.add(before, result?.entries);
  }
}

/** As its header says now; none where it cannot be read, which the rewrap itself will report. */
async function entriesOf(path: string, form: Form | undefined): Promise<readonly Entry[]> {
  return readMessage(path, async (source) => {
    try {
      const message =
        form === "text"
          ? await readText(readPieces(source))
          : await readFront(source, MAX_HEADER_BYTES);
      return inspect(message).entries ?? [];
    } catch (error) {
      if (isEnvelopeError(error)) return [];
      throw error;
    }
  });
}

/** Messages in text form are short, and their payload is part of the same line. */
async function rewrapText(
  envelope: Envelope,
  path: string,
  { dryRun, ...options }: Job,
): Promise<RewrapFileResult> {
  return readMessage(path, async (source) => {
    const old = await readText(readPieces(source));
    const { message, changed, ...facts } = await envelope.rewrap(old, options);
    const { plaintextSeen, entries } = facts;
    if (!changed) return { changed, plaintextSeen, entries, method: "none", bytesWritten: 0 };
    const lineBreak = ["", "\n", "\r\n"][Number(source.stats.size) - old.length] ?? "";
    const text = `${message}${lineBreak}`;
    const { stats } = source;
    const target = { overwrite: true, like: stats, replaces: stats, signal: options.signal };
    if (!dryRun) await writeOutput(path, target, (file) => file.writeFile(text));
    const bytesWritten = dryRun ? 0 : text.length;
    return { changed, plaintextSeen, entries, method: "copied", bytesWritten };
  });
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
