/**
 * Objects that arrive in parts.
 *
 * Source: Amazon S3 User Guide, "Uploading and copying objects using multipart upload"
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { now, versionHeader, type Bucket, type StoredPart, type Upload } from "./bucket.ts";
import { answer, xmlAnswer, type Answer } from "./answer.ts";
import { numberOf, type Call, type Site } from "./call.ts";
import {
  algorithmNamed,
  claimedChecksum,
  compare,
  compositeChecksum,
  fullChecksum,
  hash,
  type Checksum,
} from "./checksums.ts";
import { checkWrite } from "./conditions.ts";
import { S3Error } from "./error.ts";
import { compareKeys } from "./key-order.ts";
import { checkedBody, checkKey, checksumElement, checksumHeader, storedPart } from "./objects.ts";
import { checkPartKey, readProperties, storageClassOf } from "./properties.ts";
import { parseXml, type Xml, type XmlElement } from "./xml.ts";

const MAX_LISTED = 1000;

export function createMultipartUpload({ site, bucket: name, key, headers }: Call): Answer {
  const bucket = site.bucket(name);
  checkKey(key);
  const properties = readProperties(headers, site.limits.maxMetadataBytes);
  const algorithm = algorithmNamed(headers["x-amz-checksum-algorithm"]);
  const type =
    headers["x-amz-checksum-type"] ?? (algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
  const impossible =
    type === "COMPOSITE" ? algorithm === "CRC64NVME" : algorithm?.startsWith("SHA");
  if ((type !== "COMPOSITE" && type !== "FULL_OBJECT") || impossible === true) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${algorithm ?? "null"} checksum algorithm.`,
    );
  }
  const upload: Upload = {
    id: randomBytes(48).toString("base64url"),
    key,
    initiated: now(),
    properties,
    algorithm,
    checksumType: type,
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  return xmlAnswer(
    "InitiateMultipartUploadResult",
    { Bucket: name, Key: key, UploadId: upload.id },
    {
      ...properties.encryption,
      ...(algorithm !== undefined && {
        "x-amz-checksum-algorithm": algorithm,
        "x-amz-checksum-type": type,
      }),
    },
  );
}

export function uploadPart({ site, bucket: name, key, query, headers, body }: Call): Answer {
  const upload = uploadOf(site.bucket(name), key, query.get("uploadId"));
  checkPartKey(upload.properties, headers);
  const claimed = checkedBody(site, headers, body);
  const { algorithm, checksumType } = upload;
  if (algorithm !== undefined && claimed?.algorithm !== algorithm) {
    if (claimed !== undefined || checksumType === "COMPOSITE") {
      throw new S3Error(
        "InvalidRequest",
        `Checksum Type mismatch occurred, expected checksum Type: ${algorithm.toLowerCase()}, actual checksum Type: ${claimed?.algorithm.toLowerCase() ?? "null"}`,
      );
    }
  }
  const checksum = algorithm === undefined ? claimed : fullChecksum(algorithm, [body]);
  const part = putPart(site, upload, query.get("partNumber"), body, checksum);
  return answer(200, {
    etag: `"${part.etag}"`,
    ...checksumHeader(part.checksum),
    ...upload.properties.encryption,
  });
}

/** Keeps a part. One with the same number is replaced. */
export function putPart(
  site: Site,
  upload: Upload,
  partNumber: string | null,
  data: Buffer,
  checksum: Checksum | undefined,
): StoredPart {
  const number = Number(partNumber);
  const { maxParts } = site.limits;
  if (!Number.isInteger(number) || number < 1 || number > maxParts) {
    throw new S3Error(
      "InvalidArgument",
      `Part number must be an integer between 1 and ${maxParts}, inclusive`,
      { ArgumentName: "partNumber", ArgumentValue: partNumber ?? "" },
    );
  }
  const part = storedPart(number, data, upload.properties, checksum);
  upload.parts.set(number, part);
  return part;
}

export function completeMultipartUpload(call: Call): Answer {
  const { site, bucket: name, key, query, headers, body } = call;
  const bucket = site.bucket(name);
  const repeated = bucket.ended.get(query.get("uploadId") ?? "");
  if (repeated?.key === key && repeated.completed?.request.equals(body) === true) {
    return repeated.completed.answer;
  }
  const upload = uploadOf(bucket, key, query.get("uploadId"));
  const elements = parseXml(body.toString(), "CompleteMultipartUpload").all("Part");
  if (elements.length === 0) throw new S3Error("MalformedXML");
  const parts = listedParts(site, upload, elements);
  const checksum = checksumOf(upload, parts);
  const claimed = claimedChecksum(headers);
  if (claimed !== undefined)
    compare(claimed, checksum ?? fullChecksum(claimed.algorithm, dataOf(parts)));
  const size = parts.reduce((sum, { data }) => sum + data.length, 0);
  const expected = headers["x-amz-mp-object-size"];
  if (expected !== undefined && Number(expected) !== size) {
    throw new S3Error(
      "InvalidRequest",
      `The provided 'x-amz-mp-object-size' header value ${expected} does not match what was computed: ${size}`,
    );
  }
  checkWrite(headers, bucket, key);
  const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex")));
  const etag = `${hash("md5", [digests]).toString("hex")}-${parts.length}`;
  const { properties } = upload;
  const version = bucket.put({ key, parts, multipart: true, etag, checksum, properties });
  const result = xmlAnswer(
    "CompleteMultipartUploadResult",
    {
      Location: `http://s3.amazonaws.com/${name}/${key}`,
      Bucket: name,
      Key: key,
      ETag: `"${etag}"`,
      ...checksumElement(checksum),
      ChecksumType: checksum?.type,
    },
    { ...properties.encryption, ...versionHeader(bucket, version) },
  );
  bucket.uploads.delete(upload.id);
  bucket.ended.set(upload.id, { key, completed: { request: body, answer: result } });
  return result;
}

export function abortMultipartUpload({ site, bucket: name, key, query }: Call): Answer {
  const bucket = site.bucket(name);
  const id = query.get("uploadId");
  if (bucket.ended.get(id ?? "")?.key !== key) {
    const upload = uploadOf(bucket, key, id);
    bucket.uploads.delete(upload.id);
    bucket.ended.set(upload.id, { key });
  }
  return answer(204);
}

export function listParts({ site, bucket: name, key, query }: Call): Answer {
  const upload = uploadOf(site.bucket(name), key, query.get("uploadId"));
  const most = numberOf(query, "max-parts", { most: MAX_LISTED });
  const marker = numberOf(query, "part-number-marker", { most: Infinity, initial: 0 });
  const after = sortedParts(upload).filter(({ number }) => number > marker);
  const parts = after.slice(0, most);
  return xmlAnswer("ListPartsResult", {
    Bucket: name,
    Key: key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: parts.at(-1)?.number ?? 0,
    MaxParts: most,
    IsTruncated: after.length > parts.length,
    StorageClass: storageClassOf(upload.properties),
    ChecksumAlgorithm: upload.algorithm,
    ChecksumType: upload.algorithm && upload.checksumType,
    Part: parts.map(partFacts),
  });
}

export function listMultipartUploads({ site, bucket: name, query }: Call): Answer {
  const prefix = query.get("prefix") ?? "";
  const most = numberOf(query, "max-uploads", { most: MAX_LISTED });
  const [keyMarker, idMarker] = [
    query.get("key-marker") ?? "",
    query.get("upload-id-marker") ?? "",
  ];
  const after = [...site.bucket(name).uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .toSorted((one, other) => compareKeys(one.key, other.key) || compareKeys(one.id, other.id))
    .filter(({ key, id }) => {
      const order = compareKeys(key, keyMarker);
      return order > 0 || (order === 0 && idMarker !== "" && compareKeys(id, idMarker) > 0);
    });
  const uploads = after.slice(0, most);
  const last = uploads.at(-1);
  return xmlAnswer("ListMultipartUploadsResult", {
    Bucket: name,
    KeyMarker: keyMarker,
    UploadIdMarker: idMarker,
    NextKeyMarker: last?.key,
    NextUploadIdMarker: last?.id,
    Prefix: prefix,
    MaxUploads: most,
    IsTruncated: after.length > uploads.length,
    Upload: uploads.map(({ key, id, initiated, properties, algorithm, checksumType }) => ({
      Key: key,
      UploadId: id,
      StorageClass: storageClassOf(properties),
      Initiated: initiated.toISOString(),
      ChecksumAlgorithm: algorithm,
      ChecksumType: algorithm && checksumType,
    })),
  });
}

/** @throws S3Error `NoSuchUpload` */
export function uploadOf(bucket: Bucket, key: string, id: string | null): Upload {
  const upload = bucket.uploads.get(id ?? "");
  if (upload?.key !== key) throw new S3Error("NoSuchUpload", undefined, { UploadId: id ?? "" });
  return upload;
}

function partFacts({ number, modified, etag, data, checksum }: StoredPart): Xml {
  return {
    PartNumber: number,
    LastModified: modified.toISOString(),
    ETag: `"${etag}"`,
    Size: data.length,
    ...checksumElement(checksum),
  };
}

/** The parts that a request to complete the upload lists, in its order. */
function listedParts(site: Site, upload: Upload, listed: readonly XmlElement[]): StoredPart[] {
  const numbers = listed.map((element) => Number(element.get("PartNumber")));
  if (numbers.some((number, index) => !(number > (numbers[index - 1] ?? 0)))) {
    throw new S3Error("InvalidPartOrder", undefined, { UploadId: upload.id });
  }
  return listed.map((element, index) => {
    const number = numbers[index] ?? 0;
    const part = upload.parts.get(number);
    const etag = (element.get("ETag") ?? "").replaceAll('"', "");
    const checksum = part?.checksum;
    const claimed = checksum && element.get(`Checksum${checksum.algorithm}`);
    const other = claimed !== undefined && claimed !== checksum?.value;
    if (part === undefined || part.etag !== etag || other) {
      throw new S3Error("InvalidPart", undefined, {
        UploadId: upload.id,
        PartNumber: number,
        ETag: etag,
      });
    }
    const { minPartBytes } = site.limits;
    if (part.data.length < minPartBytes && index < listed.length - 1) {
      throw new S3Error("EntityTooSmall", undefined, {
        ProposedSize: part.data.length,
        MinSizeAllowed: minPartBytes,
        PartNumber: number,
        ETag: etag,
      });
    }
    return part;
  });
}

function checksumOf(upload: Upload, parts: readonly StoredPart[]): Checksum | undefined {
  const { algorithm, checksumType } = upload;
  if (algorithm === undefined) return undefined;
  if (checksumType === "FULL_OBJECT") return fullChecksum(algorithm, dataOf(parts));
  return compositeChecksum(
    algorithm,
    parts.map(({ checksum }) => checksum?.value ?? ""),
  );
}

function dataOf(parts: readonly StoredPart[]): Buffer[] {
  return parts.map(({ data }) => data);
}

function sortedParts(upload: Upload): StoredPart[] {
  return [...upload.parts.values()].toSorted((one, other) => one.number - other.number);
}
