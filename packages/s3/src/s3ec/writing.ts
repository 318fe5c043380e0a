/**
 * New objects: a data key from the keyring, the content encrypted once, upstream of whatever splits and retries.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { EnvelopeError, type Context } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { MAX_METADATA_BYTES, metadataBytes } from "../layout.ts";
import type { Plaintext, PutInput } from "../sealed-object.ts";
import { upload, type Stored, type UploadOptions } from "../upload.ts";
import { newContentKey, seal, wholeOf } from "./content.ts";
import { isHeader, writeHeaders, type ObjectHeaders, type WrittenHeaders } from "./headers.ts";
import { instructionFileOf, writeInstructionFile } from "./instruction-file.ts";
import type { Settings } from "./options.ts";
import { requirePlace } from "./reading.ts";

export interface PutOptions extends UploadOptions {
  /** KMS keyrings: the encryption context, which the reader repeats. Not secret: KMS logs it. Default: `{}`. */
  readonly context?: Context | undefined;
  /**
   * Stores the wrapped key in the object `<Key>.instruction`, where {@link S3EncryptionClient.rewrap} can
   * replace it. It is written after the object. Default: `false`.
   */
  readonly instructionFile?: boolean | undefined;
}

const OPTIONS = new Set([
  "context",
  "instructionFile",
  "partSize",
  "queueSize",
  "onProgress",
  "signal",
]);
/** Members of the SDK's input that would describe the plaintext. */
const ofPlaintext = /^(?:ContentLength|ContentMD5|WriteOffsetBytes|Checksum(?!Algorithm$).*)$/;
/** {@link S3EncryptionClient.put}. */
export async function putObject(
  settings: Settings,
  input: PutInput,
  options: PutOptions,
): Promise<Stored> {
  const { client, keyring } = settings;
  checkOptions(options, OPTIONS);
  checkInput(input);
  const { context, instructionFile = false, ...transfer } = options;
  const { signal } = transfer;
  if (context !== undefined && !keyring.bindsContext) {
    throw new TypeError(
      "context needs a KMS keyring: raw keyrings authenticate none. Pass materialDescription to the keyring",
    );
  }
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
  const { Body, ...rest } = input;
  const Metadata = withinBudget(input.Metadata ?? {}, metadata, instructions);
  const sealed = seal(content, piecesOf(Body));
  const body = isWhole(Body) ? await wholeOf(sealed) : Readable.from(sealed, { objectMode: false });
  const object = { input: { ...rest, Metadata }, body, bodyBytes: undefined, sidecar: undefined };
  const stored = await upload(client, object, transfer);
  if (instructions !== undefined) {
    await writeInstructionFile(client, instructionFileOf(input), instructions, { signal });
  }
  return stored;
}

function checkInput(input: PutInput): void {
  requirePlace(input);
  const given = Object.keys(input).find((name) => ofPlaintext.test(name));
  if (given !== undefined) {
    throw new TypeError(`${given} would be that of the plaintext: leave it out`);
  }
  const reserved = Object.keys(input.Metadata ?? {}).find((name) => isHeader(name.toLowerCase()));
  if (reserved !== undefined) throw new TypeError(`the metadata name ${reserved} is reserved`);
  if (!isWhole(input.Body) && !isSource(input.Body)) {
    throw new TypeError("Body must be bytes, text, a Blob, or a stream of bytes");
  }
}

function isWhole(body: Plaintext): body is string | Uint8Array {
  return typeof body === "string" || body instanceof Uint8Array;
}

function isSource(body: Plaintext): boolean {
  return (
    body instanceof Blob ||
    (typeof body === "object" && body !== null && Symbol.asyncIterator in body)
  );
}

async function* piecesOf(body: Plaintext): AsyncGenerator<Uint8Array, void, undefined> {
  const source: Iterable<unknown> | AsyncIterable<unknown> = isWhole(body)
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
  const bytes = metadataBytes(all);
  if (bytes <= MAX_METADATA_BYTES) return all;
  const advice = instructions === undefined ? "set instructionFile: true, or use" : "use";
  throw new EnvelopeError(
    "ERR_ENVELOPE_LIMIT",
    `the object's metadata would have ${bytes} bytes, S3 takes ${MAX_METADATA_BYTES}: ${advice} less metadata or a smaller context`,
  );
}
