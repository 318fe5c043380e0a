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
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  encodeContext,
  EnvelopeError,
  isEnvelopeError,
  type Aad,
  type Context,
  type DecryptOptions,
  type Envelope,
} from "@env/core";
import {
  checkDecryptOptions,
  checkEncryptOptions,
  MAX_HEADER_BYTES,
  openMessage,
  parseHeader,
  payloadLength,
  plaintextLength,
  PREFIX_BYTES,
  startMessage,
  watchMessage,
  type Header,
  type PayloadCodec,
} from "@env/core/message";
import { systemError } from "./file-lock.ts";
import { LONG_BYTES } from "./engine.ts";
import { settledHeader, writeFully } from "./journal.ts";
import { nodeFileSystem, OutputFile, type FileSystem } from "./output.ts";
import { sharedPool, shareOf, type PoolShare, type WorkerPool } from "./pool.ts";
import { readInto } from "./range-source.ts";
import { endedEarly } from "./tasks.ts";
import { transcode, type Progress } from "./transcode.ts";

export interface FileOptions {
  /**
   * How many segments (4 MiB) the pool's threads may have at once. 0: all is done in the calling
   * thread. Default: two per thread, which is as many as the pool takes.
   */
  readonly concurrency?: number | undefined;
  /** Called as the work goes on, and at its end with `bytes` equal to `total`. Of the plaintext. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** For those that write a file. */
export interface TargetOptions {
  /** Whether a file of the target's name may be replaced. Default: false. */
  readonly overwrite?: boolean | undefined;
}

export interface EncryptFileOptions extends FileOptions, TargetOptions {
  /** As `Envelope.encrypt`. */
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

/**
 * Encrypts a file into another.
 *
 * The header is padded to a multiple of 4096 bytes, so that a rewrap can replace the wrapped keys in
 * place. The target gets mode 0600.
 *
 * @param source - A regular file; symbolic links are followed. It must not change meanwhile.
 * @param target - Its folder holds a temporary file until the target is complete. May be `source`.
 * @throws as `Envelope.encrypt`; `ERR_ENV_TRUNCATED` or `ERR_ENV_LIMIT` where the source shrinks or
 * grows meanwhile; an Error with code `EEXIST` where the target exists and `overwrite` is not given,
 * and what the file system throws (`ENOENT`, `ENOSPC`, …); ThreadLost where a thread of the pool dies.
 * The target is then as it was before.
 *
 * @example
 * ```ts
 * await encryptFile(envelope, "dump.sql", "dump.sql.env", { context: { tenant: "acme" } });
 * ```
 */
export function encryptFile(
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  options: EncryptFileOptions,
): Promise<FileResult> {
  return encryptFileOn(machine(), envelope, source, target, options);
}

/**
 * Decrypts a file into another. Nothing is there under the target's name unless every byte of it has
 * verified. Finishes an interrupted rewrap of the source first.
 *
 * @param source - A regular file; symbolic links are followed. It must not change meanwhile.
 * @param target - Its folder holds a temporary file, mode 0600 as the target, until that is complete.
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
 * @throws as `Envelope.decrypt`, and what the file system throws.
 */
export function verifyFile(
  envelope: Envelope,
  source: string | URL,
  options: VerifyFileOptions,
): Promise<FileResult> {
  return decryptFileOn(machine(), envelope, source, undefined, options);
}

/** What the work is done with. Tests pass a file system that fails and a pool of their own. */
export interface Machine {
  readonly files: FileSystem;
  readonly pool: WorkerPool | undefined;
}

function machine(): Machine {
  return { files: nodeFileSystem, pool: sharedPool() };
}

/** Rewraps in place of up to this many bytes of header find room. The payload is page-aligned. */
const HEADER_ALIGNMENT = 4096;

/** {@link encryptFile} on a machine of choice. */
export async function encryptFileOn(
  { files, pool }: Machine,
  envelope: Envelope,
  source: string | URL,
  target: string | URL,
  { concurrency, onProgress, overwrite = false, ...message }: EncryptFileOptions,
): Promise<FileResult> {
  checkEncryptOptions(message);
  encodeContext(message.context);
  const share = shareOf(concurrency, pool);
  const { signal } = message;
  signal?.throwIfAborted();
  return withSource(files, pathOf(source), async (input, plaintextBytes) => {
    startEarly(share, plaintextBytes);
    return watched(envelope, "encrypt", signal, plaintextBytes, () =>
      withTarget(files, pathOf(target), overwrite, async (output) => {
        const headerAlignment = HEADER_ALIGNMENT;
        const options = { ...message, plaintextBytes, headerAlignment };
        const { header, prefix, codec } = await startMessage(envelope, options);
        const front = Buffer.concat([header, prefix]);
        await writeFully(output, front, 0);
        await transcode({
          operation: "seal",
          codec,
          source: input,
          sourceAt: 0,
          sourceBytes: plaintextBytes,
          target: output,
          targetAt: front.length,
          share,
          signal,
          onProgress,
        });
        await requireSize(input, plaintextBytes);
        return { plaintextBytes, messageBytes: header.length + payloadLength(plaintextBytes) };
      }),
    );
  });
}

/** {@link decryptFile} on a machine of choice, or without a target {@link verifyFile}. */
export async function decryptFileOn(
  { files, pool }: Machine,
  envelope: Envelope,
  source: string | URL,
  target: string | URL | undefined,
  options: DecryptFileOptions,
): Promise<FileResult> {
  const { concurrency, onProgress, overwrite = false, ...message } = options;
  checkDecryptOptions(message);
  const share = shareOf(concurrency, pool);
  const { signal } = message;
  signal?.throwIfAborted();
  const from = pathOf(source);
  return withSource(files, from, async (input, messageBytes) => {
    startEarly(share, messageBytes);
    const work = async (output?: FileHandle): Promise<FileResult> => {
      const pending = await settledHeader(from);
      const { header, codec } = await openFront(envelope, input, messageBytes, pending, message);
      const payloadBytes = messageBytes - header.length;
      await transcode({
        operation: "open",
        codec,
        source: input,
        sourceAt: header.length + PREFIX_BYTES,
        sourceBytes: payloadBytes - PREFIX_BYTES,
        ...(output && { target: output }),
        targetAt: 0,
        share,
        signal,
        onProgress,
      });
      await requireSize(input, messageBytes);
      return { plaintextBytes: plaintextLength(payloadBytes), messageBytes };
    };
    return watched(envelope, "decrypt", signal, 0, () =>
      target === undefined ? work() : withTarget(files, pathOf(target), overwrite, work),
    );
  });
}

/** The threads of a long file come up while the KMS is asked. */
function startEarly(share: PoolShare | undefined, bytes: number): void {
  if (share !== undefined && bytes >= LONG_BYTES) void share.pool.start();
}

function pathOf(path: string | URL): string {
  return typeof path === "string" ? path : fileURLToPath(path);
}

/** Reports the message to the envelope's observer. */
async function watched(
  envelope: Envelope,
  type: "encrypt" | "decrypt",
  signal: AbortSignal | undefined,
  bytes: number,
  work: () => Promise<FileResult>,
): Promise<FileResult> {
  const watch = watchMessage(envelope, type);
  try {
    const result = await work();
    watch.done(result.plaintextBytes);
    return result;
  } catch (error) {
    watch.failed(bytes, error, signal);
    throw error;
  }
}

/** Opens `path` for as long as `work` takes, which gets the file's size. */
async function withSource<T>(
  files: FileSystem,
  path: string,
  work: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  // A pipe would otherwise wait for a writer, only to be refused. Windows has no such flag.
  const nonblocking: number | undefined = constants.O_NONBLOCK;
  const file = await files.open(path, constants.O_RDONLY | (nonblocking ?? 0));
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      const problem = `'${path}' is not a regular file: use a stream`;
      throw systemError("EINVAL", problem, path);
    }
    return await work(file, stats.size);
  } catch (error) {
    throw locate(error, path, "read", "fstat");
  } finally {
    await file.close();
  }
}

/** Makes `path` of what `work` writes, complete or not at all. */
async function withTarget<T>(
  files: FileSystem,
  path: string,
  overwrite: boolean,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const output = await OutputFile.create(files, path, overwrite);
  try {
    const result = await work(output.handle);
    await output.commit();
    return result;
  } catch (error) {
    await output.abandon();
    throw locate(error, path, "write", "fsync", "close");
  }
}

/** Says which file a system error is about: calls on an open file do not. */
function locate(error: unknown, path: string, ...syscalls: readonly string[]): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || "path" in error) return error;
  if (!syscalls.includes(String(error.syscall))) return error;
  error.message += ` '${path}'`;
  return Object.assign(error, { path });
}

/**
 * Opens the message in a file of `size` bytes.
 *
 * @param pending - The header that the journal of an unfinished rewrap promises, to use instead.
 */
async function openFront(
  envelope: Envelope,
  file: FileHandle,
  size: number,
  pending: Uint8Array | undefined,
  options: DecryptOptions,
): Promise<{ header: Header; codec: PayloadCodec }> {
  let front = await readFront(file, pending);
  for (;;) {
    try {
      const header = parseHeader(front);
      const prefix = front.subarray(header.length, header.length + PREFIX_BYTES);
      const payloadBytes = size - header.length;
      const codec = await openMessage(envelope, header, prefix, { ...options, payloadBytes });
      return { header, codec };
    } catch (error) {
      // A rewrap in place may have been writing the header under our read.
      const again = await readFront(file, pending);
      if (!isEnvelopeError(error) || Buffer.compare(front, again) === 0) throw error;
      front = again;
    }
  }
}

async function readFront(file: FileHandle, pending: Uint8Array | undefined): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_HEADER_BYTES + PREFIX_BYTES);
  const front = bytes.subarray(0, await readInto(file, bytes, 0));
  if (pending !== undefined) front.set(pending);
  return front;
}

/** A file that was written meanwhile: what was read of it is no state it ever had. */
async function requireSize(file: FileHandle, size: number): Promise<void> {
  const now = (await file.stat()).size;
  if (now === size) return;
  if (now < size) throw endedEarly();
  throw new EnvelopeError("ERR_ENV_LIMIT", "the source became longer while it was read");
}
