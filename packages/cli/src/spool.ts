/**
 * A place for plaintext that must not be shown before all of it is verified: in memory while it is
 * small, and beyond that in a file without a name, so that not even `kill -9` leaves it behind.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileError } from "./errors.ts";
import { PIECE_BYTES, writeAll } from "./files.ts";

const MAX_MEMORY_BYTES = 2 ** 26;

export class Spool implements AsyncDisposable {
  readonly #maxMemoryBytes: number;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #file: FileHandle | undefined;

  /** @param maxMemoryBytes - Anything longer goes to disk. Default: 64 MiB. */
  constructor(maxMemoryBytes: number = MAX_MEMORY_BYTES) {
    this.#maxMemoryBytes = maxMemoryBytes;
  }

  /** Takes bytes, which become the spool's. */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    for (const { length } of pieces) this.#bytes += length;
    this.#parts.push(...pieces);
    if (this.#file === undefined && this.#bytes <= this.#maxMemoryBytes) return;
    try {
      this.#file ??= await openNameless();
      const parts = this.#parts.splice(0);
      await writeAll(this.#file, parts);
      for (const part of parts) part.fill(0);
    } catch (error) {
      throw fileError(tmpdir(), error);
    }
  }

  /** @yields Everything that was written, in order, once. The bytes become the caller's. */
  async *read(): AsyncGenerator<Uint8Array, void> {
    for (let part = this.#parts.shift(); part !== undefined; part = this.#parts.shift()) yield part;
    for (let at = 0; this.#file !== undefined && at < this.#bytes;) {
      const buffer = new Uint8Array(Math.min(PIECE_BYTES, this.#bytes - at));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error("the temporary file lost its end");
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Wipes and closes what has not been read. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts) part.fill(0);
    await this.#file?.close();
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `.envelope.${randomBytes(8).toString("hex")}.tmp`);
  const file = await open(path, "wx+", 0o600);
  try {
    await unlink(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
