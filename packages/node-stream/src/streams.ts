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
import { encodeContext, EnvelopeError, type Bytes, type Envelope } from "@env/core";
import type { DecryptOptions, EncryptStreamOptions as MessageOptions } from "@env/core";
import {
  checkDecryptOptions,
  checkEncryptOptions,
  headerLength,
  MAX_HEADER_BYTES,
  openMessage,
  parseHeader,
  PREFIX_BYTES,
  startMessage,
  watchMessage,
  type Header,
  type StartedMessage,
} from "@env/core/message";
import { Engine } from "./engine.ts";
import { shareBeside, sharedPool, type WorkerPool } from "./pool.ts";

/** Options of a stream that do not change the bytes it gives. */
export interface StreamOptions {
  /**
   * How many pieces (1 MiB) of a long message the pool's threads may have at once, beside what the calling
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
  checkEncryptOptions(options);
  encodeContext(options.context);
  const { plaintextBytes: expected } = options;
  if (expected !== undefined && !(Number.isSafeInteger(expected) && expected >= 0)) {
    throw new RangeError("plaintextBytes must be a number of bytes");
  }
  const share = shareBeside(concurrency, pool);

  return new MessageStream(highWaterMark, options.signal, ({ signal, give, failed }) => {
    const watch = watchMessage(envelope, "encrypt");
    let message: Promise<{ started: StartedMessage; engine: Engine }> | undefined;
    let bytes = 0;
    const start = async (): Promise<{ started: StartedMessage; engine: Engine }> => {
      const started = await startMessage(envelope, { ...options, signal });
      await give(Buffer.concat([started.header, started.prefix]));
      const { codec } = started;
      return { started, engine: new Engine({ operation: "seal", codec, share, give, failed }) };
    };
    return {
      async write(pieces) {
        bytes += total(pieces);
        if (expected !== undefined && bytes > expected) {
          throw new EnvelopeError(
            "ERR_ENVELOPE_LIMIT",
            `received more than the announced ${expected} bytes`,
          );
        }
        message ??= start();
        await (await message).engine.write(pieces);
      },
      async end() {
        if (expected !== undefined && bytes < expected) {
          throw new EnvelopeError(
            "ERR_ENVELOPE_TRUNCATED",
            `received only ${bytes} of the announced ${expected} bytes`,
          );
        }
        message ??= start();
        const { started, engine } = await message;
        await engine.end();
        watch.done(bytes, started);
      },
      stop(error) {
        message?.then(({ engine }) => engine.stop()).catch(() => undefined);
        watch.failed(bytes, error, signal);
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
  checkDecryptOptions(options);
  const share = shareBeside(concurrency, pool);

  return new MessageStream(highWaterMark, options.signal, ({ signal, give, failed }) => {
    const watch = watchMessage(envelope, "decrypt");
    const front = new Front();
    let engine: Engine | undefined;
    let bytes = 0;
    const open = async (): Promise<Engine> => {
      const { header, prefix } = front.parse();
      const codec = await openMessage(envelope, header, prefix, { ...options, signal });
      return new Engine({ operation: "open", codec, share, give: count, failed });
    };
    const count = (output: Bytes): Promise<void> | undefined => {
      bytes += output.length;
      return give(output);
    };
    return {
      async write(pieces) {
        const rest = engine === undefined ? front.take(pieces) : pieces;
        if (rest === undefined) return;
        engine ??= await open();
        await engine.write(rest);
      },
      async end() {
        engine ??= await open(); // Fails, as the front is not complete, and knows how.
        await engine.end();
        watch.done(bytes);
      },
      stop(error) {
        engine?.stop();
        watch.failed(bytes, error, signal);
      },
    };
  });
}

/** Collects the bytes in front of the chunks: header, salt and commitment. */
class Front {
  readonly #bytes = new Uint8Array(MAX_HEADER_BYTES + PREFIX_BYTES);
  #filled = 0;

  /**
   * Takes the bytes that belong to the front. Refuses bytes that cannot start a message as soon as that is
   * certain.
   *
   * @returns The rest of `pieces` once the front is complete.
   */
  take(pieces: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
    for (const [i, piece] of pieces.entries()) {
      const before = this.#filled;
      const part = piece.subarray(0, this.#bytes.length - before);
      this.#bytes.set(part, before);
      this.#filled += part.length;
      const length = headerLength(this.#bytes.subarray(0, this.#filled));
      if (length === undefined || this.#filled < length + PREFIX_BYTES) continue;
      this.#filled = length + PREFIX_BYTES;
      return [piece.subarray(this.#filled - before), ...pieces.slice(i + 1)];
    }
    return undefined;
  }

  /** @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` where the header is malformed or cut. */
  parse(): { header: Header; prefix: Uint8Array } {
    const bytes = this.#bytes.subarray(0, this.#filled);
    const header = parseHeader(bytes);
    return { header, prefix: bytes.subarray(header.length) };
  }
}

/** What a stream does with the bytes it receives. Calls do not overlap. */
interface Steps {
  write(pieces: readonly Uint8Array[]): Promise<void>;
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
  readonly #make: (sink: Sink) => Steps;
  readonly #abort = new AbortController();
  readonly #unlisten: () => void;
  #steps: Steps | undefined;
  #wanted: (() => void) | undefined;

  constructor(
    highWaterMark: number | undefined,
    signal: AbortSignal | undefined,
    make: (sink: Sink) => Steps,
  ) {
    super({ highWaterMark: highWaterMark ?? HIGH_WATER_MARK });
    this.#make = make;
    const abort = (): void => void this.destroy(asError(signal?.reason));
    this.#unlisten = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  }

  override _write(piece: Uint8Array, _: BufferEncoding, done: Done): void {
    settle(this.#started().write([piece]), done);
  }

  override _writev(pieces: { chunk: Uint8Array }[], done: Done): void {
    const chunks = pieces.map(({ chunk }) => chunk);
    settle(this.#started().write(chunks), done);
  }

  override _final(done: Done): void {
    const end = async (): Promise<void> => {
      await this.#started().end();
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
    this.#steps?.stop(error);
    this.#goOn(); // Whoever waits finds the stream destroyed.
    done(error);
  }

  #goOn(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  #started(): Steps {
    this.#steps ??= this.#make({
      signal: this.#abort.signal,
      give: (output) => {
        if (this.destroyed || this.push(output)) return undefined;
        return new Promise((resolve) => {
          this.#wanted = resolve;
        });
      },
      failed: (error) => this.destroy(asError(error)),
    });
    return this.#steps;
  }
}

type Done = (error?: Error | null) => void;

function settle(promise: Promise<void>, done: Done): void {
  promise.then(
    () => done(),
    (error: unknown) => done(asError(error)),
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("the stream was aborted", { cause: error });
}

function total(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}
