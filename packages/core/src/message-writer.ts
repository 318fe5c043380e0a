/**
 * Writes one message: checks the options, calls the KMS, seals the chunks, and reports the message to
 * the envelope's observer once.
 *
 * Source: spec/envelope-v1.md#encrypting
 *
 * @module
 */
import { concat, requireBytes, type Bytes } from "./bytes.ts";
import type { BoundContext } from "./context.ts";
import {
  checkEncryptOptions,
  startMessage,
  type EncryptStreamOptions,
  type StartedMessage,
} from "./encrypting.ts";
import { EnvelopeError } from "./error.ts";
import type { KeySource } from "./key-source.ts";
import { Watch, type Wrapping } from "./observer.ts";
import { requireInteger } from "./options.ts";
import { CHUNK_BYTES } from "./chunks.ts";
import type { PayloadCodec } from "./payload.ts";
import { WholeChunks } from "./whole-chunks.ts";

/**
 * A message that is being written. Calls must not overlap.
 *
 * In order and in this thread: emit what `write` yields for each piece of plaintext, then what `end`
 * yields. To seal elsewhere, or out of order: emit what `start` returns, report plaintext to `count`, seal
 * every chunk once with `codec`, call `requireAll` before the final chunk and `done` after it. Either way,
 * call `fail` if the message is not completed.
 */
export class MessageWriter {
  readonly #keys: KeySource;
  readonly #options: EncryptStreamOptions;
  readonly #context: BoundContext;
  readonly #chunks = new WholeChunks(CHUNK_BYTES);
  #watch: Watch | undefined;
  #started: StartedMessage | undefined;
  #index = 0;
  #bytes = 0;

  constructor(keys: KeySource, options: EncryptStreamOptions) {
    checkEncryptOptions(options);
    this.#keys = keys;
    this.#options = options;
    this.#context = keys.bindContext(options.context);
    const { plaintextBytes } = options;
    if (plaintextBytes !== undefined) {
      requireInteger("plaintextBytes", plaintextBytes, 0, Number.MAX_SAFE_INTEGER);
    }
  }

  /**
   * Obtains a data key. To be called at most once.
   *
   * @param plaintextBytes - The option of that name, for a length that was not known in time for it.
   * @returns The bytes that precede the chunks: header, salt and commitment (the last 56). A new array.
   * @throws like `Envelope.encrypt`.
   */
  async start(plaintextBytes: number | undefined = this.#options.plaintextBytes): Promise<Bytes> {
    this.#begin();
    this.#started = await this.#keys.encrypt(
      this.#context,
      this.#options,
      plaintextBytes,
      (held, aadHash) => startMessage(held, this.#context, aadHash, this.#options),
    );
    return concat(this.#started.header, this.#started.prefix);
  }

  /** Seals the chunks of this message, each of which must be sealed only once. */
  get codec(): PayloadCodec {
    return this.#message.codec;
  }

  /** How many of the CMKs can open this message. */
  get wrapping(): Wrapping {
    const { wrapped, cmks } = this.#message;
    return { wrapped, cmks };
  }

  /**
   * Seals the whole chunks that are complete with this plaintext.
   *
   * @param plaintext - Borrowed until the iteration has ended.
   * @yields Parts of the message, in new arrays.
   * @throws like {@link start} and {@link count}.
   */
  async *write(plaintext: Uint8Array): AsyncGenerator<Bytes, void> {
    this.#begin();
    requireBytes(plaintext, "plaintext");
    if (this.#started === undefined) yield await this.start();
    this.count(plaintext.length);
    for (const run of this.#chunks.push(plaintext)) {
      yield await this.codec.sealChunks(this.#index, run, false);
      this.#index += run.length / CHUNK_BYTES;
    }
  }

  /**
   * Seals the final chunk and reports the message as done.
   *
   * @yields The rest of the message, in new arrays.
   * @throws like {@link start} and {@link requireAll}.
   */
  async *end(): AsyncGenerator<Bytes, void> {
    this.#begin();
    this.requireAll();
    if (this.#started === undefined) yield await this.start();
    yield await this.codec.sealChunks(this.#index, this.#chunks.rest(), true);
    this.#chunks.wipe();
    this.done();
  }

  /**
   * Counts plaintext that has arrived.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` for more than the announced `plaintextBytes`.
   */
  count(bytes: number): void {
    this.#begin();
    this.#bytes += bytes;
    const { plaintextBytes } = this.#options;
    if (plaintextBytes !== undefined && this.#bytes > plaintextBytes) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_LIMIT",
        `received more than the announced ${plaintextBytes} bytes`,
      );
    }
  }

  /** @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for less than the announced `plaintextBytes`. */
  requireAll(): void {
    const { plaintextBytes } = this.#options;
    if (plaintextBytes !== undefined && this.#bytes < plaintextBytes) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_TRUNCATED",
        `received only ${this.#bytes} of the announced ${plaintextBytes} bytes`,
      );
    }
  }

  /** Reports the message to the observer as written. Only the first report counts. */
  done(): void {
    this.#begin().done(this.#bytes, this.#started);
  }

  /** Reports the message to the observer as failed. Only the first report counts. */
  fail(error: unknown): void {
    this.#begin().failed(this.#bytes, error, this.#options.signal);
  }

  get #message(): StartedMessage {
    if (this.#started === undefined) throw new TypeError("start the message first");
    return this.#started;
  }

  /** The observer is told how much time passed since the first call. */
  #begin(): Watch {
    return (this.#watch ??= new Watch(this.#keys.observer, "encrypt"));
  }
}
