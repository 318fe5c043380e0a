/**
 * A request as an operation sees it.
 *
 * @module
 */
import type { Bucket } from "./bucket.ts";
import { S3Error } from "./error.ts";
import type { Headers } from "./properties.ts";

/** Limits of S3, which tests make smaller. */
export interface S3Limits {
  /** Bytes of every part of a multipart upload but the last. Default: 5 MiB. */
  readonly minPartBytes: number;
  /** Default: 10 000. */
  readonly maxParts: number;
  /** Bytes of one PutObject or UploadPart. Default: 5 GiB. */
  readonly maxPutBytes: number;
  /** Bytes that one CopyObject or UploadPartCopy can copy. Default: 5 GiB. */
  readonly maxCopyBytes: number;
  /** Bytes of the names and values of user metadata. Default: 2048. */
  readonly maxMetadataBytes: number;
}

export const s3Limits: S3Limits = {
  minPartBytes: 5 * 2 ** 20,
  maxParts: 10_000,
  maxPutBytes: 5 * 2 ** 30,
  maxCopyBytes: 5 * 2 ** 30,
  maxMetadataBytes: 2048,
};

export class Site {
  readonly buckets: Map<string, Bucket> = new Map();
  readonly limits: S3Limits;

  constructor(limits: S3Limits) {
    this.limits = limits;
  }

  /** @throws S3Error `NoSuchBucket` */
  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new S3Error("NoSuchBucket", undefined, { BucketName: name });
    return bucket;
  }
}

export interface Call {
  readonly site: Site;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  /** Headers by lower-case name, with the trailers of the body. */
  readonly headers: Headers;
  readonly body: Buffer;
}

/** A number of the query, within bounds; larger ones are cut to the bound, as S3 does. */
export function numberOf(
  query: URLSearchParams,
  name: string,
  { most, initial = most }: { readonly most: number; readonly initial?: number },
): number {
  const text = query.get(name);
  if (text === null || text === "") return initial;
  if (!/^\d{1,10}$/.test(text)) {
    throw new S3Error(
      "InvalidArgument",
      `Provided ${name} not an integer or within integer range`,
      {
        ArgumentName: name,
        ArgumentValue: text,
      },
    );
  }
  return Math.min(Number(text), most);
}
