/**
 * An object that is read from its start to its end.
 *
 * Every byte of plaintext has verified at its position before it is given out. A connection that breaks is taken up
 * where it broke, from the same version of the object.
 *
 * @module
 */
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { EnvelopeError, type DecryptOptions, type Envelope } from "@env/core";
import { plaintextLength } from "@env/core/message";
import { decryptStream } from "@env/node-stream";
import { readLayout, userMetadata } from "./layout.ts";
import {
  abortable,
  hasName,
  keyBlockOf,
  readableOf,
  withSidecar,
  type ObjectInput,
  type Sender,
} from "./object-front.ts";

/** An object that is decrypted while it is read. */
export interface DecryptedObject extends Omit<
  GetObjectCommandOutput,
  "Body" | "ContentLength" | "ContentRange" | "$metadata" | `Checksum${string}`
> {
  /** The user's metadata, without what this package stores there. */
  readonly Metadata: Record<string, string>;
  /** Bytes of the plaintext, as the size of the object has them. Verified once the body was read to its end. */
  readonly plaintextBytes: number | undefined;
  /**
   * The plaintext. What was read is complete only once the stream has ended without an error. It has to be read or
   * destroyed: until then it holds a connection.
   */
  readonly body: Readable;
}

/** Times that the body of one object is taken up again after its connection broke. */
const RESUMPTIONS = 4;

/** Begins to read an object, and decrypts its body while that is read. */
export function openWhole(
  client: Sender,
  envelope: Envelope,
  input: ObjectInput,
  options: DecryptOptions,
): Promise<DecryptedObject> {
  return withSidecar(() => openOnce(client, envelope, input, options));
}

async function openOnce(
  client: Sender,
  envelope: Envelope,
  input: ObjectInput,
  options: DecryptOptions,
): Promise<DecryptedObject> {
  const { signal } = options;
  const answer = await client.send(new GetObjectCommand(input), abortable(signal));
  const { Body, ContentLength, ContentRange: _, $metadata: __, ...output } = answer;
  const first = readableOf(Body);
  try {
    const layout = readLayout(output.Metadata);
    const keyBlock = options.keyBlock ?? (await keyBlockOf(client, input, layout, signal));
    const opened = decryptStream(envelope, { ...options, keyBlock });
    opened.on("error", () => undefined); // It is seen by whoever reads the body.
    deliver(client, input, answer, first, opened, signal).catch((error: unknown) => {
      opened.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    return {
      ...withoutChecksums(output),
      Metadata: userMetadata(output.Metadata),
      plaintextBytes: layout && plaintextBytesOf((ContentLength ?? 0) - layout.headerBytes),
      body: opened,
    };
  } catch (error) {
    first.destroy();
    throw error;
  }
}

/** Bytes of the plaintext of a payload of this length; `undefined` for an impossible one. Not authentic. */
export function plaintextBytesOf(payloadBytes: number): number | undefined {
  try {
    return plaintextLength(payloadBytes);
  } catch {
    return undefined; // Reading it says why.
  }
}

/** What S3 answers where the object is not the one that the reading began with. */
export function replaced({ Key }: ObjectInput, cause: Error): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_TRUNCATED",
    `the object ${JSON.stringify(Key)} was replaced while it was read: read it again`,
    { cause },
  );
}

/** Writes a body to `opened`, and goes on where a connection broke. Rejects where `opened` fails or is destroyed. */
async function deliver(
  client: Sender,
  input: ObjectInput,
  { ETag, VersionId }: GetObjectCommandOutput,
  first: Readable,
  opened: Writable,
  signal: AbortSignal | undefined,
): Promise<void> {
  let position = 0;
  let body = first;
  for (let left = RESUMPTIONS; ; left--) {
    body.on("data", ({ length }: Uint8Array) => {
      position += length;
    });
    try {
      await pipeline(body, opened, { end: false });
      opened.end();
      return;
    } catch (error) {
      signal?.throwIfAborted();
      // A checksum that does not match is not the connection's fault.
      if (left === 0 || ETag === undefined || !isBroken(error)) throw error;
    }
    const again = { ...input, VersionId, IfMatch: ETag, Range: `bytes=${position}-` };
    try {
      const { Body } = await client.send(new GetObjectCommand(again), abortable(signal));
      body = readableOf(Body);
    } catch (error) {
      if (hasName(error, "PreconditionFailed")) throw replaced(input, error);
      throw error;
    }
  }
}

/** Whether a connection broke. */
function isBroken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return (
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    code === "ETIMEDOUT" ||
    error.name === "TimeoutError"
  );
}

/** An answer without the checksums, which are those of the ciphertext. */
export function withoutChecksums<T extends object>(output: T): Omit<T, `Checksum${string}`> {
  const kept = Object.entries(output).filter(([name]) => !name.startsWith("Checksum"));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all other members
  return Object.fromEntries(kept) as Omit<T, `Checksum${string}`>;
}
