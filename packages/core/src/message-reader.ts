/**
 * Reads one message: checks the options, parses the header, calls the KMS, opens the chunks, and reports
 * the message to the envelope's observer once.
 *
 * Source: spec/envelope-v1.md#decrypting
 *
 * @module
 */
import { requireBytes, type Bytes } from "./bytes.ts";
import {
  bindDecryptOptions,
  resolveContext,
  resolveEntries,
  type DecryptOptions,
  type GivenContext,
} from "./decrypting.ts";
import { headerLength, MAX_HEADER_BYTES, parseHeader, type Header } from "./header.ts";
import type { KeySource } from "./key-source.ts";
import { Watch } from "./observer.ts";
import {
  plaintextLength,
  PREFIX_BYTES,
  SALT_BYTES,
  SEALED_CHUNK_BYTES,
  TAG_BYTES,
} from "./chunks.ts";
import { endsBeforeChunks, endsBeforeFinalChunk, openCodec, type PayloadCodec } from "./payload.ts";
import { WholeChunks } from "./whole-chunks.ts";

/** The maximum length of the part of a message that precedes its chunks. */
const MAX_FRONT_BYTES = MAX_HEADER_BYTES + PREFIX_BYTES;

/**
 * A message that is being read. Calls must not overlap.
 *
 * In order and in this thread: use what `write` yields for each piece of the message, then what `end`
 * yields. To open chunks elsewhere, or in any order: pass the first bytes to `open`, or to `push` as they
 * arrive, open chunks with `codec`, report plaintext to `count`, and call `done` at the end. Either way,
 * call `fail` if the message is not read to its end.
 */
export class MessageReader {
  readonly #keys: KeySource;
  readonly #options: DecryptOptions;
  readonly #given: GivenContext;
  readonly #chunks = new WholeChunks(SEALED_CHUNK_BYTES);
  #front: Bytes = new Uint8Array(512);
  #filled = 0;
  #watch: Watch | undefined;
  #codec: PayloadCodec | undefined;
  #index = 0;
  #bytes = 0;

  constructor(keys: KeySource, options: DecryptOptions) {
    this.#keys = keys;
    this.#options = options;
    this.#given = bindDecryptOptions(options, keys.bindContext);
  }

  /**
   * Unwraps the data key and compares the commitment. After an error, it may be called again.
   *
   * @param front - The beginning of the message: at least the header and the first 56 bytes of the payload.
   * @param messageBytes - The length of the whole message, if known: an impossible length is then refused
   * before a KMS is called.
   * @throws like `Envelope.decrypt`.
   */
  async open(front: Uint8Array, messageBytes?: number): Promise<Header> {
    this.#begin();
    requireBytes(front, "front");
    const header = parseHeader(front);
    const entries = resolveEntries(header, this.#options.keyBlock);
    const context = resolveContext(header, this.#given);
    if (messageBytes !== undefined) plaintextLength(messageBytes - header.length);
    const prefix = front.subarray(header.length, header.length + PREFIX_BYTES);
    if (prefix.length < PREFIX_BYTES) throw endsBeforeChunks();
    // A copy: Buffer.slice would return a view, and the caller may reuse its buffer.
    const commitment = new Uint8Array(prefix.subarray(SALT_BYTES));
    this.#codec = await this.#keys.decrypt(
      header.preamble,
      prefix,
      entries,
      context,
      this.#options,
      (inputKey, info) => openCodec(inputKey, info, commitment),
    );
    return header;
  }

  /**
   * Takes the beginning of the message in any pieces, and opens the message when enough has arrived.
   * Refuses bytes that cannot start a message as soon as that is certain.
   *
   * @returns The rest of `piece`, from the first chunk on, once the message is open; `undefined` before.
   * @throws like {@link open}.
   */
  async push(piece: Uint8Array): Promise<Uint8Array | undefined> {
    this.#begin();
    const before = this.#filled;
    this.#append(piece.subarray(0, MAX_FRONT_BYTES - before));
    const front = this.#front.subarray(0, this.#filled);
    const length = headerLength(front);
    if (length === undefined || front.length < length + PREFIX_BYTES) return undefined;
    await this.open(front);
    this.#front = new Uint8Array(0);
    return piece.subarray(length + PREFIX_BYTES - before);
  }

  /** @throws what {@link open} throws for the bytes that were pushed, unless the message is open. */
  async requireOpen(): Promise<void> {
    if (this.#codec === undefined) await this.open(this.#front.subarray(0, this.#filled));
  }

  /** Opens the chunks of this message. */
  get codec(): PayloadCodec {
    if (this.#codec === undefined) throw new TypeError("open the message first");
    return this.#codec;
  }

  /**
   * Opens the whole chunks that are complete with this piece. A whole chunk is never the final one.
   *
   * @param piece - Borrowed until the iteration has ended.
   * @yields Verified plaintext, in new arrays.
   * @throws like {@link open}; {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT`.
   */
  async *write(piece: Uint8Array): AsyncGenerator<Bytes, void> {
    this.#begin();
    requireBytes(piece, "piece");
    const rest = this.#codec === undefined ? await this.push(piece) : piece;
    if (rest === undefined) return;
    for (const run of this.#chunks.push(rest)) yield await this.#openNext(run);
  }

  /**
   * Opens the final chunk and reports the message as done.
   *
   * @yields The rest of the plaintext, if any, in a new array.
   * @throws like {@link write}; {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED`.
   */
  async *end(): AsyncGenerator<Bytes, void> {
    await this.requireOpen();
    const final = this.#chunks.rest();
    if (final.length < TAG_BYTES) throw endsBeforeFinalChunk();
    const plaintext = await this.#openNext(final);
    if (plaintext.length > 0) yield plaintext;
    this.done();
  }

  /** Counts plaintext that was opened with {@link codec}. */
  count(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Reports the message to the observer as read. Only the first report counts. */
  done(): void {
    this.#begin().done(this.#bytes);
  }

  /** Reports the message to the observer as failed. Only the first report counts. */
  fail(error: unknown): void {
    this.#begin().failed(this.#bytes, error, this.#options.signal);
  }

  /** Starts another report to the observer: for random access, where each range is a decryption of its own. */
  watch(): Watch {
    return new Watch(this.#keys.observer, "decrypt");
  }

  async #openNext(run: Uint8Array): Promise<Bytes> {
    const plaintext = await this.codec.openChunks(this.#index, run);
    this.#index += run.length / SEALED_CHUNK_BYTES;
    this.count(plaintext.length);
    return plaintext;
  }

  #append(more: Uint8Array): void {
    const length = this.#filled + more.length;
    if (length > this.#front.length) {
      const larger = new Uint8Array(
        Math.min(MAX_FRONT_BYTES, Math.max(length, 2 * this.#front.length)),
      );
      larger.set(this.#front);
      this.#front = larger;
    }
    this.#front.set(more, this.#filled);
    this.#filled = length;
  }

  /** The observer is told how much time passed since the first call. */
  #begin(): Watch {
    return (this.#watch ??= this.watch());
  }
}
