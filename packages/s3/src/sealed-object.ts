/**
 * An object that is about to be stored: its ciphertext, and the metadata that belongs to it.
 *
 * The data key is wrapped, and the metadata complete, before the first byte of the body is sent. A part that is sent
 * again is the same ciphertext, because encryption is upstream of the upload.
 *
 * @module
 */
import { Readable, pipeline } from "node:stream";
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { detachKeyBlock, type Aad, type Bytes, type Context, type Envelope } from "@env/core";
import { headerLength, parseHeader, payloadLength, PREFIX_BYTES } from "@env/core/message";
import { encryptStream } from "@env/node-stream";
import { sidecarIdOf, sidecarKey, writeLayout, type Placement } from "./layout.ts";

/** What can be stored. A stream is read once, and destroyed where the upload fails. */
export type Plaintext =
  | Uint8Array
  | string
  | Blob
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** The SDK's input, with the plaintext as its body. What depends on the ciphertext is computed here. */
export type PutInput = Omit<
  PutObjectCommandInput,
  | "Body"
  | "Bucket"
  | "Key"
  | "ContentLength"
  | "ContentMD5"
  | "WriteOffsetBytes"
  | `Checksum${string}`
> &
  Pick<PutObjectCommandInput, "ChecksumAlgorithm"> & {
    readonly Bucket: string;
    readonly Key: string;
    readonly Body: Plaintext;
  };

export interface SealOptions {
  readonly context: Context;
  /** Binds the object to its place; must be passed again to read it. Neither stored nor sent. Default: none. */
  readonly aad?: Aad | undefined;
  /** Stores the context in the object, for readers that use `fromHeader`. Default: false. */
  readonly storeContext?: boolean | undefined;
  readonly placement: Placement;
  /** The number of plaintext bytes of a stream, if it is known. It is checked. */
  readonly plaintextBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An object to be stored. */
export interface SealedObject {
  /** The input of `PutObject` or `CreateMultipartUpload`, without a body. */
  readonly input: Omit<PutObjectCommandInput, "Body"> & {
    readonly Bucket: string;
    readonly Key: string;
  };
  /** The ciphertext: an array if the plaintext was one, else a stream. */
  readonly body: Bytes | Readable;
  /** Bytes of the ciphertext; `undefined` for a stream of unknown length. */
  readonly bodyBytes: number | undefined;
  /** Has to be stored before the object, with placement `sidecar`. */
  readonly sidecar: { readonly Key: string; readonly Body: Bytes } | undefined;
}

/**
 * Encrypts what is to be stored, a stream while it is read.
 *
 * @throws like `Envelope.encrypt`; `ERR_ENVELOPE_LIMIT` where the key block does not fit into the metadata.
 */
export async function seal(
  envelope: Envelope,
  { Body, ...input }: PutInput,
  { placement, plaintextBytes, ...options }: SealOptions,
): Promise<SealedObject> {
  if (isWhole(Body)) {
    const plaintext = typeof Body === "string" ? Buffer.from(Body) : Body;
    const { start, ...rest } = place(input, await envelope.encrypt(plaintext, options), placement);
    return { ...rest, body: start, bodyBytes: start.length };
  }
  const length = Body instanceof Blob ? Body.size : plaintextBytes;
  const message = encryptStream(envelope, { ...options, plaintextBytes: length });
  pipeline(toReadable(Body), message, () => undefined); // A failure is seen by whoever reads the message.
  const pieces: AsyncIterator<Bytes> = message[Symbol.asyncIterator]();
  try {
    const { start, ...rest } = place(input, await takeFront(pieces), placement);
    const body = Readable.from(following(start, pieces), { objectMode: false });
    body.once("close", () => message.destroy());
    const bodyBytes =
      length === undefined ? undefined : parseHeader(start).length + payloadLength(length);
    return { ...rest, body, bodyBytes };
  } catch (error) {
    message.destroy();
    throw error;
  }
}

/** Puts the key block of a message where it belongs. `message` may be the beginning of one. */
function place(
  input: Omit<PutInput, "Body">,
  message: Bytes,
  placement: Placement,
): Pick<SealedObject, "input" | "sidecar"> & { readonly start: Bytes } {
  const inline = placement === "inline";
  const { length } = parseHeader(message);
  const { message: detached, keyBlock } = detachKeyBlock(message);
  const start = inline ? message : new Uint8Array(detached);
  const headerBytes = parseHeader(start).length;
  const sidecarId = placement === "sidecar" ? sidecarIdOf(start, headerBytes) : undefined;
  const layout = {
    placement,
    headerBytes,
    keyBlock: placement === "metadata" ? keyBlock : undefined,
    sidecarId,
  };
  return {
    input: { ...input, Metadata: writeLayout(layout, input.Metadata) },
    sidecar:
      sidecarId === undefined
        ? undefined
        : { Key: sidecarKey(input.Key, sidecarId), Body: message.slice(0, length) },
    start,
  };
}

/** Takes the header and the prefix of the payload from a message, and whatever comes with them. */
async function takeFront(pieces: AsyncIterator<Bytes>): Promise<Bytes> {
  let front = new Uint8Array(0);
  for (;;) {
    const length = headerLength(front);
    if (length !== undefined && front.length >= length + PREFIX_BYTES) return front;
    const { value, done } = await pieces.next();
    if (done === true) throw new TypeError("a message has a header");
    front = new Uint8Array(Buffer.concat([front, value]));
  }
}

async function* following(start: Bytes, pieces: AsyncIterator<Bytes>): AsyncGenerator<Bytes, void> {
  yield start;
  yield* { [Symbol.asyncIterator]: () => pieces };
}

function isWhole(body: Plaintext): body is Uint8Array | string {
  return typeof body === "string" || body instanceof Uint8Array;
}

function toReadable(body: Exclude<Plaintext, Uint8Array | string>): Readable {
  if (body instanceof Readable) return body;
  return Readable.from(body instanceof Blob ? body.stream() : body, { objectMode: false });
}
