/**
 * Stores a sealed object: in one request, or in parts where it is long or of unknown length.
 *
 * @module
 */
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { abortable, encryptionAtRest, sidecarOf } from "./object-front.ts";
import type { SealedObject } from "./sealed-object.ts";

export interface UploadOptions {
  /**
   * Bytes of a part, 5 MiB to 5 GiB. Default: 8 MiB, or more where the length is known and 10,000 parts would not
   * do. A stream of unknown length can have 10,000 of them: 78 GiB by default.
   */
  readonly partSize?: number | undefined;
  /** Parts that are sent at a time. Memory is about `partSize * (queueSize + 1)`. Default: 4. */
  readonly queueSize?: number | undefined;
  /** Called as ciphertext is sent. */
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What S3 said of the object that it stored. */
export interface Stored {
  readonly ETag: string | undefined;
  readonly VersionId: string | undefined;
}

const PART_BYTES = 8 * 2 ** 20;
/** S3 takes 10,000 parts; some are left for what a header adds. */
const PARTS = 9990;

/**
 * Stores the object, and its sidecar before it. A sidecar that an object of the same name had is removed afterwards,
 * unless the bucket keeps versions. Parts of an upload that failed are removed.
 */
export async function upload(
  client: S3Client,
  object: SealedObject,
  options: UploadOptions = {},
): Promise<Stored> {
  try {
    return await uploadBoth(client, object, options);
  } finally {
    if (object.body instanceof Readable) object.body.destroy();
  }
}

async function uploadBoth(
  client: S3Client,
  object: SealedObject,
  options: UploadOptions,
): Promise<Stored> {
  const { input, sidecar } = object;
  if (sidecar === undefined) return uploadBody(client, object, options);
  const { signal } = options;
  const former = await sidecarOf(client, input, signal);
  const { Bucket, RequestPayer, ExpectedBucketOwner } = input;
  const place = { Bucket, RequestPayer, ExpectedBucketOwner };
  const put = new PutObjectCommand({ ...place, ...encryptionAtRest(input), ...sidecar });
  await client.send(put, abortable(signal));
  const stored = await uploadBody(client, object, options);
  if (former !== undefined && former !== sidecar.Key && stored.VersionId === undefined) {
    // The object is stored. Nobody reads what is left where this fails.
    const remove = new DeleteObjectCommand({ ...place, Key: former });
    await client.send(remove, abortable(signal)).catch(() => undefined);
  }
  return stored;
}

async function uploadBody(
  client: S3Client,
  { input, body, bodyBytes }: SealedObject,
  { partSize, queueSize = 4, onProgress, signal }: UploadOptions,
): Promise<Stored> {
  signal?.throwIfAborted();
  const size = partSize ?? Math.max(PART_BYTES, Math.ceil((bodyBytes ?? 0) / PARTS));
  if (body instanceof Uint8Array && body.length <= size) {
    const command = new PutObjectCommand({ ...input, Body: body });
    const { ETag, VersionId } = await client.send(command, abortable(signal));
    onProgress?.(body.length);
    return { ETag, VersionId };
  }
  const uploading = new Upload({
    client,
    params: { ...input, Body: body },
    partSize: size,
    queueSize,
  });
  if (onProgress) uploading.on("httpUploadProgress", ({ loaded }) => onProgress(loaded ?? 0));
  const abort = (): void => void uploading.abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const { ETag, VersionId } = await uploading.done();
    return { ETag, VersionId };
  } catch (error) {
    await abortUpload(client, input, uploading.uploadId);
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Removes the parts of an upload that failed: the SDK leaves them where the last request of all fails. */
async function abortUpload(
  client: S3Client,
  { Bucket, Key, RequestPayer, ExpectedBucketOwner }: SealedObject["input"],
  UploadId: string | undefined,
): Promise<void> {
  if (UploadId === undefined) return;
  const parts = { Bucket, Key, UploadId, RequestPayer, ExpectedBucketOwner };
  // What fails here is less than what failed before, and there may be none left.
  await client.send(new AbortMultipartUploadCommand(parts)).catch(() => undefined);
}
