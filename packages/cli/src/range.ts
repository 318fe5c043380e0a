/**
 * Ranges of bytes as they are written on the command line: those of HTTP, with and without its unit.
 *
 * Source: RFC 9110, 14.1.2
 *
 * @module
 */
import { CommandError, usageError } from "./errors.ts";

/** `first` to `last`, both of them included; without `last` to the end; without `first` the `last` bytes at the end. */
export interface ByteRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** The range as it was typed. */
  readonly text: string;
}

const FORM = /^(?:bytes=)?([0-9]*)-([0-9]*)$/;
const EXAMPLES = "bytes are counted from 0: 0-99, 100- or, for the last 100, -100";

/**
 * Parses the value of `--range`, which is given once.
 *
 * @throws CommandError `ERR_CLI_USAGE` for what is not a range of any plaintext.
 */
export function parseRange(text: string, previous: ByteRange | undefined): ByteRange {
  if (previous !== undefined || text.includes(",")) {
    throw usageError("--range is one range", "run the command once for each");
  }
  const match = FORM.exec(text);
  const [first, last] = [position(match?.[1]), position(match?.[2])];
  if (match === null || (first === undefined && last === undefined)) {
    throw usageError(`${JSON.stringify(text)} is not a range`, EXAMPLES);
  }
  if (first !== undefined && last !== undefined && first > last) {
    throw usageError(`the range ${text} ends before it starts`, EXAMPLES);
  }
  return { first, last, text };
}

/**
 * What a range means in the plaintext of `path`, of `size` bytes: `start` included, `end` not. As in HTTP, a
 * range that ends beyond the plaintext is cut off there, and more bytes from the end than exist mean all of them.
 *
 * @throws CommandError `ERR_CLI_RANGE` if not one byte is in it. The last bytes of an empty plaintext are the empty range.
 */
export function resolveRange(
  { first, last = Infinity, text }: ByteRange,
  size: number,
  path: string,
): { readonly start: number; readonly end: number } {
  if (first === undefined && last > 0) return { start: Math.max(0, size - last), end: size };
  if (first !== undefined && first < size) return { start: first, end: Math.min(size, last + 1) };
  const there = size === 0 ? "it is empty" : `its ${size} bytes are 0-${size - 1}`;
  throw new CommandError("ERR_CLI_RANGE", `${path}: the plaintext has no bytes ${text}`, there);
}

/** Capped at the largest exact number, beyond any plaintext. */
function position(digits: string | undefined): number | undefined {
  if (digits === undefined || digits === "") return undefined;
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
