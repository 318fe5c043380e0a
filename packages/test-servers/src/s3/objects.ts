/**
 * Operations on single objects: they are put, read, deleted and tagged.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { versionHeader, type ObjectVersion, type StoredPart, now } from "./bucket.ts";
import { answer, xmlAnswer, type Answer } from "./answer.ts";
import type { Call, Site } from "./call.ts";
import {
  DEFAULT_ALGORITHM,
  fullChecksum,
  hash,
  headerOf,
  verifyBody,
  type Checksum,
} from "./checksums.ts";
import { checkRead, checkWrite, matches } from "./conditions.ts";
import { preconditionFailed, S3Error } from "./error.ts";
import {
  checkCustomerKey,
  checkedTags,
  hasPlainETag,
  isArchived,
  propertyHeaders,
  readProperties,
  storageClassOf,
  type Headers,
  type Properties,
} from "./properties.ts";
import { bytesOf, pieceOf } from "./range.ts";
import { parseXml, type Xml } from "./xml.ts";

const MAX_KEY_BYTES = 1024;
const MAX_DELETED = 1000;

export function putObject({ site, bucket: name, key, headers, body }: Call): Answer {
  const bucket = site.bucket(name);
  checkKey(key);
  const properties = readProperties(headers, site.limits.maxMetadataBytes);
  const checksum = checkedBody(site, headers, body) ?? fullChecksum(DEFAULT_ALGORITHM, [body]);
  checkWrite(headers, bucket, key);
  const part = storedPart(1, body, properties, checksum);
  const { etag } = part;
  const version = bucket.put({ key, parts: [part], multipart: false, etag, checksum, properties });
  return answer(200, {
    etag: `"${version.etag}"`,
    ...checksumHeader(checksum),
    "x-amz-checksum-type": checksum.type,
    ...properties.encryption,
    ...versionHeader(bucket, version),
  });
}

export function getObject(call: Call): Answer {
  const { object, start, end, ...rest } = found(call);
  checkRestored(object);
  return { ...rest, body: bytesOf(object, start, end) };
}

export function headObject(call: Call): Answer {
  const { status, headers } = found(call);
  return answer(status, headers);
}

/** What a read finds: all of the answer but its bytes. */
function found({ site, bucket: name, key, query, headers }: Call): {
  readonly object: ObjectVersion;
  readonly start: number;
  readonly end: number;
  readonly status: number;
  readonly headers: Headers;
} {
  const bucket = site.bucket(name);
  const object = bucket.find(key, query.get("versionId"));
  checkCustomerKey(object.properties, headers);
  checkRead(headers, object);
  const piece = pieceOf(object, headers["range"], query.get("partNumber"));
  const { start, end } = piece ?? { start: 0, end: object.size };
  const checksum = piece === undefined ? object.checksum : piece.part?.checksum;
  return {
    object,
    start,
    end,
    status: piece === undefined ? 200 : 206,
    headers: {
      ...propertyHeaders(object.properties),
      ...overrides(query),
      "accept-ranges": "bytes",
      "content-length": String(end - start),
      ...(piece !== undefined && { "content-range": `bytes ${start}-${end - 1}/${object.size}` }),
      etag: `"${object.etag}"`,
      "last-modified": object.modified.toUTCString(),
      ...(headers["x-amz-checksum-mode"] === "ENABLED" &&
        checksum !== undefined && {
          ...checksumHeader(checksum),
          "x-amz-checksum-type": checksum.type,
        }),
      ...(piece?.part !== undefined &&
        object.multipart && { "x-amz-mp-parts-count": String(object.parts.length) }),
      ...versionHeader(bucket, object),
    },
  };
}

/** Headers of the answer that the query of a signed request replaces. */
function overrides(query: URLSearchParams): Headers {
  const prefix = "response-";
  return Object.fromEntries(
    [...query]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

export function deleteObject({ site, bucket: name, key, query, headers }: Call): Answer {
  const bucket = site.bucket(name);
  const condition = headers["if-match"];
  if (condition !== undefined) checkDelete(bucket.current(key), condition);
  const deleted = bucket.delete(key, query.get("versionId"));
  return answer(204, {
    ...(deleted?.kind === "marker" && { "x-amz-delete-marker": "true" }),
    ...(deleted !== undefined && versionHeader(bucket, deleted)),
  });
}

/** Deletes up to a thousand objects. An object that cannot be deleted does not hinder the others. */
export function deleteObjects({ site, bucket: name, headers, body }: Call): Answer {
  const bucket = site.bucket(name);
  const checksum = verifyBody(headers, body);
  if (checksum === undefined && headers["content-md5"] === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    );
  }
  const request = parseXml(body.toString(), "Delete");
  const objects = request.all("Object");
  if (objects.length === 0 || objects.length > MAX_DELETED) throw new S3Error("MalformedXML");
  const deleted: Xml[] = [];
  const errors: Xml[] = [];
  for (const object of objects) {
    const [key = "", versionId, etag] = ["Key", "VersionId", "ETag"].map((each) =>
      object.get(each),
    );
    try {
      if (etag !== undefined) checkDelete(bucket.current(key), etag);
      const gone = bucket.delete(key, versionId);
      deleted.push({
        Key: key,
        VersionId: versionId,
        DeleteMarker: gone?.kind === "marker" ? true : undefined,
        DeleteMarkerVersionId: gone?.kind === "marker" ? gone.versionId : undefined,
      });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const { code: Code, message: Message } = error;
      errors.push({ Key: key, VersionId: versionId, Code, Message });
    }
  }
  const quiet = request.get("Quiet") === "true";
  return xmlAnswer("DeleteResult", { Deleted: quiet ? undefined : deleted, Error: errors });
}

export function getObjectTagging({ site, bucket: name, key, query }: Call): Answer {
  const bucket = site.bucket(name);
  const object = bucket.find(key, query.get("versionId"));
  const Tag = object.properties.tags.map(([Key, Value]) => ({ Key, Value }));
  return xmlAnswer("Tagging", { TagSet: { Tag } }, versionHeader(bucket, object));
}

export function putObjectTagging({ site, bucket: name, key, query, headers, body }: Call): Answer {
  const bucket = site.bucket(name);
  const object = bucket.find(key, query.get("versionId"));
  verifyBody(headers, body);
  const set = parseXml(body.toString(), "Tagging").all("TagSet")[0];
  const tags = (set?.all("Tag") ?? []).map(
    (tag) => [tag.get("Key") ?? "", tag.get("Value") ?? ""] as const,
  );
  bucket.amend(object, { ...object.properties, tags: checkedTags(tags) });
  return answer(200, versionHeader(bucket, object));
}

export function deleteObjectTagging({ site, bucket: name, key, query }: Call): Answer {
  const bucket = site.bucket(name);
  const object = bucket.find(key, query.get("versionId"));
  bucket.amend(object, { ...object.properties, tags: [] });
  return answer(204, versionHeader(bucket, object));
}

/** @throws S3Error `KeyTooLongError` */
export function checkKey(key: string): void {
  const Size = Buffer.byteLength(key);
  if (Size <= MAX_KEY_BYTES) return;
  throw new S3Error("KeyTooLongError", undefined, { Size, MaxSizeAllowed: MAX_KEY_BYTES });
}

/** Verifies a body and its size. Returns the checksum that came with it, if any. */
export function checkedBody(site: Site, headers: Headers, body: Buffer): Checksum | undefined {
  const MaxSizeAllowed = site.limits.maxPutBytes;
  if (body.length > MaxSizeAllowed) {
    throw new S3Error("EntityTooLarge", undefined, { ProposedSize: body.length, MaxSizeAllowed });
  }
  return verifyBody(headers, body);
}

export function storedPart(
  number: number,
  data: Buffer,
  properties: Properties,
  checksum: Checksum | undefined,
): StoredPart {
  const etag = hasPlainETag(properties) ? hash("md5", [data]) : randomBytes(16);
  return { number, data, etag: etag.toString("hex"), checksum, modified: now() };
}

export function checksumHeader(checksum: Checksum | undefined): Headers {
  return checksum === undefined ? {} : { [headerOf(checksum.algorithm)]: checksum.value };
}

/** The element that says the same in XML. */
export function checksumElement(checksum: Checksum | undefined): Readonly<Record<string, string>> {
  return checksum === undefined ? {} : { [`Checksum${checksum.algorithm}`]: checksum.value };
}

/** Refuses to read bytes that are in an archive. */
export function checkRestored({ properties }: ObjectVersion): void {
  if (!isArchived(properties)) return;
  throw new S3Error("InvalidObjectState", undefined, { StorageClass: storageClassOf(properties) });
}

function checkDelete(current: ObjectVersion | undefined, condition: string): void {
  if (current === undefined) throw new S3Error("NoSuchKey");
  if (!matches(condition, current)) throw preconditionFailed("If-Match");
}
