/**
 * Rewraps a stored message: its data key gets new wrapped copies, and the payload stays as it was.
 *
 * The header is overwritten in place where the new one is as long as the old one, which padding usually
 * makes possible: a few kilobytes are written whatever the size of the file, under a journal
 * (`journal.ts`). Otherwise a new file takes the name. Either way the file can be opened at every moment,
 * with the old header or with the new one.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { constants, type BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { Envelope, RewrapOptions, RewrapReport, Wrapping } from "@env/core";
import { MAX_HEADER_BYTES, parseHeader, plaintextLength, PREFIX_BYTES } from "@env/core/message";
import { withFileLock } from "./file-lock.ts";
import {
  changedMeanwhile,
  nodeFileSystem,
  openNoFollow,
  pathOf,
  readInto,
  systemError,
  writeFully,
  type FileSystem,
} from "./file-system.ts";
import { removeJournal, writeHeader, writeJournal } from "./journal.ts";
import { removeStale, requireUnchanged, writeLocked } from "./output.ts";
import { promisedHeader, recover } from "./recovery.ts";
import type { Progress } from "./transcode.ts";

export interface RewrapFileOptions extends Pick<RewrapOptions, "context" | "from" | "signal"> {
  /** Reports what would be done: makes the same KMS calls and writes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Called as a copy goes on, with bytes of the payload; at the end `bytes` equals `total`. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface RewrapFileResult extends Wrapping {
  /** `false`: every entry was wrapped by the current version of its CMK, and nothing was written. */
  readonly changed: boolean;
  /** Whether the plaintext data key was in this process, or stayed inside the KMS. */
  readonly plaintextSeen: boolean;
  /** What became of each entry. */
  readonly entries: readonly RewrapReport[];
  /** How it was written, or would be. */
  readonly method: "in-place" | "copied" | "none";
  /** Bytes written to the message: its header, or all of it. Without the journal. */
  readonly bytesWritten: number;
}

/** Bytes per read and write of a copy. */
const PIECE_BYTES = 2 ** 20;

const OPTIONS = new Set(["context", "from", "signal"]); // And those of this file.

/**
 * Wraps the data key of a file again: under the current version of each configured CMK and under CMKs that
 * were added, but not under those of `from`. See `Envelope.rewrap`.
 *
 * In place, the file keeps its inode, owner, mode and links, and readers that have it open can go on. A copy
 * takes over permission bits and, where this process may set it, owner; other hard links keep the old
 * file. What a killed copy leaves, `.<name>.envelope-part`, the next rewrap of the file removes. The
 * modification time is new in both cases: backup tools go by it, and the new header belongs in a backup.
 *
 * @param path - Of a regular file. Symbolic links are refused, so that nobody else decides what is
 * written to. An interrupted rewrap is finished first.
 * @param options - `signal` is obeyed until the first byte of the file is written, or the copy is named.
 * @throws {@link EnvelopeError} as `Envelope.rewrap`, `ERR_ENVELOPE_TRUNCATED` for a file that is cut, and as
 * `recoverFile`; an Error with code `EBUSY` where the file is being written already or was changed
 * meanwhile, `ELOOP` for a symbolic link; what the file system throws; TypeError for misuse.
 */
export async function rewrapFile(
  envelope: Envelope,
  path: string | URL,
  options: RewrapFileOptions,
): Promise<RewrapFileResult> {
  return rewrapFileOn(nodeFileSystem, envelope, path, options);
}

/** {@link rewrapFile} over a given file layer, which tests make fail. */
export async function rewrapFileOn(
  files: FileSystem,
  envelope: Envelope,
  path: string | URL,
  { dryRun = false, onProgress, ...options }: RewrapFileOptions,
): Promise<RewrapFileResult> {
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) throw new TypeError(`unknown option ${JSON.stringify(unknown)}`);
  options.signal?.throwIfAborted();
  const file = resolve(pathOf(path));
  if (dryRun) {
    return withTarget(files, file, constants.O_RDONLY, async (target) => {
      const promised = await promisedHeader(files, file, target.handle);
      const header = promised ?? (await readHeader(target.handle));
      const outcome = await plan(envelope, target, header, options);
      return { ...outcome.result, bytesWritten: 0 };
    });
  }
  return withFileLock(file, async () => {
    await recover(files, file);
    await removeStale(files, file);
    return withTarget(files, file, constants.O_RDWR, async (target) => {
      const oldHeader = await readHeader(target.handle);
      const { result, newHeader } = await plan(envelope, target, oldHeader, options);
      if (result.method === "none") return result;
      await requireSame(files, file, target, oldHeader);
      options.signal?.throwIfAborted();
      const change: Change = { ...target, oldHeader, newHeader };
      if (result.method === "in-place") await writeInPlace(files, file, change);
      else await copy(files, file, change, onProgress, options.signal);
      return result;
    });
  });
}

/** A file to rewrap, open. */
interface Target {
  readonly handle: FileHandle;
  readonly stats: BigIntStats;
  readonly size: number;
}

interface Change extends Target {
  readonly oldHeader: Uint8Array;
  readonly newHeader: Uint8Array;
}

interface Plan {
  readonly result: RewrapFileResult;
  readonly newHeader: Uint8Array;
}

async function withTarget<T>(
  files: FileSystem,
  path: string,
  flags: number,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const handle = await openNoFollow(files, path, flags);
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw systemError("EINVAL", `${path} is not a regular file`, path);
    return await use({ handle, stats, size: Number(stats.size) });
  } finally {
    await handle.close();
  }
}

/** The bytes of the header, or as many as a header can have where its length cannot be told. */
async function readHeader(handle: FileHandle): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_HEADER_BYTES);
  const front = bytes.subarray(0, await readInto(handle, bytes, 0));
  return front.subarray(0, parseHeader(front).length);
}

/** Asks the KMS, and says what is to be written. */
async function plan(
  envelope: Envelope,
  { size }: Target,
  header: Uint8Array,
  options: Pick<RewrapOptions, "context" | "from" | "signal">,
): Promise<Plan> {
  plaintextLength(size - header.length); // Refuses a cut file before a KMS is called.
  const rewrapped = await envelope.rewrap(header, options);
  const { changed, plaintextSeen, entries, wrapped, cmks, message: newHeader } = rewrapped;
  const fits = newHeader.length === header.length;
  const method = !changed ? "none" : fits ? "in-place" : "copied";
  const payloadBytes = fits ? 0 : size - header.length;
  const bytesWritten = changed ? newHeader.length + payloadBytes : 0;
  const facts = { changed, plaintextSeen, entries, wrapped, cmks };
  return { result: { ...facts, method, bytesWritten }, newHeader };
}

/** The plan is for the file as it was before the KMS calls, which may have taken long. */
async function requireSame(
  files: FileSystem,
  path: string,
  { handle, stats }: Target,
  header: Uint8Array,
): Promise<void> {
  await requireUnchanged(files, path, stats);
  // A clock is too coarse for a change right after the file was opened.
  if (Buffer.compare(await readHeader(handle), header) !== 0) throw changedMeanwhile(path);
}

async function writeInPlace(
  files: FileSystem,
  path: string,
  { handle, size, oldHeader, newHeader }: Change,
): Promise<void> {
  const prefix = new Uint8Array(PREFIX_BYTES);
  await readInto(handle, prefix, oldHeader.length);
  await writeJournal(files, path, { fileBytes: size, prefix, oldHeader, newHeader });
  // From here on the journal is what counts: a failure leaves it there, for the next recovery.
  await writeHeader(handle, newHeader);
  await removeJournal(files, path);
}

/** The new header and the old payload, in a new file that takes the old one's name. */
async function copy(
  files: FileSystem,
  path: string,
  { handle, stats, size, oldHeader, newHeader }: Change,
  onProgress: ((progress: Progress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = { overwrite: true, like: stats, replaces: stats, signal };
  await writeLocked(files, path, options, async (output) => {
    await writeFully(output, newHeader, 0);
    const piece = new Uint8Array(PIECE_BYTES);
    const moved = newHeader.length - oldHeader.length;
    const total = size - oldHeader.length;
    for (let bytes = 0; bytes < total;) {
      const at = oldHeader.length + bytes;
      const filled = await readInto(handle, piece.subarray(0, total - bytes), at, signal);
      if (filled === 0) throw changedMeanwhile(path);
      await writeFully(output, piece.subarray(0, filled), at + moved);
      bytes += filled;
      onProgress?.({ bytes, total });
    }
  });
}
