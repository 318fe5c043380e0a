/**
 * Conditions on the ETag and the time of an object.
 *
 * Source: RFC 9110, section 13; Amazon S3 API Reference, "GetObject", "CopyObject"; Amazon S3 User Guide,
 * "Add preconditions to S3 operations with conditional requests"
 *
 * @module
 */
import type { Bucket, ObjectVersion } from "./bucket.ts";
import { preconditionFailed, S3Error } from "./error.ts";
import type { Headers } from "./properties.ts";

/** Checks the conditions of a read. @throws S3Error `PreconditionFailed`, `NotModified` */
export function checkRead(headers: Headers, object: ObjectVersion): void {
  const { failed, unmodified } = evaluate(headers, object, "");
  if (failed !== undefined) throw preconditionFailed(failed);
  if (unmodified === undefined) return;
  throw new S3Error("NotModified", undefined, {}, { etag: `"${object.etag}"` });
}

/** Checks the conditions on the source of a copy. @throws S3Error `PreconditionFailed` */
export function checkCopySource(headers: Headers, source: ObjectVersion): void {
  const { failed, unmodified } = evaluate(headers, source, "x-amz-copy-source-");
  const condition = failed ?? unmodified;
  if (condition !== undefined) throw preconditionFailed(condition);
}

/**
 * Checks the conditions of a write on what is there now.
 *
 * @throws S3Error `PreconditionFailed`, `NoSuchKey`, `NotImplemented`
 */
export function checkWrite(headers: Headers, bucket: Bucket, key: string): void {
  const current = bucket.current(key);
  const { "if-match": match, "if-none-match": none } = headers;
  if (none !== undefined) {
    if (none !== "*" || match !== undefined) {
      throw new S3Error("NotImplemented", undefined, { Header: "If-None-Match" });
    }
    if (current !== undefined) throw preconditionFailed("If-None-Match");
  }
  if (match === undefined) return;
  if (current === undefined) throw new S3Error("NoSuchKey", undefined, { Key: key });
  if (!matches(match, current)) throw preconditionFailed("If-Match");
}

interface Outcome {
  /** The condition that requires the known object, and does not hold. */
  readonly failed?: string | undefined;
  /** The condition that requires another object, and does not hold. */
  readonly unmodified?: string | undefined;
}

function evaluate(headers: Headers, object: ObjectVersion, prefix: string): Outcome {
  const condition = (name: string): string | undefined => headers[`${prefix}if-${name}`];
  const [match, none] = [condition("match"), condition("none-match")];
  const [since, unmodifiedSince] = [condition("modified-since"), condition("unmodified-since")];
  let failed: string | undefined;
  let unmodified: string | undefined;
  // A condition on the ETag decides alone: the one on the time beside it does not count.
  if (match !== undefined) {
    if (!matches(match, object)) failed = "If-Match";
  } else if (unmodifiedSince !== undefined && object.modified > new Date(unmodifiedSince)) {
    failed = "If-Unmodified-Since";
  }
  if (none !== undefined) {
    if (matches(none, object)) unmodified = "If-None-Match";
  } else if (since !== undefined && object.modified <= new Date(since)) {
    unmodified = "If-Modified-Since";
  }
  return { failed, unmodified };
}

export function matches(condition: string, { etag }: ObjectVersion): boolean {
  return condition
    .split(",")
    .map((each) => each.trim().replaceAll('"', ""))
    .some((each) => each === "*" || each === etag);
}
