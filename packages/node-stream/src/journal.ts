/**
 * The journal of a rewrap in place: a torn write of a header must not destroy the only copy of a key.
 *
 * Before a header is overwritten, the old one and the new one lie in `.<name>.envelope-journal` beside the
 * file, on the disk. A complete journal is a promise: whoever finds it writes the new header, forces
 * it to the disk and removes the journal, however much of that was done before. Writing it again is
 * harmless, and trusting what is there is not: after a failed fsync the cache may hold what the disk
 * does not. A torn journal means that the header was not touched yet, so it is removed.
 *
 * What must stay true: a journal is applied only to the file it was written for (its size, and salt
 * and commitment, which no other message has), and only where the file's owner or this user wrote it.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { EnvelopeError, type Bytes } from "@env/core";
import { MAX_HEADER_BYTES, parseHeader, PREFIX_BYTES } from "@env/core/message";
import { hasCode, systemError, withFileLock } from "./file-lock.ts";
import { readInto } from "./range-source.ts";

/** What is asked of the file system. Tests pass one that fails on demand. */
export interface JournalFiles {
  readonly open: typeof open;
  readonly unlink: typeof unlink;
}

const nodeFiles: JournalFiles = { open, unlink };

/** What a journal holds. */
export interface Journal {
  /** Bytes of the whole file. */
  readonly fileBytes: number;
  /** The first 56 bytes of the payload: salt and commitment. */
  readonly prefix: Uint8Array;
  readonly oldHeader: Uint8Array;
  /** As long as the old one. */
  readonly newHeader: Uint8Array;
}

/** What became of a journal: there was none, it was torn and removed, or its rewrap was finished. */
export type Recovery = "none" | "discarded" | "finished";

/** Where the journal of a file is: `.<name>.envelope-journal` beside it. */
export function journalPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.envelope-journal`);
}

/**
 * Finishes the rewrap of a file that was interrupted, if one was. `rewrapFile` and `openEncrypted` do
 * so by themselves. Needs no KMS.
 *
 * @param path - Of the encrypted file, not of the journal. No symbolic link.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` where the journal is not this file's, or is torn and
 * so is the header; `ERR_ENVELOPE_UNSUPPORTED` for one of a later version; an Error with code `EBUSY` while a
 * rewrap is under way; what the file system throws. Nothing was changed then, unless in writing.
 */
export async function recoverFile(path: string | URL): Promise<Recovery> {
  const file = resolve(path instanceof URL ? fileURLToPath(path) : path);
  if (!(await exists(journalPath(file)))) return "none";
  return withFileLock(file, () => recover(nodeFiles, file));
}

/**
 * {@link recoverFile} for whoever holds the file's lock.
 *
 * @param path - Absolute.
 */
export async function recover(files: JournalFiles, path: string): Promise<Recovery> {
  const journal = await openJournal(files, path);
  if (journal === undefined) return "none";
  try {
    const file = await openNoFollow(files, path, constants.O_RDWR);
    try {
      const stats = await file.stat();
      const found = await readJournal(journal, stats, path);
      if (found === undefined) await requireHeader(file, path);
      else {
        await requireBound(file, stats, found, path);
        await writeHeader(file, found.newHeader);
      }
      await removeJournal(files, path);
      return found === undefined ? "discarded" : "finished";
    } finally {
      await file.close();
    }
  } finally {
    await journal.close();
  }
}

/**
 * For a reader: has an interrupted rewrap finished, and where that cannot be done (no permission, or
 * one is under way) gives the header to read with instead of the file's own.
 *
 * @param path - Resolved: the journal is beside the file itself, not beside a link to it.
 * @throws as {@link recoverFile}, but never `EBUSY`.
 */
export async function settledHeader(path: string): Promise<Uint8Array | undefined> {
  try {
    await recoverFile(path);
    return undefined;
  } catch (error) {
    if (!hasCode(error, "EBUSY", "EACCES", "EPERM", "EROFS")) throw error;
    return journaledHeader(path);
  }
}

/**
 * The header that a complete journal promises, for a reader that writes nothing.
 *
 * @param path - No symbolic link.
 * @throws as {@link recoverFile}, but never `EBUSY`.
 */
export async function journaledHeader(path: string): Promise<Uint8Array | undefined> {
  let journal: FileHandle | undefined;
  try {
    journal = await openJournal(nodeFiles, path);
  } catch (error) {
    // Another user's, who alone may read it. The header itself will tell whether it is whole.
    if (!hasCode(error, "EACCES", "EPERM")) throw error;
  }
  if (journal === undefined) return undefined;
  try {
    const file = await open(path, constants.O_RDONLY);
    try {
      const stats = await file.stat();
      const found = await readJournal(journal, stats, path);
      if (found !== undefined) await requireBound(file, stats, found, path);
      return found?.newHeader;
    } finally {
      await file.close();
    }
  } finally {
    await journal.close();
  }
}

/**
 * Puts a journal beside a file and forces both to the disk. Whoever calls holds the file's lock.
 *
 * @throws what the file system throws; `EEXIST` where something is in the way.
 */
export async function writeJournal(
  files: JournalFiles,
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
export async function removeJournal(files: JournalFiles, path: string): Promise<void> {
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
  if (Buffer.compare(view.subarray(0, MAGIC.length), MAGIC) !== 0) return undefined;
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
  if (Buffer.compare(sha256(view.subarray(0, end)), view.subarray(end)) !== 0) return undefined;
  return {
    fileBytes: Number(view.readBigUInt64BE(8)),
    prefix: new Uint8Array(view.subarray(16, 16 + PREFIX_BYTES)),
    oldHeader: new Uint8Array(view.subarray(FIXED_BYTES, FIXED_BYTES + oldBytes)),
    newHeader: new Uint8Array(view.subarray(FIXED_BYTES + oldBytes, end)),
  };
}

/** Opens without following a symbolic link at the end of `path`. */
export async function openNoFollow(
  files: Pick<JournalFiles, "open">,
  path: string,
  flags: number,
  mode?: number,
): Promise<FileHandle> {
  try {
    return await files.open(path, flags | (constants.O_NOFOLLOW ?? 0), mode);
  } catch (error) {
    if (!hasCode(error, "ELOOP")) throw error;
    throw systemError("ELOOP", `${path} is a symbolic link: name the file itself`, path);
  }
}

async function exists(journal: string): Promise<boolean> {
  try {
    const handle = await openNoFollow({ open }, journal, constants.O_RDONLY);
    await handle.close();
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    if (hasCode(error, "EACCES", "EPERM")) return true;
    throw error;
  }
}

async function openJournal(files: JournalFiles, path: string): Promise<FileHandle | undefined> {
  try {
    return await openNoFollow(files, journalPath(path), constants.O_RDONLY);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** ENAMETOOLONG: a file whose journal's name would be too long never had one. */
function isAbsent(error: unknown): boolean {
  return hasCode(error, "ENOENT", "ENAMETOOLONG");
}

/** `undefined`: torn. */
async function readJournal(
  journal: FileHandle,
  file: Stats,
  path: string,
): Promise<Journal | undefined> {
  const { uid } = await journal.stat();
  // In a folder like /tmp anybody may put a file beside another's.
  if (uid !== file.uid && uid !== process.geteuid?.()) throw foreign(path, "another user wrote it");
  const bytes = new Uint8Array(MAX_JOURNAL_BYTES + 1);
  return decodeJournal(bytes.subarray(0, await readInto(journal, bytes, 0)));
}

/** A torn journal was never followed by a write to the header. If the header is torn all the same, keep both. */
async function requireHeader(file: FileHandle, path: string): Promise<void> {
  const bytes = new Uint8Array(MAX_HEADER_BYTES);
  try {
    parseHeader(bytes.subarray(0, await readInto(file, bytes, 0)));
  } catch (cause) {
    const message = `${journalPath(path)} and the header of the file are damaged: restore a backup`;
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", message, { cause });
  }
}

/** What a journal says of its file must hold, or it is another's. The header itself may be torn. */
async function requireBound(
  file: FileHandle,
  { size }: Stats,
  { fileBytes, prefix, newHeader }: Journal,
  path: string,
): Promise<void> {
  if (size !== fileBytes) throw foreign(path, `the file has ${size} bytes, not ${fileBytes}`);
  const found = new Uint8Array(PREFIX_BYTES);
  await readInto(file, found, newHeader.length);
  if (Buffer.compare(found, prefix) !== 0) throw foreign(path, "the payload is another");
}

function foreign(path: string, reason: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    `${journalPath(path)} does not belong to the file beside it (${reason}): if the file was replaced, remove the journal`,
  );
}

export async function writeFully(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Makes names in a folder last: a file's own fsync does not. */
export async function syncFolder(files: Pick<JournalFiles, "open">, folder: string): Promise<void> {
  if (process.platform === "win32") return; // There a folder cannot be opened, and names last.
  const handle = await files.open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } catch (error) {
    if (!hasCode(error, "EINVAL")) throw error; // A file system that has no such thing.
  } finally {
    await handle.close();
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
