/**
 * `envelope s3`: encrypted objects in S3.
 *
 * @module
 */
import { Option, type Command } from "@commander-js/extra-typings";
import type { BucketProgress, BucketResult } from "@env/s3";
import { contextToRead, readAad, withContextToRead, withMessageOptions } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { collect, examples, type GlobalOptions, type Program } from "../program.ts";
import { withEnvelope } from "../providers.ts";
import { parseRange, resolveRange } from "../range.ts";
import {
  concurrencyOption,
  endpointOption,
  parseLocation,
  parseObject,
  regionOption,
  withS3,
} from "../s3-location.ts";
import { StatusLine } from "../status-line.ts";
import { count, formatBytes, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";
import { addCp } from "./s3-cp.ts";

export function addS3(program: Program, ui: Ui): void {
  const s3 = program
    .command("s3")
    .summary("Encrypt into S3, decrypt from it, and rewrap objects.")
    .description(
      "Encrypt into S3 and into stores that speak its protocol, decrypt from them, and rewrap objects. The place and the credentials are those of AWS's own tools: the environment and ~/.aws.",
    )
    .helpCommand(false)
    .addHelpText("after", examples("envelope s3 ls s3://reports", "envelope s3 cp --help"));
  addCp(s3, ui);
  addCat(s3, ui);
  addLs(s3, ui);
  addRewrap(s3, ui);
  addReport(s3, ui);
}

type Parent = Command<[], {}, GlobalOptions>;

function addCat(parent: Parent, ui: Ui): void {
  withMessageOptions(parent.command("cat"))
    .summary("Write the plaintext of an object, or a range of it, to stdout.")
    .description(
      "Write the plaintext of an object, or a range of it, to stdout. A range reads no more of the object than it needs. The end of the object is verified before the first byte, and every byte before it is written. A later part may still turn out to be altered, so check the exit code.",
    )
    .argument("<object>", "s3://bucket/key")
    .option(
      "--range <range>",
      "bytes: 0-99 (the first 100), 100-, or -100 (the last 100)",
      parseRange,
    )
    .addOption(endpointOption())
    .addOption(regionOption())
    .addHelpText(
      "after",
      examples("envelope s3 cat --context tenant=acme --range -1000 s3://logs/app.log"),
    )
    .action(async (text, options, command) => {
      const { Bucket, Key } = parseObject(text);
      if (ui.json) {
        throw usageError("--json needs stdout, and so does the plaintext", "leave out --json");
      }
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const { signal } = ui.host;
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withS3(envelope, options, text, async ({ s3 }) => {
          await using reader = await s3.open({ Bucket, Key }, { context, aad, signal });
          const size = await reader.size({ signal });
          const range = options.range && resolveRange(options.range, size, text);
          for await (const piece of reader.createReadStream({ ...range, signal })) {
            if (piece instanceof Uint8Array) await ui.writeOut(piece);
          }
        }),
      );
    });
}

function addLs(parent: Parent, ui: Ui): void {
  parent
    .command("ls")
    .summary("List objects, with the CMKs that can open each.")
    .description("List objects, with the CMKs that can open each. It calls no KMS.")
    .argument("<prefix>", "s3://bucket or s3://bucket/prefix")
    .addOption(endpointOption())
    .addOption(regionOption())
    .addHelpText("after", examples("envelope s3 ls s3://reports/2026/"))
    .action(async (text, options, command) => {
      const { Bucket, Key: Prefix } = parseLocation(text);
      const { signal } = ui.host;
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withS3(envelope, options, text, async ({ s3 }) => {
          for await (const { Key, Size, encryption } of s3.list({ Bucket, Prefix }, { signal })) {
            const name = `s3://${Bucket}/${Key}`;
            const size = formatBytes(encryption?.plaintextBytes ?? Size ?? 0).padStart(9);
            const keys = encryption?.entries.map(({ provider, keyId }) => `${provider} ${keyId}`);
            await ui.line(
              `${size}  ${printableLine(`${name}  (${keys?.join(", ") ?? "not encrypted"})`)}`,
              {
                key: Key,
                objectBytes: Size,
                plaintextBytes: encryption?.plaintextBytes,
                placement: encryption?.placement,
                entries: encryption?.entries.map(({ provider, keyId }) => ({ provider, keyId })),
              },
            );
          }
        }),
      );
    });
}

function addRewrap(parent: Parent, ui: Ui): void {
  withContextToRead(parent.command("rewrap"))
    .summary("Wrap the data keys of objects under the current key versions.")
    .description(
      "Wrap the data keys of all objects with a prefix under the current versions of the configured CMKs. Bodies are not sent again. A checkpoint lets a run that was stopped go on.",
    )
    .argument("<prefix>", "s3://bucket/key, or s3://bucket/prefix")
    .option(
      "--from <uri>",
      "a CMK to leave: it may unwrap, and its entries go; repeatable",
      collect,
    )
    .option("--dry-run", "make the same KMS calls, but store nothing")
    .option("--sidecars-only", "rewrap sidecars without looking at their objects")
    .addOption(checkpointOption())
    .addOption(concurrencyOption("objects at a time", 32))
    .addOption(endpointOption())
    .addOption(regionOption())
    .addHelpText(
      "after",
      examples(
        "envelope s3 rewrap --context tenant=acme s3://reports/ --checkpoint reports.json",
        "envelope s3 rewrap --from-header s3://reports/ --from 'aws-kms:alias/old?region=eu-west-1'",
      ),
    )
    .action(async (text, options, command) => {
      const { Bucket, Key } = parseLocation(text);
      const context = await contextToRead(options);
      const {
        dryRun = false,
        sidecarsOnly = false,
        checkpoint,
        concurrency,
        from: leaving,
      } = options;
      await withEnvelope(
        ui,
        command.optsWithGlobals(),
        ({ envelope, from }) =>
          withS3(envelope, options, text, async ({ s3, rewrapBucket }) => {
            const result = await watched(ui, text, (watch) =>
              rewrapBucket(
                s3,
                { Bucket, ...prefix(Key) },
                { context, from, dryRun, sidecarsOnly, checkpoint, concurrency, ...watch },
              ),
            );
            const verb = dryRun ? "would be rewrapped" : "rewrapped";
            await report(ui, text, result, `${result.rewrapped} ${verb}, `);
          }),
        leaving,
      );
    });
}

function addReport(parent: Parent, ui: Ui): void {
  parent
    .command("report")
    .summary("Count the objects that depend on each CMK.")
    .description("Count the objects that depend on each CMK. It calls no KMS.")
    .argument("<prefix>", "s3://bucket or s3://bucket/prefix")
    .addOption(checkpointOption())
    .addOption(concurrencyOption("objects at a time", 32))
    .addOption(endpointOption())
    .addOption(regionOption())
    .addHelpText("after", examples("envelope s3 report s3://reports"))
    .action(async (text, options, command) => {
      const { Bucket, Key } = parseLocation(text);
      const { checkpoint, concurrency } = options;
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withS3(envelope, options, text, async ({ s3, reportBucket }) => {
          const result = await watched(ui, text, (watch) =>
            reportBucket(s3, { Bucket, ...prefix(Key) }, { checkpoint, concurrency, ...watch }),
          );
          await report(ui, text, result, "");
        }),
      );
    });
}

function checkpointOption(): Option<"--checkpoint <file>"> {
  return new Option("--checkpoint <file>", "where to note how far the run is, and to go on from");
}

/** Shows how far a run is, and names every object that it cannot do. */
async function watched(
  ui: Ui,
  text: string,
  run: (watch: {
    onProgress: (progress: BucketProgress) => void;
    signal: AbortSignal;
  }) => Promise<BucketResult>,
): Promise<BucketResult> {
  const { stderr, signal } = ui.host;
  let now: BucketProgress | undefined;
  const line = (_: number, elapsedMs: number): string => {
    const { objects = 0, failed = 0 } = now ?? {};
    const rate = Math.round((objects * 1000) / elapsedMs);
    return printableLine(`${text}  ${count(objects, "object")}, ${failed} failed, ${rate}/s`);
  };
  using _ =
    stderr.isTTY === true && !ui.quiet ? new StatusLine(stderr, line) : { [Symbol.dispose]() {} };
  return await run({ onProgress: (progress) => (now = progress), signal });
}

/** @throws CommandError `ERR_CLI_SOME_FAILED` where some objects failed. */
async function report(ui: Ui, text: string, result: BucketResult, done: string): Promise<void> {
  const { objects, unencrypted, failed, cmks, failures } = result;
  const rows = cmks.map(({ provider, keyId, objects: number, versions }) => [
    provider,
    keyId,
    String(number),
    Object.entries(versions)
      .map(([version, times]) => `${version}: ${times}`)
      .join(", "),
  ]);
  const summary = `${count(objects, "object")}: ${done}${unencrypted} not encrypted, ${failed} failed`;
  const counted = table(["PROVIDER", "KEY", "OBJECTS", "OLD VERSIONS"], rows);
  await ui.answer(rows.length === 0 ? summary : `${counted}\n${summary}`, {
    ...result,
    failures: failures.map(({ Key, error }) => ({ key: Key, error: describe(error) })),
  });
  for (const { Key, error } of failures) ui.warn(`${Key}: ${describe(error)}`);
  if (failed > 0) {
    throw new CommandError("ERR_CLI_SOME_FAILED", `${text}: ${count(failed, "object")} failed`);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function prefix(Key: string): { readonly Prefix?: string } {
  return Key === "" ? {} : { Prefix: Key };
}
