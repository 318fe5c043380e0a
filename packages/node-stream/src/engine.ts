/**
 * Seals or opens the chunks of one message as its bytes come, in the calling thread or in the pool's.
 *
 * Bytes come in any pieces and are cut into runs of whole chunks; what is short of a chunk waits. A
 * small run is done at once, since sending it away would cost more; a large one goes to a thread once
 * the message has proved long. Results are given in order, however they finish.
 *
 * What must stay true: each index is sealed once. A run whose thread died is not sealed again, the
 * message fails.
 *
 * @module
 */
import { EnvelopeError, type Bytes } from "@env/core";
import { SEALED_CHUNK_BYTES, TAG_BYTES, type PayloadCodec } from "@env/core/message";
import { RUN_CHUNKS, type PoolShare } from "./pool.ts";
import { apply, inputChunkBytes, outputLength, type Operation } from "./segments.ts";

/** Bytes of a message from which on threads are worth their start. */
export const LONG_BYTES: number = 16 * 2 ** 20;

/** Chunks that are done here at a time. */
const LOCAL_CHUNKS = 4;

/**
 * Bytes of an array that is given. Small ones are young garbage; those of 128 KiB and more are mapped
 * and unmapped by the system, one page fault after the other.
 */
const OUTPUT_BYTES: number = LOCAL_CHUNKS * SEALED_CHUNK_BYTES;

/** Fewer chunks than this (256 KiB) are not worth a message to a thread. */
const LEAST_RUN_CHUNKS = 16;

export interface EngineOptions {
  readonly operation: Operation;
  readonly codec: PayloadCodec;
  readonly share: PoolShare | undefined;
  /**
   * Takes results, in order and one at a time: the next comes when its promise has resolved. Each is
   * a new array that nobody else keeps.
   */
  readonly give: (output: Bytes) => Promise<void> | undefined;
  /** Told once of an error in a thread, or of `give`, that no call may be there to report. */
  readonly failed: (error: unknown) => void;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #chunkBytes: number;
  /** What is short of a chunk. */
  readonly #partial: Bytes;
  #filled = 0;
  #index = 0;
  #bytes = 0;
  /** One per run that was not given yet, in order. */
  readonly #queue: Promise<void>[] = [];
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#chunkBytes = inputChunkBytes(options.operation);
    this.#partial = new Uint8Array(this.#chunkBytes);
  }

  /** Ends the work early: nothing is given any more, and slots go back as their runs end. */
  stop(): void {
    this.#stopped = true;
    this.#partial.fill(0);
  }

  /**
   * Takes more of the message. Its whole chunks have been given, or are in a thread, when this resolves.
   *
   * @param pieces - Borrowed until then.
   * @throws what the codec and `give` throw, also for earlier pieces.
   */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    const input = new Input([this.#partial.subarray(0, this.#filled), ...pieces]);
    this.#bytes += input.left - this.#filled;
    const share = this.#readyShare();
    while (input.left >= this.#chunkBytes && !this.#stopped) {
      const chunks = Math.min(RUN_CHUNKS, Math.floor(input.left / this.#chunkBytes));
      if (share !== undefined && chunks >= LEAST_RUN_CHUNKS) {
        await this.#sendAway(share, input, chunks);
      } else await this.#doHere(this.#nextChunks(input, chunks), false);
    }
    if (this.#stopped) return;
    this.#filled = input.left;
    input.copyTo(this.#partial.subarray(0, this.#filled));
  }

  /**
   * Ends the message: what is left is its final chunk. All has been given when this resolves.
   *
   * @throws as {@link write}; `ERR_ENV_TRUNCATED` where a message ends without its final chunk.
   */
  async end(): Promise<void> {
    const final = this.#partial.subarray(0, this.#filled);
    if (this.#options.operation === "open" && final.length < TAG_BYTES) {
      await this.#queue.at(-1);
      throw new EnvelopeError("ERR_ENV_TRUNCATED", "the message ends without its final chunk");
    }
    await this.#doHere(final, true);
    this.#partial.fill(0);
  }

  /** The share of the pool, once the message has proved long and threads are there. Starts them. */
  #readyShare(): PoolShare | undefined {
    const { share } = this.#options;
    if (share === undefined || this.#bytes < LONG_BYTES) return undefined;
    if (share.pool.ready) return share;
    void share.pool.start();
    return undefined;
  }

  /** A view of whole chunks where they lie together, else a copy of one that spans pieces. */
  #nextChunks(input: Input, most: number): Uint8Array {
    const together = Math.min(LOCAL_CHUNKS, most, Math.floor(input.together / this.#chunkBytes));
    if (together > 0) return input.view(together * this.#chunkBytes);
    input.copyTo(this.#partial); // Its own bytes, where it is the first piece, are in place already.
    return this.#partial;
  }

  async #doHere(input: Uint8Array, last: boolean): Promise<void> {
    await this.#enqueue(this.#run(input, this.#advance(input.length), last));
  }

  async #sendAway({ pool, tasks }: PoolShare, input: Input, chunks: number): Promise<void> {
    const bytes = chunks * this.#chunkBytes;
    const slot = await pool.slots.borrow();
    const lent = slot.subarray(0, bytes);
    input.copyTo(lent);
    const { operation, codec } = this.#options;
    const index = this.#advance(bytes);
    const chunk = { operation, keys: codec.keys, index, last: false };
    const output = pool.run({ kind: "run", ...chunk, input: lent }).then((done) => {
      // At once: the reader may take its time, and others wait for the slot.
      const copies = copyOut(done.subarray(0, outputLength(operation, bytes, false)));
      if (operation === "open") done.fill(0);
      pool.slots.giveBack(done);
      return copies;
    });
    void this.#enqueue(output).catch(() => undefined); // Reported by `failed`, and by the queue.
    if (this.#queue.length >= tasks) await this.#queue[0];
  }

  /** Counts the chunks of `bytes` of input, and gives the number of the first. */
  #advance(bytes: number): number {
    const index = this.#index;
    this.#index += Math.floor(bytes / this.#chunkBytes);
    return index;
  }

  async #run(input: Uint8Array, index: number, last: boolean): Promise<Bytes[]> {
    const { operation, codec } = this.#options;
    const out = Buffer.allocUnsafeSlow(outputLength(operation, input.length, last));
    await apply(codec, { operation, index, last }, input, out);
    return [out];
  }

  /** Has `output` given after all that came before. */
  #enqueue(output: Promise<Bytes[]>): Promise<void> {
    output.catch(() => undefined); // Its turn may be later.
    const given = this.#giveAfter(this.#queue.at(-1), output);
    this.#queue.push(given);
    given.then(() => this.#queue.shift(), this.#options.failed);
    return given;
  }

  async #giveAfter(before: Promise<void> | undefined, output: Promise<Bytes[]>): Promise<void> {
    await before;
    for (const bytes of await output) {
      if (!this.#stopped && bytes.length > 0) await this.#options.give(bytes);
    }
  }
}

/** New arrays with the bytes, each of at most {@link OUTPUT_BYTES}. */
function copyOut(bytes: Uint8Array): Bytes[] {
  const copies: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += OUTPUT_BYTES) {
    const part = bytes.subarray(at, at + OUTPUT_BYTES);
    const copy = Buffer.allocUnsafeSlow(part.length);
    copy.set(part);
    copies.push(copy);
  }
  return copies;
}

/** Pieces of bytes, read from the front. */
class Input {
  readonly #pieces: readonly Uint8Array[];
  #piece = 0;
  #at = 0;
  /** Bytes not read yet. */
  left = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    for (const piece of pieces) this.left += piece.length;
  }

  /** Bytes that lie together at the front. */
  get together(): number {
    return this.#front().length;
  }

  /** The next bytes, of those that lie {@link together}. */
  view(bytes: number): Uint8Array {
    const view = this.#front().subarray(0, bytes);
    this.#skip(bytes);
    return view;
  }

  /** Copies the next bytes, of which there are enough. */
  copyTo(out: Uint8Array): void {
    for (let at = 0; at < out.length;) {
      const part = this.#front().subarray(0, out.length - at);
      out.set(part, at);
      at += part.length;
      this.#skip(part.length);
    }
  }

  #front(): Uint8Array {
    for (;;) {
      const rest = this.#pieces[this.#piece]?.subarray(this.#at);
      if (rest === undefined) return EMPTY;
      if (rest.length > 0) return rest;
      this.#piece++;
      this.#at = 0;
    }
  }

  #skip(bytes: number): void {
    this.#at += bytes;
    this.left -= bytes;
  }
}

const EMPTY = new Uint8Array(0);
