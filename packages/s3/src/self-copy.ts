/**
 * Copies an object within S3: onto itself with other metadata, or elsewhere. The body never leaves S3.
 *
 * To replace an object's metadata, S3 wants all of it again, with everything else that a copy would reset. What it
 * does not tell is not kept: an ACL that is not the bucket's, and an encryption context of SSE-KMS.
 *
 * Source: Amazon S3 API Reference, CopyObject and UploadPartCopy
 *
 * @module
 */
import { buffer } from "node:stream/consumers";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { Metadata } from "./layout.ts";
import {
  abortable,
  customerKeyOf,
  readableOf,
  type CustomerKey,
  type ObjectFront,
  type ObjectInput,
} from "./object-front.ts";
import type { Stored } from "./upload.ts";

/** Bytes that S3 copies at most in one call. */
const MAX_COPY_BYTES = 5 * 2 ** 30;
/** Bytes that a part has at least, unless it is the last one. */
const MIN_PART_BYTES = 5 * 2 ** 20;

/** Where a copy goes. Its customer key is that of the source, unless it brings another one. */
export interface CopyTarget extends CustomerKey {
  readonly Bucket: string;
  readonly Key: string;
  readonly Metadata: Metadata;
  /** The target must still be this version of itself. */
  readonly IfMatch?: string | undefined;
}

/** Copies the version of an object whose front was read, with other metadata. */
export async function copyWithMetadata(
  client: S3Client,
  source: ObjectFront,
  target: CopyTarget,
  signal: AbortSignal | undefined,
  maxCopyBytes: number = MAX_COPY_BYTES,
): Promise<Stored> {
  if (source.size > maxCopyBytes) {
    return copyInParts(client, source, target, undefined, signal, maxCopyBytes);
  }
  const command = new CopyObjectCommand({
    ...restated(source),
    ...target,
    ...copySource(source),
    MetadataDirective: "REPLACE",
    TaggingDirective: "COPY",
  });
  const { CopyObjectResult, VersionId } = await client.send(command, abortable(signal));
  return { ETag: CopyObjectResult?.ETag, VersionId };
}

/**
 * Stores an object again with another beginning. Only the first part of it is sent: S3 copies the others.
 *
 * @param start - Takes the place of the first `replacedBytes` bytes.
 */
export async function replaceStart(
  client: S3Client,
  source: ObjectFront,
  target: CopyTarget,
  { start, replacedBytes }: { readonly start: Uint8Array; readonly replacedBytes: number },
  signal: AbortSignal | undefined,
): Promise<Stored> {
  const { input, output, size } = source;
  const { VersionId, ETag } = output;
  const sentEnd = Math.min(size, replacedBytes + MIN_PART_BYTES);
  let first = start;
  if (replacedBytes < sentEnd) {
    const Range = `bytes=${replacedBytes}-${sentEnd - 1}`;
    const command = new GetObjectCommand({ ...input, VersionId, IfMatch: ETag, Range });
    const { Body } = await client.send(command, abortable(signal));
    first = Buffer.concat([start, await buffer(readableOf(Body))]);
  }
  // What would be left is too short for S3's last but one part, but the last one may be of any length.
  if (sentEnd < size) {
    return copyInParts(client, source, target, { first, sentEnd }, signal, MAX_COPY_BYTES);
  }
  const Tagging = await taggingOf(client, source, signal);
  const stored = await client.send(
    new PutObjectCommand({ ...restated(source), ...target, Tagging, Body: first }),
    abortable(signal),
  );
  return { ETag: stored.ETag, VersionId: stored.VersionId };
}

async function copyInParts(
  client: S3Client,
  source: ObjectFront,
  { IfMatch, ...target }: CopyTarget,
  sent: { readonly first: Uint8Array; readonly sentEnd: number } | undefined,
  signal: AbortSignal | undefined,
  partBytes: number,
): Promise<Stored> {
  const { Bucket, Key } = target;
  const from = copySource(source);
  const input = { ...restated(source), ...target };
  const Tagging = await taggingOf(client, source, signal);
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ ...input, Tagging }),
    abortable(signal),
  );
  const upload = { Bucket, Key, UploadId };
  const partOf = { ...upload, ...customerKeyOf(input) };
  try {
    const Parts: CompletedPart[] = [];
    if (sent !== undefined) {
      const { ETag } = await client.send(
        new UploadPartCommand({ ...partOf, PartNumber: 1, Body: sent.first }),
        abortable(signal),
      );
      Parts.push({ PartNumber: 1, ETag });
    }
    for (let start = sent?.sentEnd ?? 0; start < source.size; start += partBytes) {
      const end = Math.min(start + partBytes, source.size);
      const PartNumber = Parts.length + 1;
      const CopySourceRange = `bytes=${start}-${end - 1}`;
      // One after the other: each is work of S3 alone.
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({ ...partOf, ...from, PartNumber, CopySourceRange }),
        abortable(signal),
      );
      Parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    const { ETag, VersionId } = await client.send(
      new CompleteMultipartUploadCommand({ ...partOf, IfMatch, MultipartUpload: { Parts } }),
      abortable(signal),
    );
    return { ETag, VersionId };
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

/** What a copy with replaced metadata must say again, besides `Expires`. */
const RESTATED = [
  "CacheControl",
  "ContentDisposition",
  "ContentEncoding",
  "ContentLanguage",
  "ContentType",
  "WebsiteRedirectLocation",
  "StorageClass",
  "ServerSideEncryption",
  "SSEKMSKeyId",
  "BucketKeyEnabled",
  "ObjectLockMode",
  "ObjectLockRetainUntilDate",
  "ObjectLockLegalHoldStatus",
] as const satisfies (keyof ObjectFront["output"] & keyof CreateMultipartUploadCommandInput)[];

/** What of a source says how a copy of it is stored. */
export interface Original {
  readonly input: ObjectInput;
  readonly output: Omit<ObjectFront["output"], "$metadata">;
}

export function restated({
  input: { RequestPayer, ExpectedBucketOwner, ...input },
  output,
}: Original): Omit<CreateMultipartUploadCommandInput, "Bucket" | "Key"> {
  const { ExpiresString } = output;
  return {
    RequestPayer,
    ExpectedBucketOwner,
    ...customerKeyOf(input),
    Expires: ExpiresString === undefined ? undefined : new Date(ExpiresString),
    ...Object.fromEntries(RESTATED.map((name) => [name, output[name]])),
  };
}

/** The tags of an object, as a header takes them. */
export async function taggingOf(
  client: S3Client,
  { input: { Bucket, Key }, output: { VersionId, TagCount } }: Original,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (TagCount === undefined || TagCount === 0) return undefined;
  const command = new GetObjectTaggingCommand({ Bucket, Key, VersionId });
  const { TagSet = [] } = await client.send(command, abortable(signal));
  const tags = new URLSearchParams();
  for (const { Key: name = "", Value = "" } of TagSet) tags.append(name, Value);
  return tags.toString();
}

function copySource({ input, output: { ETag, VersionId } }: ObjectFront) {
  const { Bucket, Key } = input;
  const { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 } = input;
  const path = `${Bucket}/${Key.split("/").map(encodeURIComponent).join("/")}`;
  const version = VersionId === undefined ? "" : `?versionId=${encodeURIComponent(VersionId)}`;
  return {
    CopySource: path + version,
    CopySourceIfMatch: ETag,
    CopySourceSSECustomerAlgorithm: SSECustomerAlgorithm,
    CopySourceSSECustomerKey: SSECustomerKey,
    CopySourceSSECustomerKeyMD5: SSECustomerKeyMD5,
  };
}
