/**
 * Objects in the formats of the Amazon S3 Encryption Client, read and written with the application's own `S3Client`.
 *
 * Source: Amazon S3 Encryption Client specification. What AWS's clients accept beyond it is refused; the
 * package's documentation lists those inputs.
 *
 * @module
 */
import { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { EnvelopeError, type Bytes } from "@env/core";
import { writeFileWhole } from "@env/node-stream";
import type { ObjectInput } from "../object-front.ts";
import type { PutInput } from "../sealed-object.ts";
import type { Stored } from "../upload.ts";
import { open, openPart, plaintextBytes, TAG_BYTES, wholeOf } from "./content.ts";
import type { ContentAlgorithm } from "./headers.ts";
import { bodyOf } from "./instruction-file.ts";
import { checkSettings, type S3EncryptionClientOptions, type Settings } from "./options.ts";
import { toCiphertextRange, toPlaintextRange, type ByteRange } from "./range.ts";
import {
  checkRead,
  contentKeyOf,
  discard,
  factsOf,
  head,
  headersOf,
  lengthOf,
  untilAborted,
  withObject,
  type ObjectFacts,
  type ReadOptions,
} from "./reading.ts";
import { rewrapObject, type RewrapOptions } from "./rewrap.ts";
import { putObject, type PutOptions } from "./writing.ts";

/** An object whose content has verified. */
export interface DecryptedObject extends ObjectFacts {
  readonly body: Bytes;
}

/** An object whose content is decrypted as it is read. */
export interface UnauthenticatedObject extends ObjectFacts {
  /**
   * Plaintext that nothing has verified yet. A whole object's stream fails at its end where it was altered;
   * that of a range never does. Destroy it if it is not read to its end.
   */
  readonly body: Readable;
  /** What `body` holds of the plaintext. With AES-CBC, `end` may be up to 16 bytes too large. */
  readonly range: ByteRange;
}

export interface GetToFileOptions extends ReadOptions {
  /** Whether a regular file of that name may be replaced. Default: `false`. */
  readonly overwrite?: boolean | undefined;
}

/** Reads and writes objects of the Amazon S3 Encryption Client. Made by {@link s3EncryptionClient}. */
export class S3EncryptionClient {
  readonly #settings: Settings;

  /** @internal */
  constructor(options: S3EncryptionClientOptions) {
    this.#settings = checkSettings(options);
  }

  /**
   * Decrypts an object and returns it when all of it has verified.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for headers that are incomplete, mixed or malformed;
   * `ERR_ENVELOPE_UNSUPPORTED` for what the policy or `allowLegacy` excludes; `ERR_ENVELOPE_NO_KEY` for a wrap that the
   * keyring does not know, or a missing instruction file; `ERR_ENVELOPE_DECRYPT` for another context, key, commitment
   * or content; `ERR_ENVELOPE_TRUNCATED`; `ERR_ENVELOPE_LIMIT` for more than `maxBufferedBytes`; `ERR_ENVELOPE_KMS_…` as
   * the CMK throws them; what the SDK throws; the signal's reason.
   *
   * @example
   * ```ts
   * const { body } = await objects.get({ Bucket: "inbox", Key: messageId }, { context });
   * ```
   */
  async get(input: ObjectInput, options: ReadOptions = {}): Promise<DecryptedObject> {
    const limit = this.#settings.maxBufferedBytes;
    const check = (bytes: number): void => {
      if (bytes <= limit) return;
      throw new EnvelopeError(
        "ERR_ENVELOPE_LIMIT",
        `the object has ${bytes} bytes, and get() holds at most ${limit} until they have verified: ` +
          "raise maxBufferedBytes, or use getToFile()",
      );
    };
    return this.#whole(input, options, check, async (pieces) => ({ body: await wholeOf(pieces) }));
  }

  /**
   * Decrypts an object of any size into a file, which appears when all of it has verified.
   *
   * @throws like {@link get}, without the limit, and like `writeFileWhole` of `@env/node-stream`: `EEXIST` where the
   * file exists and `overwrite` is not given, …
   */
  async getToFile(
    input: ObjectInput,
    path: string | URL,
    { overwrite, ...options }: GetToFileOptions = {},
  ): Promise<ObjectFacts> {
    const write = { overwrite, signal: options.signal };
    return this.#whole(
      input,
      options,
      () => undefined,
      (pieces) =>
        writeFileWhole(path, write, async (file) => {
          for await (const piece of pieces) await file.writeFile(piece);
        }),
    );
  }

  /**
   * Decrypts an object, or a range of it, while it is read. **The plaintext is not authenticated**: whoever can write the
   * object can change bytes of it unnoticed, of a whole object until the stream has ended. Use {@link get} or
   * {@link getToFile} wherever possible.
   *
   * @param input.Range - `bytes=first-last`, `bytes=first-` or `bytes=-length`, of the plaintext. Default: the
   * whole object.
   * @throws like {@link get}; RangeError, or `InvalidRange` of S3, for a range that begins after the end; `ERR_ENVELOPE_UNSUPPORTED` for a range of an
   * AES-CBC object.
   */
  async getUnauthenticated(
    input: ObjectInput & { readonly Range?: string | undefined },
    options: ReadOptions = {},
  ): Promise<UnauthenticatedObject> {
    const settings = this.#settings;
    checkRead(settings, input, options);
    const { Range: asked, ...place } = input;
    const Range = asked === undefined ? undefined : toCiphertextRange(asked, TAG_BYTES);
    return withObject(settings.client, { ...place, Range }, options.signal, async (answer) => {
      const headers = await headersOf(settings.client, place, answer.Metadata, options);
      if (Range === undefined) {
        const length = lengthOf(answer);
        const range = { start: 0, end: plaintextBytes(headers.contentAlgorithm, length) };
        const content = await contentKeyOf(settings, headers, options);
        const body = streamOf(open(content, bodyOf(answer), length), answer, options.signal);
        return { ...factsOf(headers, answer), body, range };
      }
      requireGcm(headers.contentAlgorithm);
      const range = toPlaintextRange(answer.ContentRange, TAG_BYTES);
      const content = await contentKeyOf(settings, headers, options);
      const body = streamOf(openPart(content, bodyOf(answer), range), answer, options.signal);
      return { ...factsOf(headers, answer), body, range };
    });
  }

  /**
   * Reads how an object is encrypted, without its content and without the keyring. Nothing of the answer is
   * authenticated.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED`, `ERR_ENVELOPE_NO_KEY`,
   * `ERR_ENVELOPE_TRUNCATED`, as {@link get}.
   */
  async head(
    input: ObjectInput,
    options: Omit<ReadOptions, "context"> = {},
  ): Promise<ObjectFacts & { readonly plaintextBytes: number }> {
    const { client } = this.#settings;
    checkRead(this.#settings, input, options);
    return untilAborted(options.signal, async () => {
      const answer = await head(client, input, options.signal);
      const headers = await headersOf(client, input, answer.Metadata, options);
      const bytes = plaintextBytes(headers.contentAlgorithm, lengthOf(answer));
      return { ...factsOf(headers, answer), plaintextBytes: bytes };
    });
  }

  /**
   * Encrypts an object under a new data key: V3, or V2 with the policy `FORBID_ENCRYPT_ALLOW_DECRYPT`. Up to 8 MiB of
   * bytes or text are one PUT. Anything else is uploaded in parts of 8 MiB, four at once, so that a stream needs about
   * 40 MiB of memory; a part that is sent again is the same ciphertext.
   *
   * @param input - As for `PutObjectCommand`. `Body` is bytes, text, a Blob, or a stream of bytes or text. The names of the
   * format (`x-amz-key-v2`, `x-amz-c`, …) are reserved in `Metadata`.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` where the headers do not fit into S3's 2048 bytes of metadata, or
   * for more than 2^36 - 32 bytes; `ERR_ENVELOPE_INVALID_CONTEXT`; `ERR_ENVELOPE_KMS_…` as the CMK throws them; what
   * the SDK throws; the signal's reason. A multipart upload that fails is aborted.
   */
  async put(input: PutInput, options: PutOptions = {}): Promise<Stored> {
    return untilAborted(options.signal, () => putObject(this.#settings, input, options));
  }

  /**
   * Wraps the data key of an object with an instruction file again, for another keyring, and writes that file alone.
   * The object itself is not touched (`reEncryptInstructionFile` in AWS's client for Java).
   *
   * With the suffix that was read, the file is replaced, unless somebody else has replaced it meanwhile: the SDK
   * then throws `PreconditionFailed`. With another suffix the object gets a further file, for a further reader.
   *
   * @throws {@link EnvelopeError} as {@link get}, and `ERR_ENVELOPE_UNSUPPORTED` for an object without an instruction file or
   * with AES-CBC content: read those and write them again.
   */
  async rewrap(input: ObjectInput, options: RewrapOptions): Promise<void> {
    return untilAborted(options.signal, () => rewrapObject(this.#settings, input, options));
  }

  /** Opens a whole object, and releases its facts once `use` has read all pieces, the last after it has verified. */
  #whole<T>(
    input: ObjectInput,
    options: ReadOptions,
    check: (bytes: number) => void,
    use: (pieces: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T & ObjectFacts> {
    const settings = this.#settings;
    checkRead(settings, input, options);
    return withObject(settings.client, input, options.signal, async (answer) => {
      const headers = await headersOf(settings.client, input, answer.Metadata, options);
      const length = lengthOf(answer);
      check(plaintextBytes(headers.contentAlgorithm, length));
      const content = await contentKeyOf(settings, headers, options);
      const result = await use(open(content, bodyOf(answer), length));
      return { ...result, ...factsOf(headers, answer) };
    });
  }
}

/**
 * Returns a client for objects in the formats of the Amazon S3 Encryption Client.
 *
 * @throws TypeError for options that are misspelt or of a wrong type, RangeError for `maxBufferedBytes`.
 *
 * @example
 * ```ts
 * const objects = s3EncryptionClient({
 *   client: new S3Client({}),
 *   keyring: kmsKeyring(awsKms({ client: new KMS({}), key: "alias/objects" })),
 * });
 * await objects.put({ Bucket: "reports", Key: "2026.csv", Body: csv }, { context: { app: "reports" } });
 * ```
 */
export function s3EncryptionClient(options: S3EncryptionClientOptions): S3EncryptionClient {
  return new S3EncryptionClient(options);
}

function requireGcm(contentAlgorithm: ContentAlgorithm): void {
  if (contentAlgorithm !== "AES/CBC/PKCS5Padding") return;
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    "ranges of AES-CBC objects are not read: read the whole object",
  );
}

/** A stream of the pieces that ends the connection with itself. */
function streamOf(
  pieces: AsyncIterable<Buffer>,
  answer: GetObjectCommandOutput,
  signal: AbortSignal | undefined,
): Readable {
  const stream = Readable.from(pieces, { objectMode: false });
  const abort = (): void => void stream.destroy(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  return stream.once("close", () => {
    signal?.removeEventListener("abort", abort);
    discard(answer);
  });
}
