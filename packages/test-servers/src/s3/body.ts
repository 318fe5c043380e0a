/**
 * Bodies in chunks, as SDKs send them so that a checksum can follow the data (`aws-chunked`).
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring
 * Payload in Multiple Chunks" and "… Including Trailing Headers"
 *
 * @module
 */
import { S3Error } from "./error.ts";
import { same, type ChunkSigner } from "./signature.ts";

export interface DecodedBody {
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string>>;
}

/**
 * Returns the data and the trailers of a body. A body that is not in chunks is returned as it is.
 *
 * @throws S3Error `IncompleteBody`, `MalformedTrailerError`, `SignatureDoesNotMatch`
 */
export function decodeBody(
  headers: Readonly<Record<string, string>>,
  raw: Buffer,
  signer: ChunkSigner,
): DecodedBody {
  const form = headers["x-amz-content-sha256"] ?? "";
  if (!form.startsWith("STREAMING-")) return { body: raw, trailers: {} };
  const signed = form.startsWith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
  if (!signed && form !== "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    throw new S3Error(
      "InvalidArgument",
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
    );
  }
  const pieces: Buffer[] = [];
  let offset = 0;
  const line = (): string => {
    const end = raw.indexOf("\r\n", offset);
    if (end < 0) throw new S3Error("IncompleteBody");
    const text = raw.toString("latin1", offset, end);
    offset = end + 2;
    return text;
  };
  for (;;) {
    const found = /^([\da-f]+)(?:;chunk-signature=([\da-f]{64}))?$/i.exec(line());
    if (found === null) throw new S3Error("IncompleteBody");
    const size = Number.parseInt(found[1] ?? "", 16);
    const piece = raw.subarray(offset, offset + size);
    if (piece.length < size) throw new S3Error("IncompleteBody");
    if (signed && !same(signer.chunk(piece), found[2] ?? "")) {
      throw new S3Error("SignatureDoesNotMatch");
    }
    if (size === 0) break;
    pieces.push(piece);
    offset += size;
    if (line() !== "") throw new S3Error("IncompleteBody");
  }
  const body = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  const announced = headers["x-amz-decoded-content-length"];
  if (announced === undefined) throw new S3Error("MissingContentLength");
  if (Number(announced) !== body.length) throw new S3Error("IncompleteBody");

  const trailers: Record<string, string> = {};
  while (offset < raw.length) {
    const text = line();
    if (text === "") continue;
    const colon = text.indexOf(":");
    if (colon < 0) throw new S3Error("MalformedTrailerError");
    trailers[text.slice(0, colon).toLowerCase()] = text.slice(colon + 1).trim();
  }
  const { "x-amz-trailer-signature": signature, ...rest } = trailers;
  const names = Object.keys(rest).toSorted();
  if (names.join() !== expected(headers["x-amz-trailer"]).join()) {
    throw new S3Error("MalformedTrailerError");
  }
  if (signed && form.endsWith("-TRAILER")) {
    const canonical = names.map((name) => `${name}:${rest[name] ?? ""}\n`).join("");
    if (!same(signer.trailers(canonical), signature ?? "")) {
      throw new S3Error("SignatureDoesNotMatch");
    }
  }
  return { body, trailers: rest };
}

function expected(announced: string | undefined): string[] {
  return (announced ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "")
    .toSorted();
}
