/**
 * The text form of a message: `env1.` and base64url without padding, for columns and JSON.
 *
 * Decoding is strict: each message has exactly one text.
 *
 * Source: spec/envelope-v1.md#text-form
 *
 * @module
 */
import { base64url } from "#crypto";
import { requireBytes, type Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** The maximum length in bytes of a message in text form. */
const MAX_TEXT_MESSAGE_BYTES = 2 ** 20;

const PREFIX = "env1.";
const FOREIGN = /[^\w-]/;
const TOO_LONG = "the text form holds messages of at most 1 MiB: store larger ones as bytes";

/**
 * Encodes a message as text.
 *
 * @param message - At most 1 MiB.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` for a longer one.
 */
export function encodeText(message: Uint8Array): string {
  requireBytes(message, "message");
  if (message.length > MAX_TEXT_MESSAGE_BYTES) {
    throw new EnvelopeError("ERR_ENVELOPE_LIMIT", TOO_LONG);
  }
  return PREFIX + base64url.encode(message);
}

/**
 * Decodes a message from its text form.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` for truncated text, `ERR_ENVELOPE_FORMAT` for
 * anything else that {@link encodeText} would not produce.
 */
export function decodeText(text: string): Bytes {
  return readText(text, false);
}

/** Like {@link decodeText}, for a caller that keeps the bytes to itself: they may lie in a pool of the runtime. */
export function readText(text: string, pooled = true): Bytes {
  if (typeof text !== "string") throw new TypeError("text must be a string");
  if (!text.startsWith(PREFIX)) throw malformed('it does not start with "env1."');
  const body = text.slice(PREFIX.length);
  if ((body.length - 1) * 3 > MAX_TEXT_MESSAGE_BYTES * 4) throw malformed(TOO_LONG);
  const message = base64url.decode(body, pooled);
  if (message?.length) return message;
  if (FOREIGN.test(body)) throw malformed("it has a character that base64url does not use");
  // The remaining case is an impossible end: nothing, a single character, or bits of a missing byte.
  throw new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message in text form was cut off");
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `not a message in text form: ${problem}`);
}
