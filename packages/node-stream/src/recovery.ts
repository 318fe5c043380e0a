/**
 * What happens to the journal of a rewrap that was interrupted.
 *
 * A complete journal is a promise: the new header is written and forced to the disk, and then the
 * journal is removed, however much of that was done before. Writing it again is harmless, and trusting
 * what is there is not: after a failed fsync the cache may hold what the disk does not. A torn journal
 * is removed. Whatever is not a journal of the file is ignored by readers, refused by a rewrap, and set
 * aside when another file takes the name: it may hold the only copy of a key whose message was moved.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import { MAX_HEADER_BYTES } from "@env/core/message";
import { withFileLock } from "./file-lock.ts";
import {
  hasCode,
  nodeFileSystem,
  openNoFollow,
  pathOf,
  readInto,
  systemError,
  type FileSystem,
} from "./file-system.ts";
import {
  findJournal,
  isHeader,
  journalPath,
  removeJournal,
  writeHeader,
  type Found,
} from "./journal.ts";

/** The outcome of a recovery: there was no journal, a torn one was removed, or its rewrap was finished. */
export type Recovery = "none" | "discarded" | "finished";

/**
 * Finishes the rewrap of a file that was interrupted, if one was. Whatever reads or writes a file by
 * its path does so by itself. Needs no KMS.
 *
 * @param path - The path of the encrypted file, not of the journal. Symbolic links are refused.
 * @returns What was done.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` where the journal is not about the file as it is
 * now, or is torn and so is the header; `ERR_ENVELOPE_UNSUPPORTED` for a journal of a later version; an
 * Error with code `EBUSY` while the file is being written, `EEXIST` where what lies in the journal's
 * place cannot be one, `ELOOP` for a symbolic link; what the file system throws. Nothing was changed
 * then, unless in writing.
 */
export async function recoverFile(path: string | URL): Promise<Recovery> {
  const file = resolve(pathOf(path));
  if (!(await isTaken(nodeFileSystem, file))) return "none";
  return withFileLock(file, () => recover(nodeFileSystem, file));
}

/**
 * {@link recoverFile} for whoever holds the file's lock.
 *
 * @param path - Absolute.
 */
export async function recover(files: FileSystem, path: string): Promise<Recovery> {
  if (!(await isTaken(files, path))) return "none";
  const file = await openNoFollow(files, path, constants.O_RDWR);
  try {
    const found = await findJournal(files, path, file);
    requireBelieved(found, path);
    if (found.kind === "nothing") return "none";
    if (found.kind === "torn") await requireHeader(file, path);
    else await writeHeader(file, found.journal.newHeader);
    await removeJournal(files, path);
    return found.kind === "torn" ? "discarded" : "finished";
  } finally {
    await file.close();
  }
}

/**
 * Leaves no journal that could be taken for one of the file that is about to get the name `path`. For
 * whoever holds the lock. The rewrap of a file that still has the name is finished first: it may stay.
 */
export async function clearJournal(files: FileSystem, path: string): Promise<void> {
  if (!(await isTaken(files, path))) return;
  const file = await openIfThere(files, path);
  try {
    const found = await findOrRefuse(files, path, file);
    // What is foreign is never believed, so it may lie there.
    if (found.kind === "nothing" || found.kind === "foreign") return;
    if (found.kind === "pending" && file !== undefined) {
      await writeHeader(file, found.journal.newHeader);
    }
    const isSettled = found.kind !== "misfit" && file !== undefined && (await hasHeader(file));
    if (isSettled) await removeJournal(files, path);
    else await files.rename(journalPath(path), setAsidePath(path));
  } finally {
    await file?.close();
  }
}

/**
 * Finishes an interrupted rewrap on behalf of a reader. Where that is not possible (no permission, or a
 * rewrap is under way), returns the header to use instead of the file's own. Anything that is not a
 * journal of this file is ignored.
 *
 * @param path - Resolved: the journal is beside the file itself, not beside a link to it.
 * @param file - The file at `path`, open for reading.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` where journal and header are torn;
 * `ERR_ENVELOPE_UNSUPPORTED` for a journal of a later version; what the file system throws.
 */
export async function settledHeader(
  path: string,
  file: FileHandle,
): Promise<Uint8Array | undefined> {
  const found = await lookFor(path, file);
  if (found?.kind !== "pending" && found?.kind !== "torn") return undefined;
  try {
    await recoverFile(path);
    return undefined;
  } catch (error) {
    if (isEnvelopeError(error)) throw error;
  }
  return pendingHeader(path, file);
}

/**
 * {@link settledHeader} for a reader that changes nothing.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` for a journal of a later version; what the file
 * system throws.
 */
export async function pendingHeader(
  path: string,
  file: FileHandle,
): Promise<Uint8Array | undefined> {
  const found = await lookFor(path, file);
  return found?.kind === "pending" ? found.journal.newHeader : undefined;
}

/** The header that a dry run of a rewrap starts from, where a journal promises one. Throws as {@link recoverFile}. */
export async function promisedHeader(
  files: FileSystem,
  path: string,
  file: FileHandle,
): Promise<Uint8Array | undefined> {
  const found = await findJournal(files, path, file);
  requireBelieved(found, path);
  return found.kind === "pending" ? found.journal.newHeader : undefined;
}

/** Returns `undefined` for a journal that only another user may read. The header itself shows whether it is whole. */
async function lookFor(path: string, file: FileHandle): Promise<Found | undefined> {
  try {
    return await findJournal(nodeFileSystem, path, file);
  } catch (error) {
    if (hasCode(error, "EACCES", "EPERM")) return undefined;
    throw error;
  }
}

/** A journal of a later version may be about the file that is there, and about none that is not. */
async function findOrRefuse(
  files: FileSystem,
  path: string,
  file: FileHandle | undefined,
): Promise<Found> {
  try {
    return await findJournal(files, path, file);
  } catch (error) {
    if (file !== undefined || !isEnvelopeError(error)) throw error;
    return { kind: "misfit", reason: error.message };
  }
}

function requireBelieved(
  found: Found,
  path: string,
): asserts found is Exclude<Found, { kind: "foreign" | "misfit" }> {
  const journal = journalPath(path);
  if (found.kind === "foreign") {
    const problem = `${journal} is in the way of the journal, and not a file that this user or the owner of the message wrote: remove it`;
    throw systemError("EEXIST", problem, journal);
  }
  if (found.kind === "misfit") {
    throw new EnvelopeError(
      "ERR_ENVELOPE_FORMAT",
      `${journal} does not belong to the file beside it (${found.reason}): if the file was replaced, remove the journal`,
    );
  }
}

/** A torn journal was never followed by a write to the header. If the header is torn all the same, keep both. */
async function requireHeader(file: FileHandle, path: string): Promise<void> {
  if (await hasHeader(file)) return;
  const message = `${journalPath(path)} and the header of the file are damaged: restore a backup`;
  throw new EnvelopeError("ERR_ENVELOPE_FORMAT", message);
}

async function hasHeader(file: FileHandle): Promise<boolean> {
  const bytes = new Uint8Array(MAX_HEADER_BYTES);
  return isHeader(bytes.subarray(0, await readInto(file, bytes, 0)));
}

async function openIfThere(files: FileSystem, path: string): Promise<FileHandle | undefined> {
  try {
    return await openNoFollow(files, path, constants.O_RDWR);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Whether anything lies in the journal's place. */
async function isTaken(files: FileSystem, path: string): Promise<boolean> {
  try {
    await files.lstat(journalPath(path));
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENAMETOOLONG", "ENOTDIR")) return false;
    throw error;
  }
}

/** Random and shortened: with the ends added the name must not be too long for the file system. */
function setAsidePath(path: string): string {
  const name = `.${basename(path).slice(0, 48)}.${randomBytes(8).toString("hex")}`;
  return join(dirname(path), `${name}.envelope-journal`);
}
