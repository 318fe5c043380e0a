/**
 * Whole files: encrypted, decrypted and verified at the speed of the machine.
 *
 * Each chunk has its place in both files by arithmetic, so that segments are read, sealed or opened,
 * and written in any order: by the calling thread for a short file and until threads are there, then
 * by the pool's threads, through which the bytes pass without crossing over.
 *
 * What must stay true: the target appears complete or not at all, holds only what has verified, and
 * no thread still writes when a file is closed or removed.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import {
  isEnvelopeError,
  type Aad,
  type Context,
  type DecryptOptions,
  type Envelope,
  type Wrapping,
} from "@env/core";
import {
  MAX_HEADER_BYTES,
  messageReader,
  messageWriter,
  plaintextLength,
  PREFIX_BYTES,
  sealedLength,
  type MessageReader,
  type MessageWriter,
} from "@env/core/message";
import { LONG_BYTES } from "./engine.ts";
import {
  changedMeanwhile,
  locate,
  nodeFileSystem,
  pathOf,
  writeFully,
  type FileSystem,
} from "./file-system.ts";
import { messageSource, openFront, openRegular, type SourceFile } from "./message-file.ts";
import { writeFileWholeOn } from "./output.ts";
import { sharedPool, shareOf, type PoolShare, type WorkerPool } from "./pool.ts";
import { transcode, type Progress, type Transcoding } from "./transcode.ts";

export interface FileOptions {
  /**
   * How many segments (4 MiB) the pool's threads may have at once. 0: the calling thread does all the
   * work. Default: two per thread, which is as many as the pool takes.
   */
  readonly concurrency?: number | undefined;
  /** Called as the work goes on, with bytes of plaintext; at the end `bytes` equals `total`. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of functions that write a file. */
export interface TargetOptions {
  /** Whether a regular file of the target's name may be replaced; nothing else ever is. Default: false. */
  readonly overwrite?: boolean | undefined;
  /**
   * Gives the target the permission bits of the source as far as the umask allows, and its owner and group
   * where this process may set them. Default: false, which gives it the mode 0600.
   */
  readonly preserve?: boolean | undefined;
}

export interface EncryptFileOptions extends FileOptions, TargetOptions {
  /** The context, as for `Envelope.encrypt`. */
  readonly context: Context;
  readonly aad?: Aad | undefined;
  readonly storeContext?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DecryptFileOptions extends DecryptOptions, FileOptions, TargetOptions {}
export interface VerifyFileOptions extends DecryptOptions, FileOptions {}

/** Sizes in bytes. */
export interface FileResult {
  readonly plaintextBytes: number;
  /** Header and payload. */
  readonly messageBytes: number;
}

/** What {@link encryptFile} wrote, and how many of the CMKs can open it. */
export interface EncryptFileResult extends FileResult, Wrapping {}

/**
 * Encrypts a file into another.
 *
 * The header is padded to a multiple of 4096 bytes, so that a rewrap can replace the wrapped keys in
 * place.
 *
 * @param source - A regular file; symbolic links are followed. It must not change while it is read.
 * @param target - Appears whole or not at all, as with `writeFileWhole`. May be `source`.
 * @throws as `Envelope.encrypt`; an Error with code `EBUSY` where the source was written while it was
 * read, as its size and modification time show; as `writeFileWhole` for the target (`EEXIST` where it is there
 * and `overwrite` is not given); what the file system throws (`ENOENT`, `ENOSPC`, …); ThreadLost where
 * a thread of the pool dies.
 *
 * @example
 * ```ts
 * await encryptFile(envelope, "dump.sql", "dump.sql.envelope", { context: { tenant: "acme" } });
 * ```
 */
export function encryptFile(
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  options: EncryptFileOptions,
): Promise<EncryptFileResult> {
  return encryptFileOn(machine(), envelope, source, target, options);
}

/**
 * Decrypts a file into another. Nothing is there under the target's name unless every byte of it has
 * verified. Finishes an interrupted rewrap of the source first.
 *
 * @param source - A regular file; symbolic links are followed. It must not change while it is
 * read, except by a rewrap.
 * @param target - As with {@link encryptFile}.
 * @throws as `Envelope.decrypt`, and as {@link encryptFile}.
 */
export function decryptFile(
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  options: DecryptFileOptions,
): Promise<FileResult> {
  return decryptFileOn(machine(), envelope, source, target, options);
}

/**
 * Verifies every byte of an encrypted file, as {@link decryptFile}, and writes nothing.
 *
 * @throws as `Envelope.decrypt`; an Error with code `EBUSY` where the size of the source changed while
 * it was read; what the file system throws.
 */
export function verifyFile(
  envelope: Envelope,
  source: string | URL,
  options: VerifyFileOptions,
): Promise<FileResult> {
  return openFileOn(machine(), envelope, source, options, (_, work) => work());
}

/** What the work is done with. Tests pass a file system that fails and a pool of their own. */
export interface Machine {
  readonly files: FileSystem;
  readonly pool: WorkerPool | undefined;
}

function machine(): Machine {
  return { files: nodeFileSystem, pool: sharedPool() };
}

/** The header is padded to a multiple of this, so that a rewrap in place finds room. The payload is page-aligned. */
const HEADER_ALIGNMENT = 4096;

/** {@link encryptFile} on a machine of choice. */
export async function encryptFileOn(
  { files, pool }: Machine,
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  { concurrency, onProgress, overwrite, preserve, ...message }: EncryptFileOptions,
): Promise<EncryptFileResult> {
  const writer = messageWriter(envelope, { ...message, headerAlignment: HEADER_ALIGNMENT });
  const share = shareOf(concurrency, pool);
  const { signal } = message;
  signal?.throwIfAborted();
  return withSource(files, pathOf(source), async (from) => {
    const { file, stats, size: plaintextBytes } = from;
    startEarly(share, plaintextBytes);
    const like = preserve === true ? stats : undefined;
    const output = { overwrite, like, signal };
    writer.count(plaintextBytes);
    return reported(writer, () =>
      writeFileWholeOn(files, pathOf(target), output, async (into) => {
        const front = await writer.start(plaintextBytes);
        await writeFully(into, front, 0);
        await transcodeSteady(from, {
          operation: "seal",
          codec: writer.codec,
          source: file,
          sourceAt: 0,
          sourceBytes: plaintextBytes,
          target: into,
          targetAt: front.length,
          share,
          signal,
          onProgress,
        });
        const messageBytes = front.length + sealedLength(plaintextBytes, true);
        return { plaintextBytes, messageBytes, ...writer.wrapping };
      }),
    );
  });
}

/** {@link decryptFile} on a machine of choice. */
export async function decryptFileOn(
  { files, pool }: Machine,
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  { overwrite, preserve, ...options }: DecryptFileOptions,
): Promise<FileResult> {
  return openFileOn({ files, pool }, envelope, source, options, ({ stats }, work) => {
    const like = preserve === true ? stats : undefined;
    const output = { overwrite, like, signal: options.signal };
    return writeFileWholeOn(files, pathOf(target), output, work);
  });
}

/** @param place - Makes the file, if any, that the plaintext goes to. */
async function openFileOn(
  { files, pool }: Machine,
  envelope: Envelope,
  source: string | URL,
  { concurrency, onProgress, ...message }: VerifyFileOptions,
  place: (
    from: SourceFile,
    work: (into?: FileHandle) => Promise<FileResult>,
  ) => Promise<FileResult>,
): Promise<FileResult> {
  const reader = messageReader(envelope, message);
  const share = shareOf(concurrency, pool);
  const { signal } = message;
  signal?.throwIfAborted();
  return withSource(files, pathOf(source), async (from) => {
    const { file, size: messageBytes } = from;
    startEarly(share, messageBytes);
    const work = async (into?: FileHandle): Promise<FileResult> => {
      const opened = await messageSource(from);
      const frontBytes = MAX_HEADER_BYTES + PREFIX_BYTES;
      const { header } = await openFront(reader, opened, frontBytes, signal);
      const payloadBytes = messageBytes - header.length;
      await transcodeSteady(from, {
        operation: "open",
        codec: reader.codec,
        source: file,
        sourceAt: header.length + PREFIX_BYTES,
        sourceBytes: payloadBytes - PREFIX_BYTES,
        ...(into && { target: into }),
        targetAt: 0,
        share,
        signal,
        onProgress,
      });
      return { plaintextBytes: plaintextLength(payloadBytes), messageBytes };
    };
    return reported(reader, async () => {
      const result = await place(from, work);
      reader.count(result.plaintextBytes);
      return result;
    });
  });
}

/** The threads of a long file come up while the KMS is asked. */
function startEarly(share: PoolShare | undefined, bytes: number): void {
  if (share !== undefined && bytes >= LONG_BYTES) void share.pool.start();
}

/** Reports the message to the envelope's observer. */
async function reported<T>(
  message: MessageWriter | MessageReader,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    message.done();
    return result;
  } catch (error) {
    message.fail(error);
    throw error;
  }
}

/** Opens `path` for as long as `work` takes. */
async function withSource<T>(
  files: FileSystem,
  path: string,
  work: (source: SourceFile) => Promise<T>,
): Promise<T> {
  const source = await openRegular(files, path);
  try {
    return await work(source);
  } catch (error) {
    throw locate(error, path, "read", "fstat");
  } finally {
    await source.file.close();
  }
}

/** {@link transcode}, which fails for a file that was written meanwhile: what was read is then a mixture. */
async function transcodeSteady(from: SourceFile, job: Transcoding): Promise<void> {
  const hasChanged = async (): Promise<boolean> => {
    const now = await from.file.stat({ bigint: true });
    if (now.size !== from.stats.size) return true;
    // Chunks prove themselves, and a rewrap in place does not touch them.
    return job.operation === "seal" && now.mtimeNs !== from.stats.mtimeNs;
  };
  try {
    await transcode(job);
  } catch (error) {
    if (!isEnvelopeError(error) || !(await hasChanged())) throw error;
    throw changedMeanwhile(from.path, error);
  }
  if (await hasChanged()) throw changedMeanwhile(from.path);
}
