/**
 * Seals or opens the chunks of one message as its bytes come, in the pool's threads and in the calling
 * one.
 *
 * Bytes come in any pieces and are cut into runs of whole chunks; what is short of a chunk waits. Large
 * runs go to threads, which start once a message has proved long, and while those have all they may, the
 * calling thread works on what comes next. Results are given in order, however they finish.
 *
 * What must stay true: each index is sealed once. A run whose thread died is not sealed again, the
 * message fails.
 *
 * @module
 */
/// <reference lib="es2024.arraybuffer" />
import { setImmediate as turn } from "node:timers/promises";
import { EnvelopeError, type Bytes } from "@env/core";
import { SEALED_CHUNK_BYTES, TAG_BYTES, type PayloadCodec } from "@env/core/message";
import { RUN_CHUNKS, type PoolShare, type WorkerPool } from "./pool.ts";
import { apply, inputChunkBytes, outputLength, type Operation } from "./segments.ts";

/** Bytes of a message from which on threads are worth their start. */
export const LONG_BYTES: number = 16 * 2 ** 20;

/** Chunks that the calling thread does at a time (256 KiB), and that are given at a time. */
const STEP = 16;

const STEP_BYTES = STEP * SEALED_CHUNK_BYTES;

/**
 * Most steps of the calling thread (4 MiB) that wait for a run of a thread: as many as it does until a
 * thread that had to wait for its core comes back.
 */
const MOST_AHEAD = 16;

/**
 * Elements (120 KiB) of an array that is made and dropped with each run of a thread. Outputs lie outside
 * of the heap, and the collection that frees the young ones starts by what was allocated on it, which is
 * next to nothing where threads do the work: 50 MiB of outputs would pile up until a major collection,
 * and the next ones be new to every cache and to the system.
 */
const BALLAST = 15 * 1024;

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

/** Consecutive chunks that were begun and not given yet. */
interface Run {
  readonly away: boolean;
  /** What is left to give; absent until it is done. */
  output?: Bytes[];
  failure?: { readonly error: unknown };
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #chunkBytes: number;
  /** What is short of a chunk. */
  readonly #partial: Bytes;
  #filled = 0;
  #index = 0;
  #bytes = 0;
  /** Chunks that were done here since others could run. */
  #sinceTurn = 0;
  /** In order. */
  readonly #queue: Run[] = [];
  /** Runs of threads in the queue. */
  #away = 0;
  /** Whether `give` has not resolved yet. */
  #held = false;
  #failure: { readonly error: unknown } | undefined;
  #stopped = false;
  #moved: (() => void) | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#chunkBytes = inputChunkBytes(options.operation);
    this.#partial = new Uint8Array(this.#chunkBytes);
  }

  /** Ends the work early: nothing is given any more, and slots go back as their runs end. */
  stop(): void {
    this.#stopped = true;
    this.#partial.fill(0);
    for (const { output = [] } of this.#queue.splice(0)) for (const bytes of output) bytes.fill(0);
    this.#moved?.();
  }

  /**
   * Takes more of the message. Its whole chunks are done, or in a thread, when this resolves.
   *
   * @param pieces - Borrowed until then.
   * @throws what the codec and `give` throw, also for earlier pieces.
   */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    const input = new Input([this.#partial.subarray(0, this.#filled), ...pieces]);
    this.#bytes += input.left - this.#filled;
    if (this.#bytes >= LONG_BYTES) keepFreedMemory();
    while (this.#goesOn()) {
      const chunks = Math.floor(input.left / this.#chunkBytes);
      if (chunks === 0) break;
      // A small run is not worth a message to a thread.
      const share = chunks < STEP ? undefined : this.#readyShare();
      if (this.#held || this.#queue.length - this.#away >= MOST_AHEAD) await this.#movement();
      else if (share === undefined || !this.#sendAway(share, input, chunks)) {
        const some = Math.min(chunks, STEP);
        await this.#doHere(input, some);
        await this.#letOthersRun(some);
      }
    }
    if (this.#stopped) return;
    this.#filled = input.left;
    input.copyTo(this.#partial.subarray(0, this.#filled));
  }

  /**
   * Ends the message: what is left is its final chunk. All has been given when this resolves.
   *
   * @throws as {@link write}; `ERR_ENVELOPE_TRUNCATED` where a message ends without its final chunk.
   */
  async end(): Promise<void> {
    const final = this.#partial.subarray(0, this.#filled);
    const cut = this.#options.operation === "open" && final.length < TAG_BYTES;
    if (!cut) await this.#doLast(final);
    this.#partial.fill(0);
    while (this.#goesOn() && (this.#queue.length > 0 || this.#held)) await this.#movement();
    if (cut && !this.#stopped) {
      throw new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends without its final chunk");
    }
  }

  /**
   * After a while of work a turn of the event loop: a source and a sink in memory would let nothing else
   * run, and threads may have answered.
   */
  async #letOthersRun(chunks: number): Promise<void> {
    this.#sinceTurn += chunks;
    if (this.#sinceTurn < (this.#away > 0 ? STEP : RUN_CHUNKS)) return;
    this.#sinceTurn = 0;
    await turn();
  }

  /** @throws what made the message fail. */
  #goesOn(): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    return !this.#stopped;
  }

  /** The share of the pool, where threads are there. A message that has proved long starts them. */
  #readyShare(): PoolShare | undefined {
    const { share } = this.#options;
    if (share?.pool.ready === true) return share;
    if (this.#bytes >= LONG_BYTES) void share?.pool.start(share.threads);
    return undefined;
  }

  async #doHere(input: Input, chunks: number): Promise<void> {
    const { operation, codec } = this.#options;
    const out = allocate(outputLength(operation, chunks * this.#chunkBytes, false));
    await this.#inTurn(out, async () => {
      let left = chunks * this.#chunkBytes;
      for (let at = 0; left > 0;) {
        const view = this.#nextChunks(input, left);
        left -= view.length;
        const end = at + outputLength(operation, view.length, false);
        const index = this.#advance(view.length);
        const done = apply(codec, { operation, index, last: false }, view, out.subarray(at, end));
        if (done instanceof Promise) await done;
        at = end;
      }
    });
  }

  async #doLast(final: Uint8Array): Promise<void> {
    const { operation, codec } = this.#options;
    const out = allocate(outputLength(operation, final.length, true));
    await this.#inTurn(out, async () => {
      await apply(codec, { operation, index: this.#index, last: true }, final, out);
    });
  }

  /** Fills `out` by `work`, to be given after all that was begun before. */
  async #inTurn(out: Bytes, work: () => Promise<void>): Promise<void> {
    const run: Run = { away: false };
    this.#queue.push(run);
    try {
      await work();
      run.output = [out];
    } catch (error) {
      run.failure = { error };
    }
    this.#giveDone();
  }

  /** A view of whole chunks where they lie together, else a copy of one that spans pieces. */
  #nextChunks(input: Input, most: number): Uint8Array {
    const together = Math.min(input.together, most);
    if (together >= this.#chunkBytes) return input.view(together - (together % this.#chunkBytes));
    input.copyTo(this.#partial); // Its own bytes, where it is the first piece, are in place already.
    return this.#partial;
  }

  /** Whether a run went to a thread: neither the share nor the slots are used up. */
  #sendAway({ pool, tasks }: PoolShare, input: Input, most: number): boolean {
    const slot = this.#away < tasks ? pool.slots.borrow() : undefined;
    if (slot === undefined) return false;
    const bytes = Math.min(most, RUN_CHUNKS) * this.#chunkBytes;
    const lent = slot.subarray(0, bytes);
    input.copyTo(lent);
    const { operation, codec } = this.#options;
    const chunks = { operation, keys: codec.keys, index: this.#advance(bytes), last: false };
    const run: Run = { away: true };
    this.#queue.push(run);
    this.#away++;
    void this.#receive(run, pool, pool.run({ kind: "run", ...chunks, input: lent }), bytes);
    return true;
  }

  async #receive(
    run: Run,
    { slots }: WorkerPool,
    slot: Promise<Bytes>,
    bytes: number,
  ): Promise<void> {
    const { operation } = this.#options;
    try {
      const done = await slot;
      // At once: the reader may take its time, and others can use the slot.
      run.output = this.#stopped
        ? []
        : copyOut(done.subarray(0, outputLength(operation, bytes, false)));
      // oxlint-disable-next-line unicorn/no-new-array -- not to be filled
      void new Array(BALLAST);
      slots.giveBack(done, operation === "open");
    } catch (error) {
      run.failure = { error };
    }
    this.#giveDone();
  }

  /** Counts the chunks of `bytes` of input, and gives the number of the first. */
  #advance(bytes: number): number {
    const index = this.#index;
    this.#index += Math.floor(bytes / this.#chunkBytes);
    return index;
  }

  /** Gives what is done and its turn, as long as it is taken. */
  #giveDone(): void {
    while (!this.#held && !this.#stopped && this.#failure === undefined) {
      const run = this.#queue[0];
      if (run?.failure !== undefined) this.#fail(run.failure.error);
      if (run?.output === undefined) break;
      const bytes = run.output.shift();
      if (bytes === undefined) {
        this.#queue.shift();
        if (run.away) this.#away--;
      } else if (bytes.length > 0) this.#give(bytes);
    }
    this.#moved?.();
  }

  #give(bytes: Bytes): void {
    const taken = this.#options.give(bytes);
    if (taken === undefined) return;
    this.#held = true;
    taken.then(
      () => {
        this.#held = false;
        this.#giveDone();
      },
      (error: unknown) => {
        this.#fail(error);
        this.#moved?.();
      },
    );
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#options.failed(error);
  }

  /** Resolves when something was done, or taken, or ended the work. */
  #movement(): Promise<void> {
    return new Promise((resolve) => {
      this.#moved = resolve;
    });
  }
}

/** New arrays with the bytes, each of a step at most. */
function copyOut(bytes: Uint8Array): Bytes[] {
  const copies: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    const part = bytes.subarray(at, at + STEP_BYTES);
    const copy = allocate(part.length);
    copy.set(part);
    copies.push(copy);
  }
  return copies;
}

let kept = false;

/**
 * Lets outputs that were freed be the memory of those that follow. glibc returns what is free at the end of
 * its heap to the system; then each output is faulted in page by page, which halves the speed of a stream,
 * or not, as the heap of a process happens to lie. The limit of that is twice the largest block that was
 * mapped and freed, if under 32 MiB (mallopt(3), M_MMAP_THRESHOLD): so one is, untouched. Other
 * allocators take no notice.
 */
function keepFreedMemory(): void {
  if (kept) return;
  kept = true;
  new ArrayBuffer(31 * 2 ** 20).transfer(0);
}

/** Not zeroed first: every byte is written, or the array is dropped. */
function allocate(length: number): Bytes {
  return Buffer.allocUnsafeSlow(length);
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
