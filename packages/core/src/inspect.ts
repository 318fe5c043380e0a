/**
 * Reads what a message says about itself, without a KMS.
 *
 * @module
 */
import { concat, requireBytes } from "./bytes.ts";
import type { Context } from "./context.ts";
import { EnvelopeError, isEnvelopeError } from "./error.ts";
import { parseHeader } from "./header.ts";
import { decodeKeyBlock, encodeKeyBlock, type Entry } from "./key-block.ts";
import { plaintextLength } from "./chunks.ts";
import { readText } from "./text.ts";

/**
 * The contents of a header. Nothing in it is authenticated: a message can claim anything until it is
 * decrypted.
 */
export interface MessageFacts {
  readonly version: 1;
  readonly suite: "Cobblestone-256";
  /** The context, if the writer stored it. */
  readonly storedContext: Context | undefined;
  /** The CMKs that can open it; `undefined` if the key block is detached. */
  readonly entries: readonly Entry[] | undefined;
  readonly headerBytes: number;
  /** The number of zero bytes at the end of the key block, reserved for a rewrap in place. */
  readonly paddingBytes: number;
  readonly payloadBytes: number;
  /**
   * Computed from the payload's length; `undefined` if that length is impossible (a lone header, a
   * truncated message).
   */
  readonly plaintextBytes: number | undefined;
}

/**
 * Reads a message's header.
 *
 * @param message - Bytes or the text form. The header is enough.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED`.
 */
export function inspect(message: Uint8Array | string): MessageFacts {
  const bytes = typeof message === "string" ? readText(message) : message;
  requireBytes(bytes, "message");
  const header = parseHeader(bytes);
  const payloadBytes = bytes.length - header.length;
  const used = header.entries === undefined ? 2 : encodeKeyBlock(header.entries).length;
  return {
    version: 1,
    suite: "Cobblestone-256",
    storedContext: header.storedContext,
    entries: header.entries,
    headerBytes: header.length,
    paddingBytes: header.length - header.keyBlockOffset - used,
    payloadBytes,
    plaintextBytes: possibleLength(payloadBytes),
  };
}

/**
 * Removes the key block from a message, to be stored elsewhere (object metadata, a column).
 *
 * @returns The message without it, and the key block for {@link attachKeyBlock} or `decrypt`.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, also if it is already detached;
 * `ERR_ENVELOPE_UNSUPPORTED`.
 */
export function detachKeyBlock(message: Uint8Array): { message: Uint8Array; keyBlock: Uint8Array } {
  requireBytes(message, "message");
  const { entries, keyBlockOffset, length } = parseHeader(message);
  if (entries === undefined) {
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the message's key block is detached already");
  }
  return {
    message: concat(
      message.subarray(0, keyBlockOffset),
      Uint8Array.of(0, 0),
      message.subarray(length),
    ),
    keyBlock: new Uint8Array(message.subarray(keyBlockOffset, length)),
  };
}

/**
 * Inserts a detached key block into its message.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` if the block is malformed or the message already
 * has one; `ERR_ENVELOPE_UNSUPPORTED`.
 */
export function attachKeyBlock(message: Uint8Array, keyBlock: Uint8Array): Uint8Array {
  requireBytes(message, "message");
  requireBytes(keyBlock, "keyBlock");
  const { entries, keyBlockOffset, length } = parseHeader(message);
  if (entries !== undefined)
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the message has a key block of its own");
  decodeKeyBlock(keyBlock);
  return concat(message.subarray(0, keyBlockOffset), keyBlock, message.subarray(length));
}

function possibleLength(payloadBytes: number): number | undefined {
  try {
    return plaintextLength(payloadBytes);
  } catch (error) {
    if (isEnvelopeError(error)) return undefined;
    throw error;
  }
}
