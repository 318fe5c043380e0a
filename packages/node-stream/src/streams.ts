/**
 * Messages as Node streams: any length in bounded memory, any chunking of the input.
 *
 * The KMS is called with the first bytes (or at the end of an empty stream), not before. Whole chunks
 * go out as soon as they are complete. A write waits while nobody reads: what is held is at most
 * `highWaterMark` on each side and the runs that threads work on.
 *
 * @module
 */
import { Duplex } from "node:stream";
import type {
  Bytes,
  DecryptOptions,
  EncryptStreamOptions as MessageOptions,
  Envelope,
} from "@env/core";
import { CHUNK_BYTES, messageReader, messageWriter } from "@env/core/message";
import { asError } from "./as-error.ts";
import { Engine } from "./engine.ts";
import { shareBeside, sharedPool, type WorkerPool } from "./pool.ts";

/** Options of a stream that do not change the bytes it gives. */
export interface StreamOptions {
  /**
   * How many runs (1 MiB) of a long message the pool's threads may have at once, beside what the calling
   * thread does. 0: the calling thread does all the work. Default: two for every core but one.
   */
  readonly concurrency?: number | undefined;
  /** Bytes each side of the stream holds before it asks to wait. Default: 1 MiB. */
  readonly highWaterMark?: number | undefined;
}

export interface EncryptStreamOptions extends MessageOptions, StreamOptions {}
export interface DecryptStreamOptions extends DecryptOptions, StreamOptions {}

/**
 * A duplex from plaintext to message.
 *
 * @param options - As `Envelope.encryptStream`. An aborted `signal` destroys the stream.
 * @returns The stream. Its output arrays are the reader's own.
 * @throws TypeError, RangeError for options that cannot work; `ERR_ENVELOPE_INVALID_CONTEXT`. The stream
 * fails as `Envelope.encrypt`; with `ERR_ENVELOPE_TRUNCATED` or `ERR_ENVELOPE_LIMIT` where it receives fewer or more bytes
 * than `plaintextBytes`.
 *
 * @example
 * ```ts
 * await pipeline(request, encryptStream(envelope, { context }), createWriteStream("upload.envelope"));
 * ```
 */
export function encryptStream(envelope: Envelope, options: EncryptStreamOptions): Duplex {
  return encryptStreamOn(sharedPool(), envelope, options);
}

/**
 * A duplex from message to plaintext.
 *
 * Every byte it gives has verified at its position, but the message may still turn out to be cut:
 * what was read is complete only once the stream has ended without an error. A message without its
 * final chunk is an error, never just an end.
 *
 * @param options - As `Envelope.decryptStream`. An aborted `signal` destroys the stream.
 * @returns The stream. Its output arrays are the reader's own.
 * @throws TypeError, RangeError for options that cannot work; `ERR_ENVELOPE_INVALID_CONTEXT`. The stream
 * fails as `Envelope.decrypt`.
 */
export function decryptStream(envelope: Envelope, options: DecryptStreamOptions): Duplex {
  return decryptStreamOn(sharedPool(), envelope, options);
}

/** {@link encryptStream} with a pool of choice. */
export function encryptStreamOn(
  pool: WorkerPool | undefined,
  envelope: Envelope,
  { concurrency, highWaterMark, ...options }: EncryptStreamOptions,
): Duplex {
  return new MessageStream(highWaterMark, options.signal, ({ signal, give, failed }) => {
    const writer = messageWriter(envelope, { ...options, signal });
    const share = shareBeside(concurrency, pool);
    const mostChunks = chunksIn(highWaterMark);
    let engine: Engine | undefined;
    const start = async (): Promise<Engine> => {
      await give(await writer.start());
      const { codec } = writer;
      engine = new Engine({ operation: "seal", codec, share, mostChunks, give, failed });
      if (signal.aborted) engine.stop();
      return engine;
    };
    return {
      write(piece) {
        writer.count(piece.length);
        return engine === undefined
          ? start().then((started) => started.write(piece))
          : engine.write(piece);
      },
      async end() {
        writer.requireAll();
        await (engine ?? (await start())).end();
        writer.done();
      },
      stop(error) {
        engine?.stop();
        writer.fail(error);
      },
    };
  });
}

/** {@link decryptStream} with a pool of choice. */
export function decryptStreamOn(
  pool: WorkerPool | undefined,
  envelope: Envelope,
  { concurrency, highWaterMark, ...options }: DecryptStreamOptions,
): Duplex {
  return new MessageStream(highWaterMark, options.signal, ({ signal, give, failed }) => {
    const reader = messageReader(envelope, { ...options, signal });
    const share = shareBeside(concurrency, pool);
    const mostChunks = chunksIn(highWaterMark);
    let engine: Engine | undefined;
    const count = (output: Bytes): Promise<void> | undefined => {
      reader.count(output.length);
      return give(output);
    };
    /** Opens the message with its first pieces. */
    const open = async (piece: Uint8Array): Promise<void> => {
      const rest = await reader.push(piece);
      if (rest === undefined) return;
      const { codec } = reader;
      engine = new Engine({ operation: "open", codec, share, mostChunks, give: count, failed });
      if (signal.aborted) engine.stop();
      await engine.write(rest);
    };
    return {
      write: (piece) => (engine === undefined ? open(piece) : engine.write(piece)),
      async end() {
        await reader.requireOpen();
        await engine?.end();
        reader.done();
      },
      stop(error) {
        engine?.stop();
        reader.fail(error);
      },
    };
  });
}

/** What a stream does with the bytes it receives. Calls do not overlap. */
interface Steps {
  write(piece: Uint8Array): Promise<void> | undefined;
  end(): Promise<void>;
  /** The stream was destroyed: nothing follows. */
  stop(error: unknown): void;
}

/** What a stream lets its {@link Steps} do. */
interface Sink {
  /** Aborted once the stream is destroyed. */
  readonly signal: AbortSignal;
  /** Pushes; a promise waits for the reader. */
  readonly give: (output: Bytes) => Promise<void> | undefined;
  /** Destroys. */
  readonly failed: (error: unknown) => void;
}

const HIGH_WATER_MARK = 2 ** 20;

class MessageStream extends Duplex {
  readonly #steps: Steps;
  readonly #abort = new AbortController();
  readonly #unlisten: () => void;
  #used = false;
  #wanted: (() => void) | undefined;

  constructor(
    highWaterMark: number | undefined,
    signal: AbortSignal | undefined,
    make: (sink: Sink) => Steps,
  ) {
    super({ highWaterMark: highWaterMark ?? HIGH_WATER_MARK });
    this.#steps = make({
      signal: this.#abort.signal,
      give: (output) => {
        if (this.destroyed || this.push(output)) return undefined;
        return new Promise((resolve) => {
          this.#wanted = resolve;
        });
      },
      failed: (error) => this.destroy(asError(error)),
    });
    const abort = (): void => void this.destroy(asError(signal?.reason));
    this.#unlisten = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  }

  override _write(piece: Uint8Array, _: BufferEncoding, done: Done): void {
    try {
      settle(this.#use().write(piece), done);
    } catch (error) {
      done(asError(error));
    }
  }

  override _final(done: Done): void {
    const end = async (): Promise<void> => {
      await this.#use().end();
      this.push(null);
    };
    settle(end(), done);
  }

  override _read(): void {
    this.#goOn();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#unlisten();
    this.#abort.abort(error ?? undefined);
    if (this.#used) this.#steps.stop(error);
    this.#goOn(); // Whoever waits finds the stream destroyed.
    done(error);
  }

  #goOn(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  /** A stream that was never used is not reported to the observer. */
  #use(): Steps {
    this.#used = true;
    return this.#steps;
  }
}

/** How much of a message may be collected: no more than a side of the stream holds. */
function chunksIn(highWaterMark: number = HIGH_WATER_MARK): number {
  return Math.max(1, Math.floor(highWaterMark / CHUNK_BYTES));
}

type Done = (error?: Error | null) => void;

function settle(promise: Promise<void> | undefined, done: Done): void {
  if (promise === undefined) {
    done();
    return;
  }
  promise.then(
    () => done(),
    (error: unknown) => done(asError(error)),
  );
}
