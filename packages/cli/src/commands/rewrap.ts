/**
 * `envelope rewrap`: new wrapped copies of the same data keys, in many files.
 *
 * The header is replaced in place, protected by a journal, if the new key block fits into it. Otherwise a new file
 * with the old payload takes the name in one step. Either way the only copy of a wrapped key is never half-written.
 * A file that is wrapped by the current versions is not touched.
 *
 * @module
 */
import { lstat, realpath } from "node:fs/promises";
import { inspect, isEnvelopeError, type Entry, type Envelope, type RewrapOptions } from "@env/core";
import { MAX_HEADER_BYTES } from "@env/core/message";
import { rewrapFile, type RewrapFileResult } from "@env/node-stream";
import { contextToRead, withContextToRead } from "../context.ts";
import { betweenFiles, readFront, readMessage, readPieces, writeOutput } from "../files.ts";
import {
  excludeOption,
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
import { collect, examples, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope, type Opened } from "../providers.ts";
import { count, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";

export function addRewrap(program: Program, ui: Ui): void {
  withContextToRead(program.command("rewrap"))
    .summary("Wrap the data keys of messages under the current key versions.")
    .description(
      "Wrap the data keys of messages under the current versions of the configured CMKs. Payloads stay as they are. Only the header of a file changes, in place where it fits.",
    )
    .argument("<paths...>", "messages, or folders with --recursive")
    .option(
      "--from <uri>",
      "a CMK to leave: it may unwrap, and its entries go; repeatable",
      collect,
    )
    .option("-r, --recursive", "all messages in folders")
    .addOption(excludeOption())
    .option("--dry-run", "make the same KMS calls, but write nothing")
    .addHelpText(
      "after",
      examples(
        "envelope rewrap --context tenant=acme report.pdf.envelope",
        "envelope rewrap --from-header --require tenant=acme -r /srv/data --dry-run",
        "envelope rewrap --from-header -r /srv/data --from 'aws-kms:alias/old?region=eu-west-1'",
      ),
    )
    .action(async (paths, options, command) => {
      const { recursive = false, dryRun = false, exclude, from: leaving } = options;
      if (paths.includes(STANDARD)) throw usageError("rewrap works on files, not on stdin");
      const context = await contextToRead(options);
      const { signal } = ui.host;
      const inputs = await listInputs(paths, { recursive, exclude });
      const usage = new KeyUsage();

      const rewrapAll = async ({ envelope, from, own, wrapping }: Opened): Promise<void> => {
        const job: Job = { context, from, signal, dryRun };
        let changed = 0;
        const totals = await forEachInput(ui, inputs, own, async (input, progress) => {
          const { path, size } = input;
          if (size === undefined) throw usageError(`${path}: only regular files can be rewrapped`);
          const form = await formOf(path);
          if (input.folder !== undefined && form === undefined && !isNamedMessage(path)) {
            return "not a message";
          }
          const done = await rewrapInput(envelope, path, size, form, job, usage, progress);
          progress.clear();
          if (done.changed) changed++;
          const line = printableLine(describe(path, done, form, dryRun));
          await ui.result(line, { path, ...done, ...wrapping.take(path) });
          return undefined;
        });
        await report(ui, usage, { ...totals, changed, dryRun });
        requireAllDone(totals);
      };
      await withEnvelope(ui, command.optsWithGlobals(), rewrapAll, leaving);
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
  if (method === "none") return `current ${path}`;
  const copied = form === "text" ? "text form, rewritten" : "copied: its header has no room";
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
  // The target of a symbolic link on the command line is rewrapped, so that the link remains.
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

/** The entries of the current header; none if it cannot be read, which the rewrap itself reports. */
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
    const { message, keyBlock: _, ...facts } = await envelope.rewrap(old, options);
    if (!facts.changed) return { ...facts, method: "none", bytesWritten: 0 };
    const lineBreak = ["", "\n", "\r\n"][Number(source.stats.size) - old.length] ?? "";
    const text = `${message}${lineBreak}`;
    const { stats } = source;
    const target = { overwrite: true, like: stats, replaces: stats, signal: options.signal };
    if (!dryRun) await writeOutput(path, target, (file) => file.writeFile(text));
    const bytesWritten = dryRun ? 0 : text.length;
    return { ...facts, method: "copied", bytesWritten };
  });
}

async function report(
  ui: Ui,
  usage: KeyUsage,
  totals: { files: number; failed: number; skipped: number; changed: number; dryRun: boolean },
): Promise<void> {
  const { rows } = usage;
  const { files, changed, failed, dryRun } = totals;
  const facts = [
    count(files, "file"),
    `${changed} ${dryRun ? "to rewrap" : "rewrapped"}`,
    `${files - changed - failed} current`,
    ...(failed > 0 ? [`${failed} failed`] : []),
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
