/**
 * The low-level interface: headers, and chunks by number, for code with its own I/O (files, object
 * stores, workers). Applications use `Envelope`.
 *
 * A writer starts a message, writes header and prefix, then seals chunks 0, 1, 2 … once each; the last
 * one is short. A reader parses the header, opens the message with the payload's first 56 bytes, then
 * opens chunks in any order. The length is authentic only once the final chunk has verified.
 *
 * @module
 */
import { requireBytes } from "./bytes.ts";
import {
  bindDecryptOptions,
  resolveContext,
  resolveEntries,
  type DecryptOptions,
} from "./decrypting.ts";
import { checkEncryptOptions, type StartedMessage } from "./encrypting.ts";
import { messagesOf, type Envelope } from "./envelope.ts";
import type { Header } from "./header.ts";
import { Watch } from "./messages.ts";
import { endsBeforeChunks, plaintextLength, PREFIX_BYTES, type PayloadCodec } from "./payload.ts";
import type { EncryptStreamOptions } from "./stream.ts";

export { checkDecryptOptions } from "./decrypting.ts";
export { checkEncryptOptions } from "./encrypting.ts";
export { headerLength, MAX_HEADER_BYTES, parseHeader } from "./header.ts";
export type { Header } from "./header.ts";
export type { StartedMessage } from "./encrypting.ts";
export type { Watch } from "./messages.ts";
export {
  CHUNK_BYTES,
  chunkOffset,
  MAX_CHUNKS,
  openedLength,
  PayloadCodec,
  payloadLength,
  plaintextLength,
  PREFIX_BYTES,
  SEALED_CHUNK_BYTES,
  sealedLength,
  TAG_BYTES,
} from "./payload.ts";
export type { ChunkKeys } from "./payload.ts";

/**
 * Starts a message.
 *
 * @param options.plaintextBytes - The length to reserve in the data-key cache. Without it, the message
 * gets its own data key.
 * @returns Header, prefix and the codec for its chunks.
 * @throws like `Envelope.encrypt`.
 */
export async function startMessage(
  envelope: Envelope,
  options: EncryptStreamOptions,
): Promise<StartedMessage> {
  checkEncryptOptions(options);
  const started = await messagesOf(envelope).start(options, options.plaintextBytes);
  return { ...started, header: new Uint8Array(started.header) }; // A copy for the caller: other messages may share the original.
}

export interface OpenMessageOptions extends DecryptOptions {
  /**
   * The length of the whole payload in bytes, if known: an impossible length is then refused before a
   * KMS is called.
   */
  readonly payloadBytes?: number | undefined;
}

/**
 * Unwraps a message's data key and compares the commitment.
 *
 * @param prefix - The first 56 bytes of the payload, or the whole payload if it is shorter.
 * @returns The codec for its chunks.
 * @throws like `Envelope.decrypt`.
 */
export async function openMessage(
  envelope: Envelope,
  header: Header,
  prefix: Uint8Array,
  { payloadBytes, ...options }: OpenMessageOptions,
): Promise<PayloadCodec> {
  requireBytes(prefix, "prefix");
  if (prefix.length > PREFIX_BYTES)
    throw new RangeError(`prefix has at most ${PREFIX_BYTES} bytes`);
  const messages = messagesOf(envelope);
  const given = bindDecryptOptions(options, messages.bindContext);
  const entries = resolveEntries(header, options.keyBlock);
  const context = resolveContext(header, given);
  if (payloadBytes !== undefined) plaintextLength(payloadBytes);
  if (prefix.length < PREFIX_BYTES) throw endsBeforeChunks();
  return messages.open(header.preamble, prefix, entries, context, options);
}

/** Starts measuring a message that the caller reads or writes, for the envelope's observer. */
export function watchMessage(envelope: Envelope, type: "encrypt" | "decrypt"): Watch {
  return new Watch(messagesOf(envelope).observer, type);
}
