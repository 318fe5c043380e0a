/**
 * Operations on buckets.
 *
 * @module
 */
import { Bucket } from "./bucket.ts";
import { answer, xmlAnswer, type Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import { verifyBody } from "./checksums.ts";
import { S3Error } from "./error.ts";
import { parseXml } from "./xml.ts";

export function listBuckets({ site }: Call): Answer {
  const buckets = [...site.buckets.values()].map(({ name, created }) => ({
    Name: name,
    CreationDate: created.toISOString(),
  }));
  return xmlAnswer("ListAllMyBucketsResult", { Buckets: { Bucket: buckets } });
}

export function createBucket({ site, bucket: name }: Call): Answer {
  if (!/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(name)) throw new S3Error("InvalidBucketName");
  if (site.buckets.has(name))
    throw new S3Error("BucketAlreadyOwnedByYou", undefined, { BucketName: name });
  site.buckets.set(name, new Bucket(name));
  return answer(200, { location: `/${name}` });
}

export function headBucket({ site, bucket }: Call): Answer {
  site.bucket(bucket);
  return answer(200, { "x-amz-bucket-region": "us-east-1" });
}

export function deleteBucket({ site, bucket: name }: Call): Answer {
  if (!site.bucket(name).empty)
    throw new S3Error("BucketNotEmpty", undefined, { BucketName: name });
  site.buckets.delete(name);
  return answer(204);
}

export function getBucketLocation({ site, bucket }: Call): Answer {
  site.bucket(bucket);
  return xmlAnswer("LocationConstraint", "");
}

export function getBucketVersioning({ site, bucket }: Call): Answer {
  return xmlAnswer("VersioningConfiguration", { Status: site.bucket(bucket).versioning });
}

export function putBucketVersioning({ site, bucket, headers, body }: Call): Answer {
  verifyBody(headers, body);
  const status = parseXml(body.toString(), "VersioningConfiguration").get("Status");
  if (status !== "Enabled" && status !== "Suspended") throw new S3Error("MalformedXML");
  site.bucket(bucket).versioning = status;
  return answer(200);
}
