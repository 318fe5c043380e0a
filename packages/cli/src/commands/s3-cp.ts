/**
 * `envelope s3 cp`: a file or a folder into S3, and back.
 *
 * @module
 */
import { lstat, mkdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { Option, type Command } from "@commander-js/extra-typings";
import type { Aad, Context, FromHeader } from "@env/core";
import type { EncryptedS3, Placement, PutResult } from "@env/s3";
import { contextToRead, contextToWrite, readAad, withMessageOptions } from "../context.ts";
import { fileError, usageError } from "../errors.ts";
import {
  readPieces,
  readSource,
  streamInto,
  writeAll,
  writeOutput,
  type Reason,
} from "../files.ts";
import {
  excludeOption,
  forEachInput,
  listInputs,
  matcher,
  OutputExists,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import { makeFoldersOf, segmentsOf } from "../object-path.ts";
import { examples, type GlobalOptions } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope, type Opened } from "../providers.ts";
import {
  concurrencyOption,
  endpointOption,
  isLocation,
  parseLocation,
  parseObject,
  regionOption,
  s3Error,
  withS3,
  type OpenedS3,
  type S3Location,
} from "../s3-location.ts";
import { count, formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { countBytes } from "./encrypt.ts";

/** Files or objects at a time: each may hold some parts of its upload in memory. */
const CONCURRENCY = 4;

export function addCp(parent: Command<[], {}, GlobalOptions>, ui: Ui): void {
  withMessageOptions(parent.command("cp"))
    .summary("Encrypt files into S3, or decrypt objects into files.")
    .description(
      "Encrypt a file into S3, or decrypt an object into a file. - is stdin or stdout. A file appears once all of it has verified. With --recursive, all files of a folder or all objects below a prefix: one that fails does not stop the others, symbolic links are not followed, and an object whose name would leave the folder is refused.",
    )
    .argument("<from>", "a file, -, or s3://bucket/key")
    .argument("<to>", "s3://bucket/key, a file, or -")
    .addOption(
      new Option("--placement <where>", "where the wrapped key of a new object is kept")
        .choices(["metadata", "sidecar", "inline"] as const)
        .default("metadata" as const),
    )
    .option("--store-context", "store the context in the object, unencrypted")
    .option("-r, --recursive", "all files in a folder, or all objects below a prefix")
    .addOption(excludeOption())
    .option("--skip-existing", "leave objects alone whose file exists")
    .option("--force", "replace existing files")
    .addOption(concurrencyOption("files or objects at a time, with --recursive", CONCURRENCY))
    .addOption(endpointOption())
    .addOption(regionOption())
    .addHelpText(
      "after",
      examples(
        "envelope s3 cp --context tenant=acme report.pdf s3://reports/2026/report.pdf",
        "pg_dump app | envelope s3 cp --context purpose=backup - s3://backups/app.sql",
        "envelope s3 cp --context tenant=acme s3://reports/2026/report.pdf copy.pdf",
        "envelope s3 cp --context tenant=acme -r photos s3://backups/photos",
      ),
    )
    .action(async (from, to, options, command) => {
      if (isLocation(from) === isLocation(to)) {
        throw usageError("one of the two is in S3, and the other one is a file or -");
      }
      const { recursive = false, skipExisting = false, force = false } = options;
      const { placement, storeContext = false, exclude, concurrency = CONCURRENCY } = options;
      if (skipExisting && (force || !recursive || isLocation(to))) {
        const problem = force
          ? "--force and --skip-existing exclude each other"
          : "--skip-existing is for copies of several objects into a folder";
        throw usageError(problem);
      }
      if (recursive && (from === STANDARD || to === STANDARD)) {
        throw usageError("- is one file", "leave out --recursive");
      }
      if (to === STANDARD && ui.json) {
        throw usageError("--json needs stdout, and so does the plaintext", "leave out --json");
      }
      const aad = await readAad(options);
      const text = isLocation(to) ? to : from;
      const location = recursive ? folderLocation(text) : parseObject(text);
      const folder = { exclude, concurrency, skipExisting };
      let work: (s3: OpenedS3, opened: Opened) => Promise<void>;
      if (isLocation(to)) {
        const job = { context: await contextToWrite(options), aad, placement, storeContext };
        work = recursive
          ? (s3, { own }) => uploadFolder(ui, s3, from, location, own, { job, ...folder })
          : ({ s3 }) => upload(ui, s3, from, location, job);
      } else {
        const job = { context: await contextToRead(options), aad, force };
        work = recursive
          ? (s3, { own }) => downloadFolder(ui, s3, location, to, own, { job, ...folder })
          : ({ s3 }) => download(ui, s3, location, to, job);
      }
      await withEnvelope(ui, command.optsWithGlobals(), (opened) =>
        withS3(opened.envelope, options, location.text, (s3) => work(s3, opened)),
      );
    });
}

/** A prefix is a folder: `s3://b/photos` does not mean `photos-old/`. */
function folderLocation(text: string): S3Location {
  const { Bucket, Key } = parseLocation(text);
  return { Bucket, Key: Key === "" || Key.endsWith("/") ? Key : `${Key}/`, text };
}

interface UploadJob {
  readonly context: Context;
  readonly aad: Aad | undefined;
  readonly placement: Placement;
  readonly storeContext: boolean;
}

interface DownloadJob {
  readonly context: Context | FromHeader;
  readonly aad: Aad | undefined;
  readonly force: boolean;
}

interface FolderJob<Job> {
  readonly job: Job;
  readonly exclude: readonly string[] | undefined;
  readonly concurrency: number;
  readonly skipExisting: boolean;
}

async function upload(
  ui: Ui,
  s3: EncryptedS3,
  from: string,
  location: S3Location,
  job: UploadJob,
): Promise<void> {
  const send = async (pieces: AsyncIterable<Uint8Array>, size?: number): Promise<void> => {
    using progress = ui.progress(size);
    progress.label = from;
    const stored = await put(ui, s3, pieces, size, location, job, progress);
    progress.clear();
    await ui.result(printableLine(`${from} -> ${location.text}`), sent(from, location, stored));
  };
  if (from === STANDARD) await send(readStdin(ui.host));
  else await readSource(from, (source) => send(readPieces(source), source.size));
}

async function uploadFolder(
  ui: Ui,
  { s3 }: OpenedS3,
  from: string,
  { Bucket, Key: prefix }: S3Location,
  own: Opened["own"],
  { job, exclude, concurrency }: FolderJob<UploadJob>,
): Promise<void> {
  const inputs = await listInputs([from], { recursive: true, exclude });
  const send = async ({ path }: Input, progress: Progress): Promise<void> => {
    const name = path === from ? path : relative(from, path);
    const Key = prefix + name.split(sep).join("/");
    const location = { Bucket, Key, text: `s3://${Bucket}/${Key}` };
    const stored = await namingS3(location.text, () =>
      readSource(path, (source) =>
        put(ui, s3, readPieces(source), source.size, location, job, progress),
      ),
    );
    progress.clear();
    await ui.result(printableLine(`${path} -> ${location.text}`), sent(path, location, stored));
  };
  await copyAll(ui, inputs, own, send, concurrency);
}

async function put(
  ui: Ui,
  s3: EncryptedS3,
  pieces: AsyncIterable<Uint8Array>,
  plaintextBytes: number | undefined,
  { Bucket, Key }: S3Location,
  job: UploadJob,
  progress: Progress,
): Promise<PutResult> {
  const Body = countBytes(pieces, (bytes) => progress.add(bytes));
  return s3.put({ Bucket, Key, Body }, { ...job, plaintextBytes, signal: ui.host.signal });
}

function sent(from: string, { text }: S3Location, { placement, ETag, VersionId }: PutResult) {
  return { from, to: text, placement, etag: ETag, versionId: VersionId };
}

async function download(
  ui: Ui,
  s3: EncryptedS3,
  location: S3Location,
  to: string,
  job: DownloadJob,
): Promise<void> {
  const { context, aad } = job;
  const { signal } = ui.host;
  if (to !== STANDARD) {
    using progress = ui.progress();
    progress.label = location.text;
    await receive(ui, s3, location, to, job, progress);
    return;
  }
  const { Bucket, Key } = location;
  const { body } = await s3.get({ Bucket, Key }, { context, aad, signal });
  await pipeline(
    body,
    streamInto((pieces) => ui.writeOut(...pieces)),
  );
}

async function downloadFolder(
  ui: Ui,
  { s3, names }: OpenedS3,
  { Bucket, Key: prefix }: S3Location,
  to: string,
  own: Opened["own"],
  { job, exclude, concurrency, skipExisting }: FolderJob<DownloadJob>,
): Promise<void> {
  const matches = matcher(exclude) ?? (() => false);
  // As in a folder: what is below an excluded one is left out as well.
  const isExcluded = (name: string): boolean =>
    name.split("/").some((_, i, all) => matches(all.slice(0, i + 1).join("/")));
  const inputs: (Input & { readonly location: S3Location })[] = [];
  for await (const { Key, Size } of names({ Bucket, Prefix: prefix })) {
    if (Key.endsWith("/")) continue; // What consoles store for an empty folder.
    const text = `s3://${Bucket}/${Key}`;
    const left = isExcluded(Key.slice(prefix.length)) ? "excluded" : undefined;
    inputs.push({ path: text, size: Size, folder: prefix, left, location: { Bucket, Key, text } });
  }
  await mkdir(to, { recursive: true }).catch((error: unknown) => {
    throw fileError(to, error);
  });
  const fetch = async (
    { location }: (typeof inputs)[number],
    progress: Progress,
  ): Promise<Reason | void> => {
    const segments = segmentsOf(location.Key.slice(prefix.length));
    const path = join(to, ...segments);
    await own.refuse(path);
    if (!job.force && (await exists(path))) {
      if (skipExisting) return "its output exists";
      throw new OutputExists(path);
    }
    await makeFoldersOf(to, segments);
    await namingS3(location.text, () => receive(ui, s3, location, path, job, progress));
  };
  await copyAll(ui, inputs, undefined, fetch, concurrency);
}

/** Decrypts an object into a file, which appears once all of it has verified. */
async function receive(
  ui: Ui,
  s3: EncryptedS3,
  { Bucket, Key, text }: S3Location,
  to: string,
  { context, aad, force }: DownloadJob,
  progress: Progress,
): Promise<void> {
  const { signal } = ui.host;
  const { body, plaintextBytes } = await s3.get({ Bucket, Key }, { context, aad, signal });
  progress.total ??= plaintextBytes;
  let written = 0;
  try {
    await writeOutput(to, { overwrite: force, signal }, (file) =>
      pipeline(
        body,
        streamInto(async (pieces) => {
          await writeAll(file, pieces);
          const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
          written += bytes;
          progress.add(bytes);
        }),
      ),
    );
  } finally {
    body.destroy(); // Nothing has read it where the file cannot be written.
  }
  progress.clear();
  const line = `${printableLine(`${text} -> ${to}`)}  (${formatBytes(written)})`;
  await ui.result(line, { from: text, to, plaintextBytes: written });
}

async function copyAll<T extends Input>(
  ui: Ui,
  inputs: readonly T[],
  own: Opened["own"] | undefined,
  copy: (input: T, progress: Progress) => Promise<Reason | void>,
  concurrency: number,
): Promise<void> {
  const totals = await forEachInput(ui, inputs, own, copy, concurrency);
  const { files, failed } = totals;
  ui.note(`${count(files - failed, "file")} copied${failed === 0 ? "" : `, ${failed} failed`}`);
  requireAllDone(totals);
}

/** Runs a call of which an error of S3 names the object. */
async function namingS3<T>(about: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw s3Error(about, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
