/**
 * Messages as WHATWG streams: any length in bounded memory, whatever the size of the input chunks.
 *
 * The KMS is called when the first bytes arrive (or when an empty stream ends), not earlier.
 * Back-pressure is that of the transform stream: a write waits while nobody reads.
 *
 * @module
 */
import { requireBytes, type Bytes } from "./bytes.ts";
import type { DecryptOptions } from "./decrypting.ts";
import type { EncryptStreamOptions } from "./encrypting.ts";
import type { KeySource } from "./key-source.ts";
import { MessageReader } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";

export function encryptStream(
  keys: KeySource,
  options: EncryptStreamOptions,
): TransformStream<Uint8Array, Bytes> {
  return through(new MessageWriter(keys, options), options.signal);
}

export function decryptStream(
  keys: KeySource,
  options: DecryptOptions,
): TransformStream<Uint8Array, Bytes> {
  return through(new MessageReader(keys, options), options.signal);
}

type Controller = TransformStreamDefaultController<Bytes>;

/** `Transformer` of the Streams standard, with the newer `cancel`, which not every global type declares. */
interface Transformer {
  start(controller: Controller): void;
  transform(chunk: Uint8Array, controller: Controller): Promise<void>;
  flush(controller: Controller): Promise<void>;
  /** Called on `readable.cancel()` and `writable.abort()`. */
  cancel(reason: unknown): void;
}

/** Creates a transform stream that fails when the signal aborts. A stream that was never used is not reported. */
function through(
  message: MessageWriter | MessageReader,
  signal: AbortSignal | undefined,
): TransformStream<Uint8Array, Bytes> {
  let used = false;
  let stop: (() => void) | undefined;
  const end = (): void => {
    if (stop !== undefined) signal?.removeEventListener("abort", stop);
    stop = undefined;
  };
  const fail = (error: unknown): void => {
    if (used) message.fail(error);
  };
  const step = async (controller: Controller, run: () => AsyncIterable<Bytes>): Promise<void> => {
    used = true;
    try {
      for await (const output of run()) controller.enqueue(output);
    } catch (error) {
      end();
      fail(error);
      throw error;
    }
  };
  const transformer: Transformer = {
    start(controller) {
      if (signal === undefined) return;
      stop = () => {
        fail(signal.reason);
        controller.error(signal.reason);
      };
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    },
    transform: (chunk, controller) =>
      step(controller, () => {
        requireBytes(chunk, "a chunk of the stream");
        return message.write(chunk);
      }),
    cancel(reason) {
      end();
      fail(reason);
    },
    async flush(controller) {
      await step(controller, () => message.end());
      end();
    },
  };
  return new TransformStream(transformer);
}
