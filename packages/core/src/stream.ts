/**
 * Messages as WHATWG streams: any length in bounded memory, whatever the size of the input chunks.
 *
 * The KMS is called when the first bytes arrive (or when an empty stream ends), not earlier.
 * Back-pressure is that of the transform stream: a write waits while nobody reads.
 *
 * @module
 */
import { concat, requireBytes, type Bytes } from "./bytes.ts";
import { bindContext, type BoundContext } from "./context.ts";
import {
  bindDecryptOptions,
  resolveContext,
  resolveEntries,
  type DecryptOptions,
  type GivenContext,
} from "./decrypting.ts";
import { checkEncryptOptions, type EncryptOptions, type StartedMessage } from "./encrypting.ts";
import { EnvelopeError } from "./error.ts";
import { headerLength, MAX_HEADER_BYTES, parseHeader, type Header } from "./header.ts";
import type { Entry } from "./key-block.ts";
import { Watch, type Messages } from "./messages.ts";
import type { Wrapping } from "./observer.ts";
import { requireInteger } from "./options.ts";
import {
  CHUNK_BYTES,
  endsBeforeChunks,
  PREFIX_BYTES,
  SEALED_CHUNK_BYTES,
  TAG_BYTES,
  type PayloadCodec,
} from "./payload.ts";

export interface EncryptStreamOptions extends EncryptOptions {
  /**
   * The number of plaintext bytes, if known. It is reserved in the data-key cache at the start and
   * checked at the end, so that a truncated source is not mistaken for a complete one. Default: any
   * number, under a data key that no other message shares.
   */
  readonly plaintextBytes?: number | undefined;
}

type Controller = TransformStreamDefaultController<Bytes>;

/** Chunks per piece of output: large writes are emitted in pieces of 1 MiB. */
const BATCH = 64;

export function encryptStream(
  messages: Messages,
  options: EncryptStreamOptions,
): TransformStream<Uint8Array, Bytes> {
  checkEncryptOptions(options);
  bindContext(options.context);
  const { plaintextBytes: expected, signal } = options;
  if (expected !== undefined) {
    requireInteger("plaintextBytes", expected, 0, Number.MAX_SAFE_INTEGER);
  }
  const blocks = new Blocks(CHUNK_BYTES);
  let started: StartedMessage | undefined;
  let index = 0;
  let bytes = 0;

  const start = async (controller: Controller): Promise<StartedMessage> => {
    const message = await messages.start(options, expected);
    controller.enqueue(concat(message.header, message.prefix));
    return message;
  };
  const steps: Steps = {
    async transform(chunk, controller) {
      started ??= await start(controller);
      bytes += chunk.length;
      if (expected !== undefined && bytes > expected) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_LIMIT",
          `received more than the announced ${expected} bytes`,
        );
      }
      for (const block of blocks.push(chunk)) {
        controller.enqueue(await started.codec.sealChunks(index, block, false));
        index += block.length / CHUNK_BYTES;
      }
    },
    async flush(controller) {
      if (expected !== undefined && bytes < expected) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_TRUNCATED",
          `received only ${bytes} of the announced ${expected} bytes`,
        );
      }
      started ??= await start(controller);
      controller.enqueue(await started.codec.sealChunks(index, blocks.rest(), true));
      blocks.wipe();
    },
  };
  return watched(
    messages,
    "encrypt",
    signal,
    () => bytes,
    steps,
    () => started,
  );
}

export function decryptStream(
  messages: Messages,
  options: DecryptOptions,
): TransformStream<Uint8Array, Bytes> {
  const front = new Front(messages, options);
  const blocks = new Blocks(SEALED_CHUNK_BYTES);
  let index = 0;
  let bytes = 0;

  return watched(messages, "decrypt", options.signal, () => bytes, {
    async transform(chunk, controller) {
      const { codec, rest } = await front.push(chunk);
      if (codec === undefined) return;
      // A full block is never the final chunk, so it can be emitted before more input arrives.
      for (const block of blocks.push(rest)) {
        const plaintext = await codec.openChunks(index, block);
        index += block.length / SEALED_CHUNK_BYTES;
        bytes += plaintext.length;
        controller.enqueue(plaintext);
      }
    },
    async flush(controller) {
      const codec = front.finish();
      const final = blocks.rest();
      if (final.length < TAG_BYTES) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_TRUNCATED",
          "the message ends without its final chunk",
        );
      }
      const plaintext = await codec.openChunks(index, final);
      bytes += plaintext.length;
      if (plaintext.length > 0) controller.enqueue(plaintext);
    },
  });
}

/** The maximum length of the part of a message that precedes its chunks. */
const MAX_FRONT_BYTES = MAX_HEADER_BYTES + PREFIX_BYTES;

interface ParsedFront {
  readonly header: Header;
  readonly entries: readonly Entry[] | undefined;
  readonly context: BoundContext;
}

/**
 * Collects the part of a message that precedes its chunks, which may arrive in any pieces. Each byte is
 * copied at most twice.
 */
class Front {
  readonly #messages: Messages;
  readonly #options: DecryptOptions;
  readonly #given: GivenContext;
  #bytes: Bytes = new Uint8Array(512);
  #filled = 0;
  /** The results of all steps that need no KMS, as soon as the header is complete. */
  #parsed: ParsedFront | undefined;
  #codec: PayloadCodec | undefined;

  constructor(messages: Messages, options: DecryptOptions) {
    this.#messages = messages;
    this.#given = bindDecryptOptions(options, messages.bindContext);
    this.#options = options;
  }

  /**
   * Takes more input. Returns the codec once it exists, and the part of `chunk` that belongs to the
   * chunks.
   */
  async push(chunk: Uint8Array): Promise<{ codec: PayloadCodec | undefined; rest: Uint8Array }> {
    if (this.#codec !== undefined) return { codec: this.#codec, rest: chunk };
    const before = this.#filled;
    this.#append(chunk.subarray(0, MAX_FRONT_BYTES - before));
    const bytes = this.#bytes.subarray(0, this.#filled);
    this.#parsed ??= this.#parse(bytes);
    if (this.#parsed === undefined) return { codec: undefined, rest: chunk };
    const { header, entries, context } = this.#parsed;
    const end = header.length + PREFIX_BYTES;
    if (bytes.length < end) return { codec: undefined, rest: chunk };
    const prefix = bytes.subarray(header.length, end);
    const { preamble } = header;
    this.#codec = await this.#messages.open(preamble, prefix, entries, context, this.#options);
    this.#bytes = new Uint8Array(0);
    return { codec: this.#codec, rest: chunk.subarray(end - before) };
  }

  /** @throws {@link EnvelopeError} if the input ended before the chunks. */
  finish(): PayloadCodec {
    if (this.#codec !== undefined) return this.#codec;
    if (this.#parsed === undefined) parseHeader(this.#bytes.subarray(0, this.#filled));
    throw endsBeforeChunks();
  }

  #parse(bytes: Bytes): ParsedFront | undefined {
    const length = headerLength(bytes);
    if (length === undefined || bytes.length < length) return undefined;
    const header = parseHeader(bytes);
    const entries = resolveEntries(header, this.#options.keyBlock);
    return { header, entries, context: resolveContext(header, this.#given) };
  }

  #append(more: Uint8Array): void {
    const length = this.#filled + more.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(
        Math.min(MAX_FRONT_BYTES, Math.max(length, 2 * this.#bytes.length)),
      );
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(more, this.#filled);
    this.#filled = length;
  }
}

/** Splits its input into runs of full blocks, and keeps the rest, which is always less than a block. */
class Blocks {
  readonly #size: number;
  readonly #partial: Bytes;
  #filled = 0;

  constructor(size: number) {
    this.#size = size;
    this.#partial = new Uint8Array(size);
  }

  // Yields views of the argument if possible: use each one before requesting the next.
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    let rest = bytes;
    if (this.#filled > 0) {
      const take = rest.subarray(0, this.#size - this.#filled);
      this.#partial.set(take, this.#filled);
      this.#filled += take.length;
      rest = rest.subarray(take.length);
      if (this.#filled === this.#size) {
        this.#filled = 0;
        yield this.#partial;
      }
    }
    while (rest.length >= this.#size) {
      const count = Math.min(BATCH, Math.floor(rest.length / this.#size));
      yield rest.subarray(0, count * this.#size);
      rest = rest.subarray(count * this.#size);
    }
    this.#partial.set(rest, this.#filled);
    this.#filled += rest.length;
  }

  rest(): Uint8Array {
    return this.#partial.subarray(0, this.#filled);
  }

  wipe(): void {
    this.#partial.fill(0);
  }
}

interface Steps {
  transform(chunk: Uint8Array, controller: Controller): Promise<void>;
  flush(controller: Controller): Promise<void>;
}

/** `Transformer` of the Streams standard, with the newer `cancel`, which not every global type declares. */
interface Transformer {
  start(controller: Controller): void;
  transform(chunk: Uint8Array, controller: Controller): Promise<void>;
  flush(controller: Controller): Promise<void>;
  /** Called on `readable.cancel()` and `writable.abort()`. */
  cancel(reason: unknown): void;
}

/** Creates a transform stream that reports its end to the observer and fails when the signal aborts. */
function watched(
  messages: Messages,
  type: "encrypt" | "decrypt",
  signal: AbortSignal | undefined,
  bytes: () => number,
  steps: Steps,
  wrapping: () => Wrapping | undefined = () => undefined,
): TransformStream<Uint8Array, Bytes> {
  let watch: Watch | undefined;
  let stop: (() => void) | undefined;
  const end = (): void => {
    if (stop !== undefined) signal?.removeEventListener("abort", stop);
    stop = undefined;
  };
  const step = async (fn: () => Promise<void>): Promise<void> => {
    watch ??= new Watch(messages.observer, type);
    try {
      await fn();
    } catch (error) {
      end();
      watch.failed(bytes(), error, signal);
      throw error;
    }
  };
  const transformer: Transformer = {
    start(controller) {
      if (signal === undefined) return;
      stop = () => {
        watch?.failed(bytes(), signal.reason, signal);
        controller.error(signal.reason);
      };
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    },
    transform: (chunk, controller) =>
      step(async () => {
        requireBytes(chunk, "a chunk of the stream");
        await steps.transform(chunk, controller);
      }),
    cancel(reason) {
      end();
      watch?.failed(bytes(), reason, signal);
    },
    flush: async (controller) => {
      await step(() => steps.flush(controller));
      end();
      watch?.done(bytes(), wrapping());
    },
  };
  return new TransformStream(transformer);
}
