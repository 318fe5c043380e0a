/**
 * Requests for an encrypted object, and what opens it.
 *
 * The order of the steps: the headers are checked as a complete set, then the policy, then the context; the
 * keyring unwraps the data key; the commitment is compared. Whatever can be refused without a key is
 * refused before the keyring is asked.
 *
 * @module
 */
import {
  GetObjectCommand,
  HeadObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  type HeadObjectCommandOutput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { EnvelopeError, type Context, type DataKey } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { abortable, type ObjectInput, type ObjectName } from "../object-front.ts";
import { openContentKey, type ContentKey } from "./content.ts";
import { isHeader, readHeaders, type ObjectHeaders } from "./headers.ts";
import { instructionFileOf, readInstructionFile } from "./instruction-file.ts";
import type { ExpectedContext } from "./keyrings.ts";
import { requireAllowed, type Settings } from "./options.ts";

export interface ReadOptions {
  /**
   * KMS keyrings: the encryption context that the object was written with, or a function that judges the stored
   * one, without the format's own pairs. It is a TypeError with raw keyrings, which bind none. Default: `{}`.
   */
  readonly context?: ExpectedContext | undefined;
  /** What follows the key in the name of the instruction file. Default: `.instruction`. */
  readonly instructionFileSuffix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How an object is encrypted. Before it was decrypted, none of this is authenticated. */
export type ObjectEncryption = Pick<
  ObjectHeaders,
  "version" | "placement" | "wrapAlgorithm" | "contentAlgorithm"
> & {
  /** The stored encryption context or, with raw keyrings, the material description. */
  readonly description: Context;
};

/** What S3 answered about an object, without what describes the ciphertext. */
export type ObjectFacts = Omit<
  GetObjectCommandOutput,
  "Body" | "ContentLength" | "ContentRange" | "Metadata" | "$metadata" | `Checksum${string}`
> & {
  readonly encryption: ObjectEncryption;
  /** The user's metadata, without the headers of the format. */
  readonly Metadata: Record<string, string>;
};

const READ_OPTIONS = ["context", "instructionFileSuffix", "signal"];

/** Checks everything that can be checked without a request. */
export function checkRead(
  { keyring }: Settings,
  input: ObjectName,
  options: ReadOptions,
  others: readonly string[] = [],
): void {
  checkOptions(options, new Set([...READ_OPTIONS, ...others]));
  requirePlace(input);
  if (options.context !== undefined && !keyring.bindsContext) {
    throw new TypeError("context needs a KMS keyring: raw keyrings authenticate none");
  }
}

export function requirePlace({ Bucket, Key }: ObjectName): void {
  if (typeof Bucket !== "string" || Bucket === "" || typeof Key !== "string" || Key === "") {
    throw new TypeError("Bucket and Key must be text");
  }
}

/**
 * Sends a GET, and hands the answer to `use`. If that fails, or the signal aborts while it works, the connection is
 * ended.
 */
export async function withObject<T>(
  client: S3Client,
  input: GetObjectCommandInput,
  signal: AbortSignal | undefined,
  use: (answer: GetObjectCommandOutput) => Promise<T>,
): Promise<T> {
  return untilAborted(signal, async () => {
    const answer = await client.send(new GetObjectCommand(input), abortable(signal));
    const end = (): void => discard(answer);
    signal?.addEventListener("abort", end, { once: true });
    try {
      return await use(answer);
    } catch (error) {
      end();
      throw error;
    } finally {
      signal?.removeEventListener("abort", end);
    }
  });
}

/** Does the work, and throws the signal's reason where it failed after the signal aborted. */
export async function untilAborted<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Ends a body that nobody reads. */
export function discard({ Body }: GetObjectCommandOutput): void {
  if (Body !== undefined && "destroy" in Body) Body.destroy();
}

export function head(
  client: S3Client,
  input: ObjectInput,
  signal: AbortSignal | undefined,
): Promise<HeadObjectCommandOutput> {
  return client.send(new HeadObjectCommand(input), abortable(signal));
}

/** Reads the headers of an object from its metadata or its instruction file. */
export async function headersOf(
  client: S3Client,
  input: ObjectInput,
  metadata: Readonly<Record<string, string>> | undefined,
  options: ReadOptions,
): Promise<ObjectHeaders> {
  const headers = readHeaders(metadata ?? {});
  if (typeof headers !== "function") return headers;
  const place = instructionFileOf(input, options.instructionFileSuffix);
  return headers((await readInstructionFile(client, place, options.signal)).fields);
}

/** Unwraps the data key of an object that the policy allows, and uses it. */
export async function withDataKey<T>(
  settings: Settings,
  headers: ObjectHeaders,
  options: ReadOptions,
  use: (dataKey: DataKey, content: ContentKey) => T | Promise<T>,
): Promise<T> {
  requireAllowed(headers, settings);
  const { context = {}, signal } = options;
  using dataKey = await settings.keyring.unwrap(headers, context, { signal });
  return await use(dataKey, openContentKey(headers, dataKey));
}

/** Unwraps the data key, and returns what opens the content. */
export function contentKeyOf(
  settings: Settings,
  headers: ObjectHeaders,
  options: ReadOptions,
): Promise<ContentKey> {
  return withDataKey(settings, headers, options, (_, content) => content);
}

export function factsOf(
  { version, placement, wrapAlgorithm, contentAlgorithm, description }: ObjectHeaders,
  output: GetObjectCommandOutput,
): ObjectFacts {
  const {
    Body: _body,
    ContentLength: _length,
    ContentRange: _range,
    $metadata: _metadata,
    Metadata = {},
    ...rest
  } = output;
  const encryption = { version, placement, wrapAlgorithm, contentAlgorithm, description };
  const users = Object.entries(Metadata).filter(([name]) => !isHeader(name));
  return { ...rest, encryption, Metadata: Object.fromEntries(users) };
}

/** The length of a body, which S3 always announces. */
export function lengthOf({
  ContentLength,
}: {
  readonly ContentLength?: number | undefined;
}): number {
  if (ContentLength !== undefined) return ContentLength;
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    "the store does not announce the length of the object",
  );
}
