/**
 * The first request of whatever does not read an object from its start to its end: one ranged GET brings the
 * metadata, the size, the version and the beginning of the body.
 *
 * @module
 */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  GetObjectCommand,
  HeadObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  type PutObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import { headerLength, MAX_HEADER_BYTES, parseHeader, type Header } from "@env/core/message";
import { readLayout, sidecarKey, type Layout } from "./layout.ts";

/** The part of a client that reading needs. */
export type Sender = Pick<S3Client, "send">;

/** The name of an object. */
export interface ObjectName {
  readonly Bucket: string;
  readonly Key: string;
}

/** What names an object, with what the SDK may need to read it (`VersionId`, `RequestPayer`, SSE-C keys). */
export type ObjectInput = Omit<GetObjectCommandInput, "Range" | "PartNumber" | "Key" | "Bucket"> &
  ObjectName;

/** The caller's own key for encryption at rest (SSE-C). S3 keeps none, so every request for the object has to bring it. */
export type CustomerKey = Pick<
  GetObjectCommandInput,
  "SSECustomerAlgorithm" | "SSECustomerKey" | "SSECustomerKeyMD5"
>;

export function customerKeyOf({
  SSECustomerAlgorithm,
  SSECustomerKey,
  SSECustomerKeyMD5,
}: CustomerKey): CustomerKey {
  return { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 };
}

/** An object that nobody has encrypted. */
export class NotEncrypted extends EnvelopeError {
  constructor({ Bucket, Key }: ObjectName, cause: unknown) {
    const what = JSON.stringify(`${Bucket}/${Key}`);
    super("ERR_ENVELOPE_FORMAT", `the object ${what} is not encrypted`, { cause });
  }
}

/** The beginning of an object, and what came with it. */
export interface ObjectFront {
  readonly input: ObjectInput;
  /** All of the answer but its body. */
  readonly output: Omit<GetObjectCommandOutput, "Body">;
  /** Bytes of the whole body, header included. */
  readonly size: number;
  /** The first bytes of the body: as many bytes as were asked for, or the whole body. */
  readonly bytes: Uint8Array;
  /** `undefined` where the metadata says nothing: the body may be a whole message. */
  readonly layout: Layout | undefined;
}

/** Enough for a header with its stored context and a key block of 16 entries; usually the first chunk is in it. */
const FRONT_BYTES = 32_768;

/**
 * Reads the beginning of an object.
 *
 * @param bytes - How much of it, {@link FRONT_BYTES} by default.
 * @throws what S3 answers; {@link EnvelopeError} like {@link readLayout}.
 */
export async function readFront(
  client: Sender,
  input: ObjectInput,
  signal: AbortSignal | undefined,
  bytes: number = FRONT_BYTES,
): Promise<ObjectFront> {
  const command = new GetObjectCommand({ ...input, Range: `bytes=0-${bytes - 1}` });
  let answer: GetObjectCommandOutput;
  try {
    answer = await client.send(command, abortable(signal));
  } catch (error) {
    if (hasName(error, "InvalidRange")) throw new NotEncrypted(input, error); // It is empty.
    throw error;
  }
  const { Body, ...output } = answer;
  if (output.ContentRange === undefined && (output.ContentLength ?? 0) > bytes) {
    readableOf(Body).destroy();
    throw new RangeError("the store ignored the range: random access needs one that reads ranges");
  }
  const body = await bytesOf(Body);
  return {
    input,
    output,
    bytes: body,
    size: sizeOf(answer, body),
    layout: readLayout(output.Metadata),
  };
}

/** Bytes in which the header of an object usually is. */
const HEADER_READ_BYTES = 4096;

/** Reads no more of an object than its header. */
export async function readHeader(
  client: Sender,
  input: ObjectInput,
  signal: AbortSignal | undefined,
): Promise<ObjectFront> {
  const front = await readFront(client, input, signal, HEADER_READ_BYTES);
  const length = ofMessage(input, front.layout, () => headerLength(front.bytes)) ?? Infinity;
  const isThere = length <= front.bytes.length || front.bytes.length === front.size;
  return isThere ? front : readFront(client, input, signal);
}

/** Says of what does not even begin as a message that it is not encrypted. */
function ofMessage<T>(input: ObjectName, layout: Layout | undefined, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const isOther = isEnvelopeError(error) && error.code === "ERR_ENVELOPE_FORMAT";
    throw isOther && layout === undefined ? new NotEncrypted(input, error) : error;
  }
}

/** A header, and the key block for it where that is detached. */
export interface FrontHeader {
  readonly header: Header;
  readonly keyBlock: Uint8Array | undefined;
}

/** The header at the beginning of an object, with its key block from wherever it is. */
export async function headerOf(
  client: Sender,
  { input, bytes, layout }: ObjectFront,
  signal: AbortSignal | undefined,
): Promise<FrontHeader> {
  const header = ofMessage(input, layout, () => parseHeader(bytes));
  return { header, keyBlock: await keyBlockOf(client, input, layout, signal) };
}

/** The detached key block of an object, from its metadata or from its sidecar. */
export async function keyBlockOf(
  client: Sender,
  input: ObjectInput,
  layout: Layout | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (layout?.sidecarId === undefined) return layout?.keyBlock;
  const { bytes } = await readSidecar(client, input, layout.sidecarId, signal);
  const { keyBlockOffset, length } = parseHeader(bytes);
  return bytes.subarray(keyBlockOffset, length);
}

/** A header with its key block, as it is stored. */
export interface Sidecar {
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
  readonly atRest: EncryptionAtRest;
}

/** How S3 itself encrypts what it stores: a sidecar as its object. */
export type EncryptionAtRest = Pick<
  PutObjectCommandInput,
  "ServerSideEncryption" | "SSEKMSKeyId" | "BucketKeyEnabled"
>;

export function encryptionAtRest({
  ServerSideEncryption,
  SSEKMSKeyId,
  BucketKeyEnabled,
}: EncryptionAtRest): EncryptionAtRest {
  return { ServerSideEncryption, SSEKMSKeyId, BucketKeyEnabled };
}

/** Reads a sidecar: a header with its key block. Its version is the latest, whatever version the object has. */
export async function readSidecar(
  client: Sender,
  { Bucket, Key, RequestPayer, ExpectedBucketOwner }: ObjectInput,
  id: string,
  signal: AbortSignal | undefined,
): Promise<Sidecar> {
  const name = sidecarKey(Key, id);
  const input = { Bucket, Key: name, RequestPayer, ExpectedBucketOwner };
  const Range = `bytes=0-${MAX_HEADER_BYTES - 1}`;
  try {
    const command = new GetObjectCommand({ ...input, Range });
    const { Body, ETag, ...output } = await client.send(command, abortable(signal));
    return { bytes: await bytesOf(Body), etag: ETag, atRest: encryptionAtRest(output) };
  } catch (error) {
    if (!hasName(error, "NoSuchKey")) throw error;
    throw new SidecarMissing(name, error);
  }
}

/**
 * Reads an object and its sidecar. Whoever overwrites the object between the two removes the sidecar that was meant, so
 * both are read again.
 */
export async function withSidecar<T>(read: () => Promise<T>): Promise<T> {
  for (let left = 2; ; left--) {
    try {
      return await read();
    } catch (error) {
      if (left === 0 || !(error instanceof SidecarMissing)) throw error;
    }
  }
}

class SidecarMissing extends EnvelopeError {
  constructor(name: string, cause: unknown) {
    const problem = `the sidecar ${JSON.stringify(name)} with the object's key block does not exist: restore it`;
    super("ERR_ENVELOPE_NO_KEY", problem, { cause });
  }
}

/** The key of the sidecar that an object has; `undefined` where it has none, or none that may be read. */
export async function sidecarOf(
  client: Sender,
  { Bucket, Key, RequestPayer, ExpectedBucketOwner, ...more }: ObjectInput,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const input = { Bucket, Key, RequestPayer, ExpectedBucketOwner, ...customerKeyOf(more) };
  const command = new HeadObjectCommand(input);
  try {
    const { Metadata } = await client.send(command, abortable(signal));
    const id = readLayout(Metadata)?.sidecarId;
    return id === undefined ? undefined : sidecarKey(Key, id);
  } catch (error) {
    if (hasName(error, "NotFound", "NoSuchKey", "Forbidden", "EnvelopeError")) return undefined;
    throw error;
  }
}

/** The options of a call that may be aborted. */
export function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Whether S3 answered with this error. */
export function hasName(error: unknown, ...names: readonly string[]): error is Error {
  return error instanceof Error && names.includes(error.name);
}

/** The body of an answer as Node's stream. @throws TypeError for an SDK that gives another one. */
export function readableOf(body: GetObjectCommandOutput["Body"]): Readable {
  if (body instanceof Readable) return body;
  throw new TypeError("the SDK's answer has no stream of Node as its body");
}

async function bytesOf(body: GetObjectCommandOutput["Body"]): Promise<Uint8Array> {
  const bytes = await buffer(readableOf(body));
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The size of the object. A store that ignores ranges answers with the whole body. */
function sizeOf({ ContentRange }: GetObjectCommandOutput, body: Uint8Array): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? "")?.[1];
  return total === undefined ? body.length : Number(total);
}
