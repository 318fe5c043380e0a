/**
 * The journal of a rewrap in place: a torn write of a header must not destroy the only copy of a key.
 *
 * Before a header is overwritten, the old one and the new one lie in `.<name>.envelope-journal` beside the
 * file, on the disk. A complete journal is a promise: whoever finds it writes the new header, forces
 * it to the disk and removes the journal (`recovery.ts`). A torn journal means that the header was not
 * touched yet.
 *
 * What must stay true: a journal is believed only where this user or the file's owner wrote it, nobody
 * else may write it, and all it says fits the file as it is now. Anybody may put something in its place.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EnvelopeError, isEnvelopeError, type Bytes } from "@env/core";
import { MAX_HEADER_BYTES, parseHeader, PREFIX_BYTES, type Header } from "@env/core/message";
import {
  hasCode,
  isOwn,
  openNoFollow,
  readInto,
  syncFolder,
  writeFully,
  type FileSystem,
} from "./file-system.ts";

/** What a journal holds. */
export interface Journal {
  /** Bytes of the whole file. */
  readonly fileBytes: number;
  /** The first 56 bytes of the payload: salt and commitment. */
  readonly prefix: Uint8Array;
  readonly oldHeader: Uint8Array;
  /** The header to write, as long as the old one. */
  readonly newHeader: Uint8Array;
}

/** What {@link findJournal} finds. */
export type Found =
  | { readonly kind: "nothing" }
  /** The journal of a rewrap that is to be finished. */
  | { readonly kind: "pending"; readonly journal: Journal }
  /** The journal of a rewrap that never began. */
  | { readonly kind: "torn" }
  /** A whole journal that is not about the file as it is now. */
  | { readonly kind: "misfit"; readonly reason: string }
  /** Something that this user or the owner of the file cannot have written as a journal. */
  | { readonly kind: "foreign" };

/** Where the journal of a file is: `.<name>.envelope-journal` beside it. */
export function journalPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.envelope-journal`);
}

/**
 * Looks for the journal of a file, and at what it says. Changes nothing.
 *
 * @param file - The file at `path`, open for reading; `undefined` where there is none.
 * @throws what the file system throws (`EACCES` for a journal that may not be read); {@link EnvelopeError}
 * `ERR_ENVELOPE_UNSUPPORTED` for a journal of a later version.
 */
export async function findJournal(
  files: Pick<FileSystem, "lstat" | "open">,
  path: string,
  file: FileHandle | undefined,
): Promise<Found> {
  const name = journalPath(path);
  let handle: FileHandle;
  let owners: readonly number[];
  try {
    const stats = await files.lstat(name); // What is not ours is not even opened.
    owners = file === undefined ? [] : [(await file.stat()).uid];
    if (!isOwn(stats, owners)) return { kind: "foreign" };
    handle = await openNoFollow(files, name, constants.O_RDONLY);
  } catch (error) {
    // ENAMETOOLONG: a file whose journal's name would be too long never had one.
    if (hasCode(error, "ENOENT", "ENAMETOOLONG")) return { kind: "nothing" };
    if (hasCode(error, "ELOOP", "ENXIO")) return { kind: "foreign" };
    throw error;
  }
  try {
    if (!isOwn(await handle.stat(), owners)) return { kind: "foreign" };
    const bytes = new Uint8Array(MAX_JOURNAL_BYTES + 1);
    const journal = decodeJournal(bytes.subarray(0, await readInto(handle, bytes, 0)));
    if (journal === undefined) return { kind: "torn" };
    const reason = await misfitOf(journal, file);
    return reason === undefined ? { kind: "pending", journal } : { kind: "misfit", reason };
  } finally {
    await handle.close();
  }
}

/** Why a journal is not about a file as it is now. `undefined`: it is. */
async function misfitOf(
  { fileBytes, prefix, oldHeader, newHeader }: Journal,
  file: FileHandle | undefined,
): Promise<string | undefined> {
  if (file === undefined) return "the file is gone";
  const { size } = await file.stat();
  if (size !== fileBytes) return `the file has ${size} bytes, not ${fileBytes}`;
  if (!isRewrap(oldHeader, newHeader)) return "what it holds is not two headers of one message";
  const front = new Uint8Array(newHeader.length + PREFIX_BYTES);
  await readInto(file, front, 0);
  const header = front.subarray(0, newHeader.length);
  if (!equal(front.subarray(header.length), prefix)) return "the payload is another";
  if (isHeader(header) && !isBetween(header, oldHeader, newHeader)) return "the header is another";
  return undefined;
}

/** Whether one header can have become the other: all but the key block is the same. */
function isRewrap(oldHeader: Uint8Array, newHeader: Uint8Array): boolean {
  const [before, after] = [headerOf(oldHeader), headerOf(newHeader)];
  if (before?.length !== oldHeader.length || after?.length !== newHeader.length) return false;
  if (after.entries === undefined || before.keyBlockOffset !== after.keyBlockOffset) return false;
  const fixed = after.keyBlockOffset;
  return equal(oldHeader.subarray(0, fixed), newHeader.subarray(0, fixed));
}

/** Whether `bytes` are the old header, the new one, or what a torn write leaves: parts of both, and zeros. */
function isBetween(bytes: Uint8Array, oldHeader: Uint8Array, newHeader: Uint8Array): boolean {
  return bytes.every((byte, i) => byte === oldHeader[i] || byte === newHeader[i] || byte === 0);
}

/** Whether a header that can be parsed starts here. */
export function isHeader(bytes: Uint8Array): boolean {
  return headerOf(bytes) !== undefined;
}

function headerOf(bytes: Uint8Array): Header | undefined {
  try {
    return parseHeader(bytes);
  } catch (error) {
    if (isEnvelopeError(error)) return undefined;
    throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * Puts a journal beside a file and forces both to the disk. Whoever calls holds the file's lock.
 *
 * @throws what the file system throws; `EEXIST` where something is in the way.
 */
export async function writeJournal(
  files: Pick<FileSystem, "open" | "unlink">,
  path: string,
  journal: Journal,
): Promise<void> {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const handle = await openNoFollow(files, journalPath(path), O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    try {
      await writeFully(handle, encodeJournal(journal), 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncFolder(files, dirname(path));
  } catch (error) {
    // The header is untouched, so this is tidiness: a journal that stays does no harm.
    await files.unlink(journalPath(path)).catch(() => undefined);
    throw error;
  }
}

/** Removes the journal, for good once this resolves. */
export async function removeJournal(
  files: Pick<FileSystem, "open" | "unlink">,
  path: string,
): Promise<void> {
  await files.unlink(journalPath(path));
  await syncFolder(files, dirname(path));
}

/** Overwrites a file's header, for good once this resolves. Its journal is on the disk. */
export async function writeHeader(file: FileHandle, header: Uint8Array): Promise<void> {
  await writeFully(file, header, 0);
  await file.sync();
}

const MAGIC = Uint8Array.of(0x8e, 0x45, 0x4e, 0x4a);
const VERSION = 1;
const FIXED_BYTES = 16 + PREFIX_BYTES + 8;
const CHECKSUM_BYTES = 32;
const MAX_JOURNAL_BYTES = FIXED_BYTES + 2 * MAX_HEADER_BYTES + CHECKSUM_BYTES;

/** The bytes of a journal. */
export function encodeJournal({ fileBytes, prefix, oldHeader, newHeader }: Journal): Bytes {
  const bytes = Buffer.alloc(FIXED_BYTES + oldHeader.length + newHeader.length + CHECKSUM_BYTES);
  bytes.set(MAGIC);
  bytes[4] = VERSION;
  bytes.writeBigUInt64BE(BigInt(fileBytes), 8);
  bytes.set(prefix, 16);
  bytes.writeUInt32BE(oldHeader.length, 16 + PREFIX_BYTES);
  bytes.writeUInt32BE(newHeader.length, 20 + PREFIX_BYTES);
  bytes.set(oldHeader, FIXED_BYTES);
  bytes.set(newHeader, FIXED_BYTES + oldHeader.length);
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  bytes.set(sha256(body), body.length);
  return new Uint8Array(bytes);
}

/**
 * Reads a journal.
 *
 * @returns `undefined` for anything that is not whole.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` for a later version.
 */
export function decodeJournal(bytes: Uint8Array): Journal | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!equal(view.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const version = view[MAGIC.length] ?? 0;
  if (version > VERSION) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_UNSUPPORTED",
      `the journal has version ${version}, which this build does not read: update the package`,
    );
  }
  if (version < VERSION || view.length < FIXED_BYTES + CHECKSUM_BYTES) return undefined;
  const oldBytes = view.readUInt32BE(16 + PREFIX_BYTES);
  const newBytes = view.readUInt32BE(20 + PREFIX_BYTES);
  const end = FIXED_BYTES + oldBytes + newBytes;
  if (oldBytes !== newBytes || view.length !== end + CHECKSUM_BYTES) return undefined;
  if (!equal(sha256(view.subarray(0, end)), view.subarray(end))) return undefined;
  return {
    fileBytes: Number(view.readBigUInt64BE(8)),
    prefix: new Uint8Array(view.subarray(16, 16 + PREFIX_BYTES)),
    oldHeader: new Uint8Array(view.subarray(FIXED_BYTES, FIXED_BYTES + oldBytes)),
    newHeader: new Uint8Array(view.subarray(FIXED_BYTES + oldBytes, end)),
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
