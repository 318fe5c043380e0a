/**
 * Seals or opens the chunks of one message as its bytes arrive, in the pool's threads and in the calling
 * one.
 *
 * Bytes arrive in any pieces, and are copied at once into the run that is being filled, so that the pieces are
 * garbage before they are old. A full run of a long message goes to a thread, and another buffer comes back with
 * the output, which is given as it is. While the threads have as much as they may, the calling thread works on
 * the runs that follow. What does not fill a run is worked on once nothing more arrives. Results are given in
 * order, however they finish.
 *
 * What must stay true: each index is sealed once. If a thread dies, its run is not sealed again; the
 * message fails.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Bytes } from "@env/core";
import { cryptoBackend } from "@env/core/crypto";
import {
  CHUNK_BYTES,
  endsBeforeFinalChunk,
  SEALED_CHUNK_BYTES,
  shareKeys,
  TAG_BYTES,
  type PayloadCodec,
} from "@env/core/message";
import type { PoolShare } from "./pool.ts";
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

/** The least output of a full run. */
const RUN_BYTES = RUN_CHUNKS * CHUNK_BYTES;

/** The most runs of the calling thread (4 MiB) that may wait for a thread's: as many as it can do while that waits for its core. */
const MOST_AHEAD = 4;

/**
 * Elements (480 KiB) of an array that is allocated and dropped with each run of a thread. Outputs are
 * outside of the heap, and a minor collection starts after enough has been allocated on the heap, which is
 * almost nothing while threads do the work. Without this, outputs pile up until a major collection: a
 * process that encrypts 256 MiB in pieces of 64 KiB then has a peak of 177 MB; with 120 KiB it is 152 MB, and
 * with 480 KiB 139 MB (`process.resourceUsage()`, Node 24, Linux, two cores).
 */
const BALLAST = 60 * 1024;

export interface EngineOptions {
  readonly operation: Operation;
  readonly codec: PayloadCodec;
  readonly share: PoolShare | undefined;
  /** Chunks that are collected at most before they are worked on. */
  readonly mostChunks?: number;
  /**
   * Takes results, in order and one at a time: the next one follows when the promise has resolved. Each
   * is a new array that belongs to the callee.
   */
  readonly give: (output: Bytes) => Promise<void> | undefined;
  /** Called once for an error in a thread or of `give`, since no call may be pending that could throw it. */
  readonly failed: (error: unknown) => void;
}

/** Chunks whose output has not been given yet. */
interface Pending {
  /** Whether a thread has them. */
  readonly away: boolean;
  /** Absent until they are done. */
  output?: Bytes;
  failure?: { readonly error: unknown };
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #chunkBytes: number;
  /** Input that is not worked on yet is at the front of this buffer. */
  #run: Bytes;
  /** The most bytes of input in the run. */
  #capacity = 0;
  #filled = 0;
  #index = 0;
  #bytes = 0;
  /** Runs in the order of the message. */
  readonly #queue: Pending[] = [];
  /** Those of threads in the queue. */
  #away = 0;
  /** Whether `give` has not resolved yet. */
  #held = false;
  /** Whether {@link #workSoon} waits for its turn. */
  #soon = false;
  #failure: { readonly error: unknown } | undefined;
  #stopped = false;
  #moved: (() => void) | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#chunkBytes = inputChunkBytes(options.operation);
    this.#run = this.#runOf(1); // Most messages are short.
  }

  /** Ends the work early: nothing more is given. */
  stop(): void {
    this.#stopped = true;
    this.#run.fill(0);
    for (const { output } of this.#queue.splice(0)) output?.fill(0);
    this.#moved?.();
  }

  /**
   * Takes more of the message.
   *
   * @param piece - Borrowed until this returns or resolves.
   * @returns Nothing where there was room for the piece.
   * @throws what the codec and `give` throw, even for earlier pieces.
   */
  write(piece: Uint8Array): Promise<void> | undefined {
    this.#bytes += piece.length;
    const rest = this.#goesOn() ? this.#take(piece) : EMPTY;
    if (rest.length > 0) return this.#takeRest(rest);
    this.#workSoon();
    return undefined;
  }

  /**
   * Ends the message: the bytes that are left are its final chunk. When this resolves, all has been given.
   *
   * @throws what {@link write} throws; `ERR_ENVELOPE_TRUNCATED` if a message ends without its final chunk.
   */
  async end(): Promise<void> {
    const final = this.#filled % this.#chunkBytes;
    const cut = this.#options.operation === "open" && final < TAG_BYTES;
    if (this.#goesOn()) {
      // A full run has no room for the tag of an empty final chunk.
      if (cut || final === 0) this.#doHere(this.#filled - final, false);
      if (!cut) this.#doHere(this.#filled, true);
      this.#run.fill(0);
    }
    while (this.#goesOn() && (this.#queue.length > 0 || this.#held)) await this.#movement();
    if (cut && !this.#stopped) throw endsBeforeFinalChunk();
  }

  /** Takes what is left of a piece as there is room for it. */
  async #takeRest(piece: Uint8Array): Promise<void> {
    for (let rest = piece; this.#goesOn();) {
      rest = this.#take(rest);
      if (rest.length === 0) break;
      if (this.#mustWait()) await this.#movement();
      else {
        this.#doHere(this.#filled, false);
        // With a source and a sink in memory, nothing else could run otherwise; also, threads may have answered.
        await turn();
      }
    }
    this.#workSoon();
  }

  /** Fills the run and sends it to a thread as often as it can. Returns the rest. */
  #take(piece: Uint8Array): Uint8Array {
    let rest = piece;
    while (rest.length > 0 && !this.#held && (this.#filled < this.#capacity || this.#sendAway())) {
      const part = rest.subarray(0, this.#capacity - this.#filled);
      this.#run.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
    }
    return rest;
  }

  /** Works on whole chunks that do not fill a run, unless more arrives in this turn of the event loop. */
  #workSoon(): void {
    if (this.#soon || this.#filled < this.#chunkBytes) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      const whole = this.#filled - (this.#filled % this.#chunkBytes);
      // While a thread works, the run may still become full. Its answer, or the reader, calls this again.
      if (whole === 0 || this.#away > 0 || this.#mustWait()) return;
      if (this.#filled < this.#capacity / 2 || !this.#sendAway()) this.#doHere(whole, false);
    });
  }

  /** Whether the calling thread has worked ahead as far as it may, or has ended. */
  #mustWait(): boolean {
    const ahead = this.#queue.length - this.#away;
    return this.#held || ahead >= MOST_AHEAD || this.#stopped || this.#failure !== undefined;
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

  /** Seals or opens `bytes` at the front of the run, behind everything that was begun before. */
  #doHere(bytes: number, last: boolean): void {
    const { operation, codec } = this.#options;
    const output = uninitialised(outputLength(operation, bytes, last));
    const index = this.#advance(bytes);
    const chunks = { operation, index, last };
    try {
      const done = apply(codec, chunks, this.#run.subarray(0, bytes), output);
      // The run must not change meanwhile.
      if (done instanceof Promise)
        throw new TypeError(
          `the crypto backend ${cryptoBackend().name} is not synchronous: streams of Node need one that is`,
        );
      this.#queue.push({ away: false, output });
    } catch (error) {
      this.#queue.push({ away: false, failure: { error } });
    }
    this.#renew(bytes, this.#run);
    this.#giveDone();
  }

  /** Sends the whole chunks of the run to a thread. Returns `false` if they are few, or the share or the pool is used up. */
  #sendAway(): boolean {
    const share = this.#readyShare();
    const bytes = this.#filled - (this.#filled % this.#chunkBytes);
    if (share === undefined || bytes < STEP_CHUNKS * this.#chunkBytes) return false;
    const { pool, tasks } = share;
    if (this.#away >= tasks || pool.busy) return false;
    const { operation, codec } = this.#options;
    const input = this.#run.subarray(0, bytes);
    const index = this.#advance(bytes);
    this.#renew(bytes);
    const chunks = { operation, keys: shareKeys(codec), index, last: false };
    const pending: Pending = { away: true };
    this.#queue.push(pending);
    this.#away++;
    void this.#receive(pending, pool.run({ kind: "run", ...chunks, input }), bytes);
    return true;
  }

  async #receive(pending: Pending, run: Promise<Bytes>, bytes: number): Promise<void> {
    try {
      const done = await run;
      // oxlint-disable-next-line unicorn/no-new-array -- it is never filled
      void new Array(BALLAST);
      if (this.#stopped) done.fill(0);
      const output = done.subarray(0, outputLength(this.#options.operation, bytes, false));
      // Behind a run that was not full is memory that nobody has written.
      pending.output = output.length < RUN_BYTES ? output.slice() : output;
    } catch (error) {
      pending.failure = { error };
    }
    this.#giveDone();
  }

  /** Counts the whole chunks in `bytes` of input, and returns the number of the first. */
  #advance(bytes: number): number {
    const index = this.#index;
    this.#index += Math.floor(bytes / this.#chunkBytes);
    return index;
  }

  /** Begins the next run with what follows the first `bytes` of this one, in this buffer if it is still the caller's. */
  #renew(bytes: number, buffer?: Bytes): void {
    const rest = this.#run.subarray(bytes, this.#filled);
    const isLong = this.#index >= STEP_CHUNKS && this.#readyShare() !== undefined;
    this.#run = this.#runOf(isLong ? RUN_CHUNKS : STEP_CHUNKS, buffer);
    this.#run.set(rest);
    this.#filled = rest.length;
    if (this.#run !== buffer) buffer?.fill(0);
  }

  /** A buffer for a run of this many chunks. */
  #runOf(chunks: number, buffer?: Bytes): Bytes {
    const count = Math.min(chunks, this.#options.mostChunks ?? RUN_CHUNKS);
    this.#capacity = count * this.#chunkBytes;
    const length = count * SEALED_CHUNK_BYTES;
    return buffer?.length === length ? buffer : uninitialised(length);
  }

  /** Gives finished output in order, until `give` makes it wait. */
  #giveDone(): void {
    while (!this.#held && !this.#stopped && this.#failure === undefined) {
      const next = this.#queue[0];
      if (next?.failure !== undefined) this.#fail(next.failure.error);
      if (next?.output === undefined) break;
      this.#queue.shift();
      if (next.away) this.#away--;
      if (next.output.length > 0) this.#give(next.output);
    }
    this.#moved?.();
    this.#workSoon();
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

const EMPTY = new Uint8Array(0);
