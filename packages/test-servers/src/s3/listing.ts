/**
 * Lists of objects and of versions, page by page.
 *
 * Source: Amazon S3 API Reference, "ListObjectsV2", "ListObjectVersions"
 *
 * @module
 */
import type { Bucket, Version } from "./bucket.ts";
import { xmlAnswer, type Answer } from "./answer.ts";
import { numberOf, type Call } from "./call.ts";
import { S3Error } from "./error.ts";
import { compareKeys, indexOf } from "./key-order.ts";
import { storageClassOf } from "./properties.ts";
import { encode } from "./signature.ts";
import type { Xml } from "./xml.ts";

const MAX_LISTED = 1000;
const OWNER = { ID: "0".repeat(64), DisplayName: "test" };

interface Page<Item> {
  readonly items: readonly Item[];
  readonly prefixes: readonly string[];
  /** The last key or common prefix of the page. */
  readonly last: string;
  readonly truncated: boolean;
}

interface Query {
  readonly prefix: string;
  readonly delimiter: string;
  /** Keys up to this one are left out, and those of a common prefix that it names. */
  readonly after: string;
  readonly most: number;
}

export function listObjectsV2({ site, bucket: name, query }: Call): Answer {
  const token = query.get("continuation-token");
  const startAfter = query.get("start-after");
  const wanted = {
    ...queryOf(query),
    after: token === null ? (startAfter ?? "") : readToken(token),
  };
  const text = textOf(query);
  const bucket = site.bucket(name);
  const page = pageOf(bucket, wanted, (key) => {
    const object = bucket.current(key);
    return object === undefined ? [] : [object];
  });
  const withOwner = query.get("fetch-owner") === "true";
  return xmlAnswer("ListBucketResult", {
    Name: name,
    Prefix: text(wanted.prefix),
    Delimiter: wanted.delimiter === "" ? undefined : text(wanted.delimiter),
    StartAfter: startAfter === null ? undefined : text(startAfter),
    ContinuationToken: token ?? undefined,
    NextContinuationToken: page.truncated ? writeToken(page.last) : undefined,
    KeyCount: page.items.length + page.prefixes.length,
    MaxKeys: wanted.most,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: page.truncated,
    Contents: page.items.map((object) => ({
      ...facts(object, text),
      Owner: withOwner ? OWNER : undefined,
    })),
    CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: text(prefix) })),
  });
}

export function listObjectVersions({ site, bucket: name, query }: Call): Answer {
  const bucket = site.bucket(name);
  const text = textOf(query);
  const keyMarker = query.get("key-marker") ?? "";
  const versionMarker = query.get("version-id-marker") ?? "";
  const wanted = { ...queryOf(query), after: keyMarker };
  const rest = versionMarker === "" ? [] : after(bucket.versions(keyMarker), versionMarker);
  const page = pageOf(bucket, wanted, (key) => bucket.versions(key), rest);
  const last = page.items.at(-1);
  const between = page.truncated && last !== undefined && page.last === last.key;
  const listed = (version: Version, more: Readonly<Record<string, Xml>>): Xml => ({
    ...more,
    Key: text(version.key),
    VersionId: version.versionId,
    IsLatest: bucket.versions(version.key)[0] === version,
    LastModified: version.modified.toISOString(),
    Owner: OWNER,
  });
  return xmlAnswer("ListVersionsResult", {
    Name: name,
    Prefix: text(wanted.prefix),
    Delimiter: wanted.delimiter === "" ? undefined : text(wanted.delimiter),
    KeyMarker: text(keyMarker),
    VersionIdMarker: versionMarker,
    NextKeyMarker: page.truncated ? text(page.last) : undefined,
    NextVersionIdMarker: between ? last.versionId : undefined,
    MaxKeys: wanted.most,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: page.truncated,
    Version: page.items.flatMap((version) =>
      version.kind === "object" ? [listed(version, facts(version, text))] : [],
    ),
    DeleteMarker: page.items.flatMap((version) =>
      version.kind === "marker" ? [listed(version, {})] : [],
    ),
    CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: text(prefix) })),
  });
}

/** @param rest - What is left of the marker's key from the page before. */
function pageOf<Item extends Version>(
  bucket: Bucket,
  { prefix, delimiter, after: marker, most }: Query,
  of: (key: string) => readonly Item[],
  rest: readonly Item[] = [],
): Page<Item> {
  const keys = bucket.keys();
  const items: Item[] = [];
  const prefixes: string[] = [];
  let last = marker;
  const page = (truncated: boolean): Page<Item> => ({ items, prefixes, last, truncated });
  if (most === 0) return page(false);
  const skipped = delimiter !== "" && marker.endsWith(delimiter) ? marker : undefined;
  const full = (): boolean => items.length + prefixes.length >= most;
  for (const item of rest) {
    if (full()) return page(true);
    items.push(item);
  }
  for (let index = indexOf(keys, greater(prefix, marker)); index < keys.length; index++) {
    const key = keys[index] ?? "";
    if (!key.startsWith(prefix)) break;
    if (key === marker || (skipped !== undefined && key.startsWith(skipped))) continue;
    const found = of(key);
    if (found.length === 0) continue;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (end >= 0) {
      const common = key.slice(0, end + delimiter.length);
      if (prefixes.at(-1) === common) continue;
      if (full()) return page(true);
      prefixes.push(common);
      last = common;
      continue;
    }
    for (const item of found) {
      if (full()) return page(true);
      items.push(item);
      last = key;
    }
  }
  return page(false);
}

function after(versions: readonly Version[], versionId: string): readonly Version[] {
  const index = versions.findIndex((version) => version.versionId === versionId);
  if (index < 0) throw new S3Error("InvalidArgument", "Invalid version id specified");
  return versions.slice(index + 1);
}

function facts(version: Version, text: (key: string) => string): Readonly<Record<string, Xml>> {
  if (version.kind === "marker") return {};
  return {
    Key: text(version.key),
    LastModified: version.modified.toISOString(),
    ETag: `"${version.etag}"`,
    ChecksumAlgorithm: version.checksum?.algorithm,
    ChecksumType: version.checksum?.type,
    Size: version.size,
    StorageClass: storageClassOf(version.properties),
  };
}

function queryOf(query: URLSearchParams): Omit<Query, "after"> {
  return {
    prefix: query.get("prefix") ?? "",
    delimiter: query.get("delimiter") ?? "",
    most: numberOf(query, "max-keys", { most: MAX_LISTED }),
  };
}

/** Keys are written as they are, or percent-encoded where the request asks for it. */
function textOf(query: URLSearchParams): (text: string) => string {
  const encoding = query.get("encoding-type");
  if (encoding === null) return (text) => text;
  if (encoding !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      ArgumentName: "encoding-type",
      ArgumentValue: encoding,
    });
  }
  return (text) =>
    encode(text)
      .replaceAll("%2F", "/")
      .replaceAll("%2A", "*")
      .replaceAll("~", "%7E")
      .replaceAll("%20", "+");
}

function greater(one: string, other: string): string {
  return compareKeys(one, other) > 0 ? one : other;
}

/** A token is opaque to clients. */
function writeToken(key: string): string {
  return Buffer.from(`1/${key}`).toString("base64");
}

function readToken(token: string): string {
  const text = Buffer.from(token, "base64").toString();
  if (text.startsWith("1/")) return text.slice(2);
  throw new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
    ArgumentName: "continuation-token",
  });
}
