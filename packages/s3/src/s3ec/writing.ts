/**
 * New objects: a data key from the keyring, the content encrypted once, upstream of whatever splits and retries.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { EnvelopeError, type Context } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { newContentKey, seal } from "./content.ts";
import { isHeader, writeHeaders, type ObjectHeaders, type WrittenHeaders } from "./headers.ts";
import { instructionFileOf, writeInstructionFile } from "./instruction-file.ts";
import type { Settings } from "./options.ts";
import { abortable, requirePlace } from "./reading.ts";

/** What an object is made of. A stream may have pieces of bytes or text. */
export type Body =
  | string
  | Uint8Array
  | Blob
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array>;

/** Members of the SDK's input that would describe the plaintext. */
const ofPlaintext = [
  "ContentLength",
  "ContentMD5",
  "ChecksumCRC32",
  "ChecksumCRC32C",
  "ChecksumCRC64NVME",
  "ChecksumSHA1",
  "ChecksumSHA256",
] as const;

/** The input of `PutObjectCommand`, without lengths and checksums, which would be those of the plaintext. */
export type PutInput = Omit<
  PutObjectCommandInput,
  (typeof ofPlaintext)[number] | "Body" | "Bucket" | "Key" | "Metadata"
> & {
  readonly Bucket: string;
  readonly Key: string;
  readonly Body: Body;
  /** User metadata. The names of the format (`x-amz-key-v2`, `x-amz-c`, …) are reserved. */
  readonly Metadata?: Readonly<Record<string, string>> | undefined;
};

export interface PutOptions {
  /** KMS keyrings: the encryption context, which the reader repeats. Not secret: KMS logs it. Default: `{}`. */
  readonly context?: Context | undefined;
  /**
   * Stores the wrapped key in the object `<Key>.instruction`, where {@link S3EncryptionClient.rewrap} can
   * replace it. It is written after the object. Default: `false`.
   */
  readonly instructionFile?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "instructionFile", "signal"]);
/** The most parts S3 allows, 10 000, times this is more than the format's largest object. */
const PART_BYTES = 8 * 2 ** 20;
/**
 * Bytes that S3 lets the names and values of an object's user metadata have together.
 *
 * Source: Amazon S3 User Guide, "Working with object metadata"
 */
const MAX_METADATA_BYTES = 2048;

/** {@link S3EncryptionClient.put}. */
export async function putObject(
  settings: Settings,
  input: PutInput,
  options: PutOptions,
): Promise<PutObjectCommandOutput> {
  const { client, keyring } = settings;
  checkOptions(options, OPTIONS);
  checkInput(input);
  const { context, instructionFile = false, signal } = options;
  if (context !== undefined && !keyring.bindsContext) {
    throw new TypeError(
      "context needs a KMS keyring: raw keyrings authenticate none. Pass materialDescription to the keyring",
    );
  }
  signal?.throwIfAborted();
  const isV2 = settings.commitmentPolicy === "FORBID_ENCRYPT_ALLOW_DECRYPT";
  const shape = isV2
    ? ({ version: "V2", contentAlgorithm: "AES/GCM/NoPadding", iv: randomBytes(12) } as const)
    : ({ version: "V3", contentAlgorithm: "115", iv: randomBytes(28) } as const);
  const { dataKey, ...wrapped } = await keyring.wrap(shape.contentAlgorithm, context ?? {}, {
    signal,
  });
  using key = dataKey;
  const { content, commitment } = newContentKey(shape, key);
  const headers: ObjectHeaders = {
    ...shape,
    ...wrapped,
    commitment,
    placement: instructionFile ? "instruction-file" : "metadata",
  };
  const { metadata, instructions } = writeHeaders(headers);
  const { Body: body, Metadata, ...rest } = input;
  const params = { ...rest, Metadata: withinBudget(Metadata ?? {}, metadata, instructions) };
  const output = await upload(
    settings,
    params,
    seal(content, piecesOf(body)),
    isShort(body),
    signal,
  );
  if (instructions !== undefined) {
    const place = instructionFileOf(input);
    await writeInstructionFile(client, place, instructions, { signal });
  }
  return output;
}

async function upload(
  { client }: Settings,
  params: PutObjectCommandInput,
  pieces: AsyncGenerator<Buffer>,
  inOnePut: boolean,
  signal: AbortSignal | undefined,
): Promise<PutObjectCommandOutput> {
  if (inOnePut) {
    const sealed: Buffer[] = [];
    for await (const piece of pieces) sealed.push(piece);
    const command = new PutObjectCommand({ ...params, Body: Buffer.concat(sealed) });
    return client.send(command, abortable(signal));
  }
  const stream = Readable.from(pieces, { objectMode: false });
  const task = new Upload({
    client,
    params: { ...params, Body: stream },
    partSize: PART_BYTES,
  });
  const abort = (): void => void task.abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await task.done();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    stream.destroy(); // Ends the source as well, wherever the upload stopped.
  }
}

function checkInput(input: PutInput): void {
  requirePlace(input);
  const given = ofPlaintext.find((name) => name in input);
  if (given !== undefined) {
    throw new TypeError(`${given} would be that of the plaintext: leave it out`);
  }
  const reserved = Object.keys(input.Metadata ?? {}).find((name) => isHeader(name.toLowerCase()));
  if (reserved !== undefined) throw new TypeError(`the metadata name ${reserved} is reserved`);
  if (!isBody(input.Body)) {
    throw new TypeError("Body must be bytes, text, a Blob, or a stream or iterable of bytes");
  }
}

function isBody(body: unknown): boolean {
  if (typeof body === "string" || body instanceof Blob) return true;
  return (
    typeof body === "object" &&
    body !== null &&
    (Symbol.asyncIterator in body || Symbol.iterator in body)
  );
}

function isShort(body: Body): boolean {
  if (typeof body === "string") return Buffer.byteLength(body) <= PART_BYTES;
  if (body instanceof Blob) return body.size <= PART_BYTES;
  return body instanceof Uint8Array && body.length <= PART_BYTES;
}

async function* piecesOf(body: Body): AsyncGenerator<Uint8Array, void, undefined> {
  const source =
    typeof body === "string" || body instanceof Uint8Array
      ? [body]
      : body instanceof Blob
        ? body.stream()
        : body;
  for await (const piece of source) {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    if (!(bytes instanceof Uint8Array)) throw new TypeError("Body must give bytes or text");
    yield bytes;
  }
}

/** Puts the two kinds of metadata together. The request has not been sent yet if they do not fit. */
function withinBudget(
  user: Readonly<Record<string, string>>,
  headers: WrittenHeaders["metadata"],
  instructions: WrittenHeaders["instructions"],
): Record<string, string> {
  const all = { ...user, ...headers };
  let bytes = 0;
  for (const pair of Object.entries(all)) {
    for (const text of pair) bytes += Buffer.byteLength(text);
  }
  if (bytes <= MAX_METADATA_BYTES) return all;
  const advice = instructions === undefined ? "set instructionFile: true, or use" : "use";
  throw new EnvelopeError(
    "ERR_ENVELOPE_LIMIT",
    `the object's metadata would have ${bytes} bytes, S3 takes ${MAX_METADATA_BYTES}: ${advice} less metadata or a smaller context`,
  );
}
