/**
 * Text as plaintext: UTF-8 that decodes to exactly the same text.
 *
 * @module
 */
import { decodeUtf8, utf8, type Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** @throws TypeError for a lone surrogate. */
export function encodePlaintext(plaintext: string): Bytes {
  if (typeof plaintext !== "string") throw new TypeError("plaintext must be a string");
  if (!plaintext.isWellFormed()) {
    throw new TypeError("plaintext has a lone surrogate, which UTF-8 cannot carry");
  }
  return utf8(plaintext);
}

/** @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`. */
export function decodePlaintext(plaintext: Bytes): string {
  const text = decodeUtf8(plaintext);
  if (text === undefined) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_FORMAT",
      "the plaintext is not UTF-8 text: use decrypt()",
    );
  }
  return text;
}
