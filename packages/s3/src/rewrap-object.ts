/**
 * Rewraps one object: new entries for its data key, where they are. The body is not read, and not sent again
 * unless the key block is in it.
 *
 * @module
 */
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type {
  Envelope,
  RewrapOptions as MessageOptions,
  RewrapResult as MessageResult,
} from "@env/core";
import { sidecarKey, userMetadata, writeLayout, type Placement } from "./layout.ts";
import {
  abortable,
  hasName,
  headerOf,
  readHeader,
  readSidecar,
  withSidecar,
  type ObjectInput,
} from "./object-front.ts";
import { copyWithMetadata, replaceStart } from "./self-copy.ts";

export interface RewrapOptions extends Omit<MessageOptions, "keyBlock"> {
  /** Finds out what would change, with all calls of the KMS, and stores nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
}

export interface RewrapResult extends Omit<MessageResult<never>, "message" | "keyBlock"> {
  readonly placement: Placement;
}

/** Times that an object is read again because somebody else changed it meanwhile. */
const ATTEMPTS = 4;

/**
 * Rewraps one object.
 *
 * @throws like `Envelope.rewrap`; what S3 answers, `PreconditionFailed` where others keep on changing the object;
 * `ERR_ENVELOPE_LIMIT` where the new key block does not fit into the metadata. The object is then as it was.
 */
export async function rewrapObject(
  client: S3Client,
  envelope: Envelope,
  input: ObjectInput,
  options: RewrapOptions,
): Promise<RewrapResult> {
  for (let left = ATTEMPTS - 1; ; left--) {
    try {
      return await withSidecar(() => rewrapOnce(client, envelope, input, options));
    } catch (error) {
      if (left === 0 || !hasName(error, "PreconditionFailed", "ConditionalRequestConflict")) {
        throw error;
      }
    }
  }
}

async function rewrapOnce(
  client: S3Client,
  envelope: Envelope,
  input: ObjectInput,
  { dryRun = false, ...options }: RewrapOptions,
): Promise<RewrapResult> {
  const { signal } = options;
  const front = await readHeader(client, input, signal);
  const { layout } = front;
  const placement = layout?.placement ?? "inline";
  if (layout?.sidecarId !== undefined) {
    return rewrapSidecar(client, envelope, input, layout.sidecarId, { dryRun, ...options });
  }
  const { header, keyBlock } = await headerOf(client, front, signal);
  const {
    message,
    keyBlock: newBlock,
    ...result
  } = await envelope.rewrap(front.bytes.subarray(0, header.length), { ...options, keyBlock });
  if (!result.changed || dryRun) return { ...result, placement };
  const { ETag: IfMatch, Metadata } = front.output;
  const { Bucket, Key } = input;
  const metadata = userMetadata(Metadata);
  if (layout?.placement === "metadata") {
    const written = writeLayout({ ...layout, keyBlock: newBlock }, metadata);
    await copyWithMetadata(client, front, { Bucket, Key, IfMatch, Metadata: written }, signal);
  } else {
    const written = layout
      ? writeLayout({ ...layout, headerBytes: message.length }, metadata)
      : metadata;
    const replacing = { start: message, replacedBytes: header.length };
    const target = { Bucket, Key, IfMatch, Metadata: written };
    await replaceStart(client, front, target, replacing, signal);
  }
  return { ...result, placement };
}

/** Rewraps a sidecar, which is the header of the message, and nothing else. */
export async function rewrapSidecar(
  client: S3Client,
  envelope: Envelope,
  input: ObjectInput,
  id: string,
  { dryRun = false, ...options }: RewrapOptions,
): Promise<RewrapResult> {
  const { signal } = options;
  const { bytes, etag, atRest } = await readSidecar(client, input, id, signal);
  const { message, keyBlock: _, ...result } = await envelope.rewrap(bytes, options);
  if (result.changed && !dryRun) {
    const { Bucket, Key, RequestPayer, ExpectedBucketOwner } = input;
    const command = new PutObjectCommand({
      Bucket,
      Key: sidecarKey(Key, id),
      Body: message,
      IfMatch: etag,
      ...atRest,
      RequestPayer,
      ExpectedBucketOwner,
    });
    await client.send(command, abortable(signal)).catch((error: unknown) => {
      // The object has another sidecar by now.
      if (hasName(error, "NoSuchKey")) error.name = "PreconditionFailed";
      throw error;
    });
  }
  return { ...result, placement: "sidecar" };
}
