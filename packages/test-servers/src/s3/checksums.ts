/**
 * Checksums: those that a request claims are verified, and those that S3 keeps are computed.
 *
 * Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3"
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { crc32c, crc64Nvme } from "./crc.ts";
import { S3Error } from "./error.ts";

type Digest = (pieces: readonly Uint8Array[]) => Buffer;

export type ChecksumAlgorithm = "CRC32" | "CRC32C" | "CRC64NVME" | "SHA1" | "SHA256";

const digests: Readonly<Record<ChecksumAlgorithm, Digest>> = {
  CRC32: (pieces) => word(pieces.reduce((before, piece) => crc32(piece, before), 0)),
  CRC32C: (pieces) => word(pieces.reduce((before, piece) => crc32c(piece, before), 0)),
  CRC64NVME: crc64Nvme,
  SHA1: (pieces) => hash("sha1", pieces),
  SHA256: (pieces) => hash("sha256", pieces),
};

/** Whether the checksum covers the object's bytes, or the checksums of its parts. */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64; with `-` and the number of parts where it is composite. */
  readonly value: string;
}

const algorithms = Object.keys(digests) as ChecksumAlgorithm[];

/** What S3 computes for an object that arrives without a checksum. */
export const DEFAULT_ALGORITHM = "CRC64NVME";

export function hash(name: string, pieces: readonly Uint8Array[]): Buffer {
  const hashing = createHash(name);
  for (const piece of pieces) hashing.update(piece);
  return hashing.digest();
}

/** The name of the header, or of the trailer, that carries a checksum. */
export function headerOf(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

export function fullChecksum(
  algorithm: ChecksumAlgorithm,
  pieces: readonly Uint8Array[],
): Checksum {
  return { algorithm, type: "FULL_OBJECT", value: digests[algorithm](pieces).toString("base64") };
}

/** @param parts - The checksums of the parts, in base64. */
export function compositeChecksum(
  algorithm: ChecksumAlgorithm,
  parts: readonly string[],
): Checksum {
  const joined = Buffer.concat(parts.map((part) => Buffer.from(part, "base64")));
  const value = `${digests[algorithm]([joined]).toString("base64")}-${parts.length}`;
  return { algorithm, type: "COMPOSITE", value };
}

/** Reads the name of an algorithm as requests give it. */
export function algorithmNamed(name: string | undefined): ChecksumAlgorithm | undefined {
  if (name === undefined) return undefined;
  const algorithm = algorithms.find((each) => each === name.toUpperCase());
  if (algorithm !== undefined) return algorithm;
  throw new S3Error(
    "InvalidRequest",
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${algorithms.join(", ")}]`,
  );
}

/** The checksum that headers or trailers claim for a body. At most one is allowed. */
export function claimedChecksum(
  headers: Readonly<Record<string, string>>,
): { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined {
  const claimed = algorithms.filter((algorithm) => headers[headerOf(algorithm)] !== undefined);
  const [algorithm] = claimed;
  if (claimed.length > 1) {
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  }
  if (algorithm === undefined) {
    if (headers["x-amz-sdk-checksum-algorithm"] === undefined) return undefined;
    throw new S3Error(
      "InvalidRequest",
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
  }
  return { algorithm, value: headers[headerOf(algorithm)] ?? "" };
}

/**
 * Verifies everything that a request claims about its body.
 *
 * @returns The checksum that was claimed, if any.
 * @throws S3Error `BadDigest`, `InvalidDigest`, `InvalidRequest`, `XAmzContentSHA256Mismatch`
 */
export function verifyBody(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Checksum | undefined {
  const sha256 = headers["x-amz-content-sha256"];
  if (sha256 !== undefined && /^[\da-f]{64}$/i.test(sha256)) {
    const computed = hash("sha256", [body]).toString("hex");
    if (computed !== sha256.toLowerCase()) {
      throw new S3Error("XAmzContentSHA256Mismatch", undefined, {
        ClientComputedContentSHA256: sha256,
        S3ComputedContentSHA256: computed,
      });
    }
  }
  const md5 = headers["content-md5"];
  if (md5 !== undefined) {
    if (!isBase64(md5, 16)) throw new S3Error("InvalidDigest", undefined, { "Content-MD5": md5 });
    const computed = hash("md5", [body]).toString("base64");
    if (computed !== md5) {
      throw new S3Error("BadDigest", undefined, {
        ExpectedDigest: md5,
        CalculatedDigest: computed,
      });
    }
  }
  const claimed = claimedChecksum(headers);
  if (claimed === undefined) return undefined;
  const checksum = fullChecksum(claimed.algorithm, [body]);
  compare(claimed, checksum);
  return checksum;
}

/** Refuses a claimed checksum that is not the computed one. */
export function compare(
  { algorithm, value }: { readonly algorithm: ChecksumAlgorithm; readonly value: string },
  computed: Checksum,
): void {
  const plain = value.replace(/-\d+$/, "");
  if (!isBase64(plain, Buffer.from(computed.value.replace(/-\d+$/, ""), "base64").length)) {
    throw new S3Error("InvalidRequest", `Value for ${headerOf(algorithm)} header is invalid.`);
  }
  if (value === computed.value) return;
  throw new S3Error(
    "BadDigest",
    `The ${algorithm} you specified did not match the calculated checksum.`,
  );
}

function isBase64(text: string, bytes: number): boolean {
  const decoded = Buffer.from(text, "base64");
  return decoded.length === bytes && decoded.toString("base64") === text;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
