/**
 * Ranges of plaintext, in the notation of HTTP. The ciphertext has the same offsets, and the tag after its end.
 *
 * Source: RFC 9110 sections 14.1.2 and 14.4
 *
 * @module
 */
import { EnvelopeError } from "@env/core";

/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Returns the range to request for a range of the plaintext: that of the ciphertext, where a suffix counts from the
 * tag's end.
 *
 * @throws TypeError for anything but `bytes=first-last`, `bytes=first-` and `bytes=-length`.
 */
export function toCiphertextRange(range: string, tagBytes: number): string {
  const [found, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range) ?? [];
  if (found !== undefined && first !== "" && (last === "" || Number(first) <= Number(last))) {
    return range;
  }
  if (first === "" && Number(last) > 0) return `bytes=-${Number(last) + tagBytes}`;
  throw new TypeError("Range must be bytes=first-last, bytes=first- or bytes=-length");
}

/**
 * Returns which part of the plaintext an answer holds.
 *
 * @param contentRange - The header of the answer.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` where the store ignored the range; RangeError where nothing but the
 * tag is in it.
 */
export function toPlaintextRange(contentRange: string | undefined, tagBytes: number): ByteRange {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? "") ?? [];
  if (first === undefined) {
    throw new EnvelopeError("ERR_ENVELOPE_UNSUPPORTED", "the store does not serve ranges");
  }
  const start = Number(first);
  const end = Math.min(Number(last) + 1, Number(total) - tagBytes);
  if (start < end) return { start, end };
  throw new RangeError("the range begins after the end of the object");
}
