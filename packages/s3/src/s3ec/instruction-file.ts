/**
 * Instruction files: objects beside an encrypted object that hold its wrapped key as JSON. A rewrap replaces this small
 * file alone; further files with other suffixes give the object to further keyrings.
 *
 * Whoever may write an instruction file chooses which wrapped key an object is opened with. Only the commitment of
 * V3 notices another one, and therefore stays with the object (CVE-2025-14763, -14762, -14764).
 *
 * Source: Amazon S3 Encryption Client specification, "Instruction files"
 *
 * @module
 */
import {
  GetObjectCommand,
  PutObjectCommand,
  type GetObjectCommandOutput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { EnvelopeError } from "@env/core";
import { abortable, hasName, type ObjectName } from "../object-front.ts";
import { INSTRUCTION_FILE_MARK } from "./headers.ts";
import { decodeUtf8, malformed, parseTextMap, writeTextMap, type TextMap } from "./text.ts";

/** An object, and what the SDK may need to reach it. */
export interface ObjectPlace extends ObjectName {
  readonly RequestPayer?: "requester" | undefined;
  readonly ExpectedBucketOwner?: string | undefined;
}

const DEFAULT_SUFFIX = ".instruction";
/** Far above what KMS allows for the encryption context, which is the only part without a fixed length. */
const MAX_INSTRUCTION_FILE_BYTES = 32_768;

/** An instruction file that was read. */
export interface InstructionFile {
  readonly fields: TextMap;
  readonly etag: string | undefined;
}

/** The place of an object's instruction file: the suffix `partner` means `.partner`, as in AWS's clients. */
export function instructionFileOf(
  place: ObjectPlace,
  suffix: string = DEFAULT_SUFFIX,
): ObjectPlace {
  const { Bucket, Key, RequestPayer, ExpectedBucketOwner } = place;
  const end = suffix.startsWith(".") ? suffix : `.${suffix}`;
  return { Bucket, Key: Key + end, RequestPayer, ExpectedBucketOwner };
}

/**
 * Reads an instruction file.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_NO_KEY` where there is none, `ERR_ENVELOPE_FORMAT` for one that is longer
 * than 32 KiB or anything but a JSON object of strings in UTF-8; what the SDK throws.
 */
export async function readInstructionFile(
  client: S3Client,
  place: ObjectPlace,
  signal: AbortSignal | undefined,
): Promise<InstructionFile> {
  let answer: GetObjectCommandOutput;
  try {
    answer = await client.send(new GetObjectCommand({ ...place }), abortable(signal));
  } catch (error) {
    if (!hasName(error, "NoSuchKey")) throw error;
    throw new EnvelopeError(
      "ERR_ENVELOPE_NO_KEY",
      `the object's metadata has no wrapped key, and the instruction file ${JSON.stringify(place.Key)} does not exist: ` +
        "the object is not encrypted by an S3 Encryption Client, or the file has another suffix",
      { cause: error },
    );
  }
  const bytes = await collect(bodyOf(answer), MAX_INSTRUCTION_FILE_BYTES);
  const text = bytes && decodeUtf8(bytes);
  if (text === undefined) {
    throw malformed(
      `the instruction file is not JSON in UTF-8 of at most ${MAX_INSTRUCTION_FILE_BYTES} bytes`,
    );
  }
  return { fields: parseTextMap(text, "the instruction file"), etag: answer.ETag };
}

/** Writes an instruction file; with `IfMatch` only in the place of that version. */
export async function writeInstructionFile(
  client: S3Client,
  place: ObjectPlace,
  fields: TextMap,
  {
    signal,
    IfMatch,
  }: { readonly signal: AbortSignal | undefined; readonly IfMatch?: string | undefined },
): Promise<void> {
  const command = new PutObjectCommand({
    ...place,
    Body: writeTextMap(fields),
    ContentType: "application/json",
    Metadata: { [INSTRUCTION_FILE_MARK]: "" },
    IfMatch,
  });
  await client.send(command, abortable(signal));
}

/** The body of an answer. On Node the SDK gives a stream of bytes. */
export function bodyOf({ Body }: GetObjectCommandOutput): AsyncIterable<Uint8Array> {
  if (Body === undefined || !(Symbol.asyncIterator in Body)) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_UNSUPPORTED",
      "the client's answer has no stream as Body",
    );
  }
  return Body;
}

/** Reads a source into one array; `undefined`, with the rest unread, if it is longer than `limit`. */
async function collect(
  source: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    length += piece.length;
    if (length > limit) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}
