/**
 * The text form of a message: `env1.` and base64url without padding, for columns and JSON.
 *
 * Strict on reading: one text per message.
 *
 * Source: spec/envelope-v1.md#text-form
 *
 * @module
 */
import { backend } from "#crypto";
import { requireBytes, type Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** Most message bytes in text form. */
const MAX_TEXT_MESSAGE_BYTES = 2 ** 20;

const PREFIX = "env1.";
const FOREIGN = /[^\w-]/;
const TOO_LONG = "the text form holds messages of at most 1 MiB: store larger ones as bytes";

/**
 * Writes a message as text.
 *
 * @param message - At most 1 MiB.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` for a longer one.
 */
export function encodeText(message: Uint8Array): string {
  requireBytes(message, "message");
  if (message.length > MAX_TEXT_MESSAGE_BYTES) {
    throw new EnvelopeError("ERR_ENVELOPE_LIMIT", TOO_LONG);
  }
  return PREFIX + backend.base64url.encode(message);
}

/**
 * Reads a message from text.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for text that was cut off, `ERR_ENVELOPE_FORMAT` for
 * anything else that {@link encodeText} would not write.
 */
export function decodeText(text: string): Bytes {
  if (typeof text !== "string") throw new TypeError("text must be a string");
  if (!text.startsWith(PREFIX)) throw malformed('it does not start with "env1."');
  if (Math.floor(((text.length - PREFIX.length) * 3) / 4) > MAX_TEXT_MESSAGE_BYTES) {
    throw malformed(TOO_LONG);
  }
  const body = text.slice(PREFIX.length);
  const message = backend.base64url.decode(body);
  if (message !== undefined && message.length > 0) return message;
  if (FOREIGN.test(body)) throw malformed("it has a character that base64url does not use");
  // What is left is an end that no text form has: nothing, a lone character, or bits that belong to a next byte.
  throw new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message in text form was cut off");
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `not a message in text form: ${problem}`);
}
