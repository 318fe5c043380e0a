/**
 * Seals or opens the chunks of one message as its bytes arrive, in the pool's threads and in the calling
 * one.
 *
 * Bytes arrive in any pieces and are cut into whole chunks; an incomplete chunk waits for more. Large runs
 * go to threads, which start once a message has proved long. While the threads have as much as they may,
 * the calling thread works on the steps that follow. Results are given in order, however they finish.
 *
 * What must stay true: each index is sealed once. If a thread dies, its run is not sealed again; the
 * message fails.
 *
 * @module
 */
/// <reference lib="es2024.arraybuffer" />
import { setImmediate as turn } from "node:timers/promises";
import type { Bytes } from "@env/core";
import {
  endsBeforeFinalChunk,
  SEALED_CHUNK_BYTES,
  TAG_BYTES,
  type PayloadCodec,
} from "@env/core/message";
import type { PoolShare, WorkerPool } from "./pool.ts";
import {
  apply,
  inputChunkBytes,
  outputLength,
  RUN_CHUNKS,
  STEP_CHUNKS,
  uninitialised,
  type Operation,
} from "./spans.ts";

/** The length in bytes from which a message is long: starting threads for it pays off. */
export const LONG_BYTES: number = 16 * 2 ** 20;

/** The most bytes that are given at a time. */
const STEP_BYTES = STEP_CHUNKS * SEALED_CHUNK_BYTES;

/**
 * The most steps of the calling thread (4 MiB) that may wait for a thread's run: as many as it can do while
 * a thread waits for its core.
 */
const MOST_AHEAD = 16;

/**
 * Elements (120 KiB) of an array that is allocated and dropped with each run of a thread. Outputs are
 * outside of the heap, and a minor collection starts after enough has been allocated on the heap, which is
 * almost nothing while threads do the work. Without this, outputs pile up until a major collection: a
 * process that encrypts 256 MiB in pieces of 64 KiB with two threads then has a peak of 216 MiB instead of
 * 204 and 35,900 page faults instead of 30,700 on Node 24; on Node 26 it is 197 instead of 186, and 34,500
 * instead of 30,500 (`process.resourceUsage()`, medians of three, Linux, two cores).
 */
const BALLAST = 15 * 1024;

export interface EngineOptions {
  readonly operation: Operation;
  readonly codec: PayloadCodec;
  readonly share: PoolShare | undefined;
  /**
   * Takes results, in order and one at a time: the next one follows when the promise has resolved. Each
   * is a new array that belongs to the callee.
   */
  readonly give: (output: Bytes) => Promise<void> | undefined;
  /** Called once for an error in a thread or of `give`, since no call may be pending that could throw it. */
  readonly failed: (error: unknown) => void;
}

/** A run or a step whose output has not been given yet. */
interface Pending {
  /** Whether a thread has it. */
  readonly away: boolean;
  /** The output that is left to give; absent until the work is done. */
  output?: Bytes[];
  failure?: { readonly error: unknown };
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #chunkBytes: number;
  /** The incomplete chunk at the end of the input. */
  readonly #partial: Bytes;
  #filled = 0;
  #index = 0;
  #bytes = 0;
  /** Chunks done in this thread since the last turn of the event loop. */
  #sinceTurn = 0;
  /** Runs and steps in the order of the message. */
  readonly #queue: Pending[] = [];
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

  /** Ends the work early: nothing more is given, and slots are returned as their runs end. */
  stop(): void {
    this.#stopped = true;
    this.#partial.fill(0);
    for (const { output = [] } of this.#queue.splice(0)) for (const bytes of output) bytes.fill(0);
    this.#moved?.();
  }

  /**
   * Takes more of the message. When this resolves, its whole chunks are done or in a thread.
   *
   * @param pieces - Borrowed until this resolves.
   * @throws what the codec and `give` throw, even for earlier pieces.
   */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    const input = new Input([this.#partial.subarray(0, this.#filled), ...pieces]);
    this.#bytes += input.left - this.#filled;
    while (this.#goesOn()) {
      const chunks = Math.floor(input.left / this.#chunkBytes);
      if (chunks === 0) break;
      // A small run is not worth a message to a thread.
      const share = chunks < STEP_CHUNKS ? undefined : this.#readyShare();
      if (this.#held || this.#queue.length - this.#away >= MOST_AHEAD) await this.#movement();
      else if (share === undefined || !this.#sendAway(share, input, chunks)) {
        const some = Math.min(chunks, STEP_CHUNKS);
        await this.#doHere(input, some);
        await this.#letOthersRun(some);
      }
    }
    if (this.#stopped) return;
    this.#filled = input.left;
    input.copyTo(this.#partial.subarray(0, this.#filled));
  }

  /**
   * Ends the message: the bytes that are left are its final chunk. When this resolves, all has been given.
   *
   * @throws what {@link write} throws; `ERR_ENVELOPE_TRUNCATED` if a message ends without its final chunk.
   */
  async end(): Promise<void> {
    const final = this.#partial.subarray(0, this.#filled);
    const cut = this.#options.operation === "open" && final.length < TAG_BYTES;
    if (!cut) await this.#doLast(final);
    this.#partial.fill(0);
    while (this.#goesOn() && (this.#queue.length > 0 || this.#held)) await this.#movement();
    if (cut && !this.#stopped) throw endsBeforeFinalChunk();
  }

  /**
   * Waits for a turn of the event loop after some work. With a source and a sink in memory, nothing else
   * could run otherwise; also, threads may have answered.
   */
  async #letOthersRun(chunks: number): Promise<void> {
    this.#sinceTurn += chunks;
    if (this.#sinceTurn < (this.#away > 0 ? STEP_CHUNKS : RUN_CHUNKS)) return;
    this.#sinceTurn = 0;
    await turn();
  }

  /**
   * Whether the work has not been stopped.
   *
   * @throws the error that made the message fail.
   */
  #goesOn(): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    return !this.#stopped;
  }

  /** The share of the pool, if a thread is ready. For a message that has proved long, starts threads. */
  #readyShare(): PoolShare | undefined {
    const { share } = this.#options;
    if (share?.pool.ready === true) return share;
    if (this.#bytes >= LONG_BYTES) void share?.pool.start(share.threads);
    return undefined;
  }

  async #doHere(input: Input, chunks: number): Promise<void> {
    const { operation, codec } = this.#options;
    const out = uninitialised(outputLength(operation, chunks * this.#chunkBytes, false));
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
    const out = uninitialised(outputLength(operation, final.length, true));
    await this.#inTurn(out, async () => {
      await apply(codec, { operation, index: this.#index, last: true }, final, out);
    });
  }

  /** Queues `out`, which `work` fills, behind everything that was begun before. */
  async #inTurn(out: Bytes, work: () => Promise<void>): Promise<void> {
    const step: Pending = { away: false };
    this.#queue.push(step);
    try {
      await work();
      step.output = [out];
    } catch (error) {
      step.failure = { error };
    }
    this.#giveDone();
  }

  /** The next whole chunks of one piece, as a view; or, if the next chunk spans pieces, a copy of it. */
  #nextChunks(input: Input, most: number): Uint8Array {
    const together = Math.min(input.together, most);
    if (together >= this.#chunkBytes) return input.view(together - (together % this.#chunkBytes));
    input.copyTo(this.#partial); // If this buffer is the first piece, its bytes are in place already.
    return this.#partial;
  }

  /** Sends a run to a thread. Returns `false` if the share or the slots are used up. */
  #sendAway({ pool, tasks }: PoolShare, input: Input, most: number): boolean {
    const slot = this.#away < tasks ? pool.slots.borrow() : undefined;
    if (slot === undefined) return false;
    const bytes = Math.min(most, RUN_CHUNKS) * this.#chunkBytes;
    const lent = slot.subarray(0, bytes);
    input.copyTo(lent);
    const { operation, codec } = this.#options;
    const chunks = { operation, keys: codec.keys, index: this.#advance(bytes), last: false };
    const run: Pending = { away: true };
    this.#queue.push(run);
    this.#away++;
    void this.#receive(run, pool, pool.run({ kind: "run", ...chunks, input: lent }), bytes);
    return true;
  }

  async #receive(
    run: Pending,
    { slots }: WorkerPool,
    slot: Promise<Bytes>,
    bytes: number,
  ): Promise<void> {
    const { operation } = this.#options;
    try {
      const done = await slot;
      // Copied at once, so that others can use the slot: the reader may be slow.
      run.output = this.#stopped
        ? []
        : copyOut(done.subarray(0, outputLength(operation, bytes, false)));
      // oxlint-disable-next-line unicorn/no-new-array -- it is never filled
      void new Array(BALLAST);
      slots.giveBack(done, operation === "open");
    } catch (error) {
      run.failure = { error };
    }
    this.#giveDone();
  }

  /** Counts the whole chunks in `bytes` of input, and returns the number of the first. */
  #advance(bytes: number): number {
    const index = this.#index;
    this.#index += Math.floor(bytes / this.#chunkBytes);
    return index;
  }

  /** Gives finished output in order, until `give` makes it wait. */
  #giveDone(): void {
    while (!this.#held && !this.#stopped && this.#failure === undefined) {
      const next = this.#queue[0];
      if (next?.failure !== undefined) this.#fail(next.failure.error);
      if (next?.output === undefined) break;
      const bytes = next.output.shift();
      if (bytes === undefined) {
        this.#queue.shift();
        if (next.away) this.#away--;
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

  /** Resolves when something was done or taken, or the work has ended. */
  #movement(): Promise<void> {
    return new Promise((resolve) => {
      this.#moved = resolve;
    });
  }
}

/** Copies the bytes into new arrays of at most a step each. */
function copyOut(bytes: Uint8Array): Bytes[] {
  const copies: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    const part = bytes.subarray(at, at + STEP_BYTES);
    const copy = uninitialised(part.length);
    copy.set(part);
    copies.push(copy);
  }
  return copies;
}

/** Reads pieces from the front, as if they were one array. */
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

  /** The number of bytes that are left of the front piece. */
  get together(): number {
    return this.#front().length;
  }

  /** Skips the next bytes, at most {@link together}, and returns a view of them. */
  view(bytes: number): Uint8Array {
    const view = this.#front().subarray(0, bytes);
    this.#skip(bytes);
    return view;
  }

  /** Skips as many bytes as fill `out`, and copies them there. The caller checks that there are enough. */
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
