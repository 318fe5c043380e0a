/**
 * The text form of a message: `env1.` and base64url without padding, for columns and JSON.
 *
 * Strict on reading: one text per message. Decoders skip what they do not know, hence the comparison
 * with what the bytes encode to.
 *
 * Source: spec/envelope-v1.md#text-form
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** Most message bytes in text form. */
const MAX_TEXT_MESSAGE_BYTES = 2 ** 20;

const PREFIX = "env1.";
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES: ReadonlyMap<number, number> = new Map(
  Array.from(ALPHABET, (character, value) => [character.charCodeAt(0), value]),
);

/**
 * Writes a message as text.
 *
 * @param message - At most 1 MiB.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for a longer one.
 */
export function encodeText(message: Uint8Array): string {
  if (message.length > MAX_TEXT_MESSAGE_BYTES) throw tooLong();
  let text = PREFIX;
  for (let i = 0; i < message.length; i += 3) {
    const group = ((message[i] ?? 0) << 16) | ((message[i + 1] ?? 0) << 8) | (message[i + 2] ?? 0);
    const characters = Math.min(4, message.length - i + 1);
    for (let c = 0; c < characters; c++) text += ALPHABET[(group >> (18 - 6 * c)) & 63];
  }
  return text;
}

/**
 * Reads a message from text.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for anything {@link encodeText} would not write.
 */
export function decodeText(text: string): Bytes {
  if (typeof text !== "string") throw new TypeError("text must be a string");
  if (!text.startsWith(PREFIX)) throw malformed('it does not start with "env1."');
  const length = text.length - PREFIX.length;
  const remainder = length % 4;
  if (length === 0 || remainder === 1) throw malformed("it is cut short");
  const bytes = Math.floor((length * 3) / 4);
  if (bytes > MAX_TEXT_MESSAGE_BYTES) throw tooLong();
  const out = new Uint8Array(bytes);
  let at = 0;
  for (let i = PREFIX.length; i < text.length; i += 4) {
    let group = 0;
    for (let c = 0; c < 4; c++) {
      const value = i + c < text.length ? VALUES.get(text.charCodeAt(i + c)) : 0;
      if (value === undefined) throw malformed("it has a character that base64url does not use");
      group = (group << 6) | value;
    }
    const left = bytes - at;
    // The bits behind the last byte must be zero, or two texts would give one message.
    if (left < 3 && (group & (left === 1 ? 0xffff : 0xff)) !== 0)
      throw malformed("it has stray bits");
    out[at++] = group >> 16;
    if (left > 1) out[at++] = (group >> 8) & 0xff;
    if (left > 2) out[at++] = group & 0xff;
  }
  return out;
}

function tooLong(): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    "the text form holds messages of at most 1 MiB: store larger ones as bytes",
  );
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `not a message in text form: ${problem}`);
}
