/**
 * The low-level interface, for code with its own I/O (files, object stores, workers): messages in the
 * making, headers, and chunks by number. Applications use `Envelope`.
 *
 * A {@link MessageWriter} or {@link MessageReader} does everything that has to be done around the chunks,
 * and the chunks themselves where they come in order. Chunk k can also be sealed or opened by its number
 * with the `codec`; the final one is short. The length is authentic only once the final chunk has verified.
 *
 * @module
 */
import type { DecryptOptions } from "./decrypting.ts";
import type { EncryptStreamOptions } from "./encrypting.ts";
import { keysOf, type Envelope } from "./envelope.ts";
import { MessageReader } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";

export { headerLength, MAX_HEADER_BYTES, parseHeader } from "./header.ts";
export type { Header } from "./header.ts";
export type { MessageReader } from "./message-reader.ts";
export type { MessageWriter } from "./message-writer.ts";
export type { Watch } from "./observer.ts";
export {
  CHUNK_BYTES,
  chunkOffset,
  MAX_CHUNKS,
  openedLength,
  payloadLength,
  plaintextLength,
  PREFIX_BYTES,
  SEALED_CHUNK_BYTES,
  sealedLength,
  TAG_BYTES,
} from "./chunks.ts";
export { endsBeforeFinalChunk, PayloadCodec } from "./payload.ts";
export { adoptKeys, shareKeys, type SharedKeys } from "./shared-keys.ts";
export { untilAborted } from "./until-aborted.ts";

/**
 * Checks the options of a message to write. Nothing else happens before the first call to the writer.
 *
 * @throws TypeError, RangeError for options that cannot work; {@link EnvelopeError}
 * `ERR_ENVELOPE_INVALID_CONTEXT`.
 *
 * @example
 * ```ts
 * const writer = messageWriter(envelope, { context: { tenant: "acme" } });
 * try {
 *   for await (const piece of source) for await (const part of writer.write(piece)) await put(part);
 *   for await (const part of writer.end()) await put(part);
 * } catch (error) {
 *   writer.fail(error);
 *   throw error;
 * }
 * ```
 */
export function messageWriter(envelope: Envelope, options: EncryptStreamOptions): MessageWriter {
  return new MessageWriter(keysOf(envelope), options);
}

/**
 * Checks the options of a message to read. Nothing else happens before the first call to the reader.
 *
 * @throws like {@link messageWriter}.
 *
 * @example
 * ```ts
 * const reader = messageReader(envelope, { context: { tenant: "acme" } });
 * const header = await reader.open(await get(0, MAX_HEADER_BYTES + PREFIX_BYTES), messageBytes);
 * const at = header.length + chunkOffset(7);
 * const plaintext = await reader.codec.openChunks(7, await get(at, at + SEALED_CHUNK_BYTES));
 * ```
 */
export function messageReader(envelope: Envelope, options: DecryptOptions): MessageReader {
  return new MessageReader(keysOf(envelope), options);
}
