/**
 * The piece of an object that a read asks for: a range of bytes, or a part by its number.
 *
 * Source: RFC 9110, section 14; Amazon S3 API Reference, "GetObject"
 *
 * @module
 */
import type { ObjectVersion, StoredPart } from "./bucket.ts";
import { S3Error } from "./error.ts";

export interface Piece {
  readonly start: number;
  /** The first byte after it. */
  readonly end: number;
  /** The part that was asked for by its number. */
  readonly part?: StoredPart;
}

/**
 * Returns the piece, or `undefined` where the whole object is asked for.
 *
 * @throws S3Error `InvalidRange`, `InvalidPartNumber`, `InvalidRequest`
 */
export function pieceOf(
  object: ObjectVersion,
  range: string | undefined,
  partNumber: string | null,
): Piece | undefined {
  if (partNumber !== null) {
    if (range !== undefined) {
      throw new S3Error(
        "InvalidRequest",
        "Cannot specify both Range header and partNumber query parameter",
      );
    }
    return partOf(object, Number(partNumber));
  }
  return range === undefined ? undefined : rangeOf(range, object.size);
}

/** The bytes of a piece, as they are stored. */
export function bytesOf(object: ObjectVersion, start: number, end: number): Buffer[] {
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const { data } of object.parts) {
    const piece = data.subarray(Math.max(0, start - offset), Math.max(0, end - offset));
    if (piece.length > 0) pieces.push(piece);
    offset += data.length;
  }
  return pieces;
}

/** A range that S3 does not understand is ignored, and so are several at once. */
function rangeOf(range: string, size: number): Piece | undefined {
  const found = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(range.replaceAll(" ", ""));
  if (found === null) return undefined;
  const [, first, last, suffix] = found;
  if (suffix !== undefined) {
    if (Number(suffix) === 0 || size === 0) throw unsatisfiable(range, size);
    return { start: Math.max(0, size - Number(suffix)), end: size };
  }
  const start = Number(first);
  const end = last === "" ? Infinity : Number(last) + 1;
  if (end <= start) return undefined;
  if (start >= size) throw unsatisfiable(range, size);
  return { start, end: Math.min(end, size) };
}

function unsatisfiable(range: string, size: number): S3Error {
  return new S3Error("InvalidRange", undefined, { RangeRequested: range, ActualObjectSize: size });
}

function partOf(object: ObjectVersion, number: number): Piece {
  let start = 0;
  for (const [index, part] of object.parts.entries()) {
    const end = start + part.data.length;
    if (index + 1 === number) return { start, end, part };
    start = end;
  }
  throw new S3Error("InvalidPartNumber", undefined, {
    PartNumberRequested: number,
    ActualPartCount: object.parts.length,
  });
}
