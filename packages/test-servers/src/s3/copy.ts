/**
 * Copies within the store, of objects and of ranges into parts.
 *
 * Source: Amazon S3 API Reference, "CopyObject", "UploadPartCopy"
 *
 * @module
 */
import { versionHeader, type Bucket, type ObjectVersion } from "./bucket.ts";
import { xmlAnswer, type Answer } from "./answer.ts";
import type { Call, Site } from "./call.ts";
import { algorithmNamed, DEFAULT_ALGORITHM, fullChecksum } from "./checksums.ts";
import { checkCopySource, checkWrite } from "./conditions.ts";
import { S3Error } from "./error.ts";
import { putPart, uploadOf } from "./multipart.ts";
import { checkKey, checkRestored, checksumElement, storedPart } from "./objects.ts";
import {
  changesSettings,
  checkCustomerKey,
  checkPartKey,
  readProperties,
  type Headers,
  type Properties,
} from "./properties.ts";
import { bytesOf } from "./range.ts";

const SOURCE = "x-amz-copy-source";

export function copyObject({ site, bucket: name, key, headers }: Call): Answer {
  const bucket = site.bucket(name);
  checkKey(key);
  const source = sourceOf(site, headers);
  const { object } = source;
  const replaced = directive(headers, "x-amz-metadata-directive") === "REPLACE";
  if (source.bucket === bucket && object === bucket.current(key) && !replaced) {
    if (!changesSettings(headers)) {
      throw new S3Error(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      );
    }
  }
  checkCopySize(site, object.size);
  checkWrite(headers, bucket, key);
  const properties = copiedProperties(site, headers, object.properties, replaced);
  const wanted = algorithmNamed(headers["x-amz-checksum-algorithm"]);
  const data = Buffer.concat(object.parts.map((part) => part.data));
  const checksum = fullChecksum(wanted ?? object.checksum?.algorithm ?? DEFAULT_ALGORITHM, [data]);
  const part = storedPart(1, data, properties, checksum);
  const { etag } = part;
  const version = bucket.put({ key, parts: [part], multipart: false, etag, checksum, properties });
  const result = {
    LastModified: version.modified.toISOString(),
    ETag: `"${etag}"`,
    ...checksumElement(checksum),
    ChecksumType: checksum.type,
  };
  return xmlAnswer("CopyObjectResult", result, {
    ...properties.encryption,
    ...versionHeader(bucket, version),
    ...sourceVersion(source),
  });
}

export function uploadPartCopy({ site, bucket: name, key, query, headers }: Call): Answer {
  const upload = uploadOf(site.bucket(name), key, query.get("uploadId"));
  checkPartKey(upload.properties, headers);
  const source = sourceOf(site, headers);
  const { size } = source.object;
  const range = headers[`${SOURCE}-range`];
  const found = /^bytes=(\d+)-(\d+)$/.exec(range ?? `bytes=0-${size - 1}`);
  const [start, end] = [Number(found?.[1]), Number(found?.[2]) + 1];
  if (found === null || start >= end) {
    throw new S3Error(
      "InvalidArgument",
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
    );
  }
  if (end > size) {
    throw new S3Error(
      "InvalidArgument",
      `Range specified is not valid for source object of size: ${size}`,
    );
  }
  checkCopySize(site, end - start);
  const data = Buffer.concat(bytesOf(source.object, start, end));
  const algorithm = upload.algorithm ?? DEFAULT_ALGORITHM;
  const part = putPart(
    site,
    upload,
    query.get("partNumber"),
    data,
    fullChecksum(algorithm, [data]),
  );
  const result = {
    LastModified: part.modified.toISOString(),
    ETag: `"${part.etag}"`,
    ...(upload.algorithm !== undefined && checksumElement(part.checksum)),
  };
  return xmlAnswer("CopyPartResult", result, {
    ...upload.properties.encryption,
    ...sourceVersion(source),
  });
}

interface Source {
  readonly bucket: Bucket;
  readonly object: ObjectVersion;
}

/** The object that a copy reads, after all checks of whether it may be read. */
function sourceOf(site: Site, headers: Headers): Source {
  const text = (headers[SOURCE] ?? "").replace(/^\//, "");
  const [path = "", versionId] = text.split(/\?versionId=/);
  const decoded = decodeURIComponent(path.replaceAll("+", " "));
  const slash = decoded.indexOf("/");
  if (slash <= 0) {
    throw new S3Error(
      "InvalidArgument",
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
      { ArgumentName: SOURCE, ArgumentValue: text },
    );
  }
  const bucket = site.bucket(decoded.slice(0, slash));
  const object = bucket.find(decoded.slice(slash + 1), versionId);
  checkCustomerKey(object.properties, headers, `${SOURCE}-server-side-encryption-customer`);
  checkCopySource(headers, object);
  checkRestored(object);
  return { bucket, object };
}

function copiedProperties(
  site: Site,
  headers: Headers,
  source: Properties,
  replaced: boolean,
): Properties {
  const given = readProperties(headers, site.limits.maxMetadataBytes);
  const tagged = directive(headers, "x-amz-tagging-directive") === "REPLACE";
  return {
    ...given,
    ...(!replaced && { content: source.content, user: source.user }),
    ...(!tagged && { tags: source.tags }),
  };
}

function directive(headers: Headers, name: string): string {
  const value = headers[name] ?? "COPY";
  if (value === "COPY" || value === "REPLACE") return value;
  throw new S3Error("InvalidArgument", `Unknown ${name}`, {
    ArgumentName: name,
    ArgumentValue: value,
  });
}

function checkCopySize({ limits: { maxCopyBytes } }: Site, size: number): void {
  if (size <= maxCopyBytes) return;
  throw new S3Error(
    "InvalidRequest",
    `The specified copy source is larger than the maximum allowable size for a copy source: ${maxCopyBytes}`,
  );
}

function sourceVersion({ bucket, object }: Source): Headers {
  return bucket.versioning === undefined
    ? {}
    : { "x-amz-copy-source-version-id": object.versionId };
}
