/**
 * Encrypted objects in S3, and in stores that speak its protocol.
 *
 * Errors of S3 pass as the SDK throws them. What concerns encryption is an {@link EnvelopeError}.
 *
 * @module
 */
import { pipeline, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import {
  attachKeyBlock,
  encodeContext,
  EnvelopeError,
  inspect,
  type Bytes,
  type Context,
  type DecryptOptions,
  type Envelope,
} from "@env/core";
import { checkOptions } from "@env/core/driver";
import { decryptStream, openEncrypted, type EncryptedReader } from "@env/node-stream";
import {
  placements,
  readLayout,
  sidecarKey,
  userMetadata,
  writeLayout,
  type Placement,
} from "./layout.ts";
import { listObjects, type ListedObject, type ListInput, type ListOptions } from "./listing.ts";
import {
  abortable,
  headerOf,
  readFront,
  readHeader,
  readSidecar,
  sidecarOf,
  withSidecar,
  type ObjectInput,
  type ObjectName,
} from "./object-front.ts";
import { objectSource } from "./object-source.ts";
import { openWhole, plaintextBytesOf } from "./opened-object.ts";
import { rewrapObject, rewrapSidecar, type RewrapResult } from "./rewrap-object.ts";
import {
  optionsOf,
  type ContextOf,
  type CopyInput,
  type EncryptedS3Options,
  type GetOptions,
  type ObjectFacts,
  type ObjectRewrapOptions,
  type OpenedObject,
  type PutOptions,
  type PutResult,
  type ReencryptInput,
  type ReencryptOptions,
  type SignalOption,
} from "./options.ts";
import { seal as sealObject, type PutInput, type SealedObject } from "./sealed-object.ts";
import { copyWithMetadata, restated, taggingOf } from "./self-copy.ts";
import { upload, type Stored, type UploadOptions } from "./upload.ts";

/** How S3 names user metadata in HTTP. */
const META = "x-amz-meta-";
const OPTIONS = new Set(["client", "envelope", "context", "placement"]);
/**
 * Encrypts and decrypts objects of S3.
 *
 * @throws TypeError for options that cannot work.
 *
 * @example
 * ```ts
 * const s3 = encryptedS3({ client: new S3Client(), envelope, context: { app: "billing" } });
 * await s3.put({ Bucket: "invoices", Key: "2026/11.pdf", Body: createReadStream("11.pdf") });
 * const invoice = await s3.get({ Bucket: "invoices", Key: "2026/11.pdf" });
 * await pipeline(invoice.body, createWriteStream("copy.pdf"));
 * ```
 */
export function encryptedS3(options: EncryptedS3Options): EncryptedS3 {
  return new EncryptedS3(options);
}

/** Made by {@link encryptedS3}. Its calls may overlap. */
export class EncryptedS3 {
  /** The caller's. */
  readonly client: S3Client;
  readonly #envelope: Envelope;
  readonly #context: ContextOf<Context>;
  readonly #placement: Placement;

  constructor(options: EncryptedS3Options) {
    checkOptions(options, OPTIONS, "encryptedS3");
    const { client, envelope, context, placement = "metadata" } = options;
    if (typeof client?.send !== "function") throw new TypeError("client must be an S3Client");
    if (typeof envelope?.encrypt !== "function")
      throw new TypeError("envelope must be an Envelope");
    if (typeof context !== "function") encodeContext(context);
    this.client = client;
    this.#envelope = envelope;
    this.#context = context;
    this.#placement = requirePlacement(placement);
  }

  /**
   * Stores an object: in one request, or in parts where it is long or a stream.
   *
   * @param input - The SDK's input. `Body` is the plaintext. Everything else is sent as it is.
   * @throws like `Envelope.encrypt`; `ERR_ENVELOPE_LIMIT` where the key block does not fit into the metadata;
   * what S3 answers. The object that was there before is then as it was, and no parts are left.
   */
  async put(input: PutInput, options: PutOptions = {}): Promise<PutResult> {
    checkOptions(options, optionsOf.put, "put");
    const { partSize, queueSize, onProgress, ...seal } = options;
    const { signal } = seal;
    const sealed = await this.seal(input, seal);
    const stored = await upload(this.client, sealed, { partSize, queueSize, onProgress, signal });
    return { ...stored, placement: options.placement ?? this.#placement };
  }

  /**
   * Encrypts an object and leaves it to the caller to store it: by a presigned URL, or by another client. A body
   * without its metadata cannot be opened again, unless the placement is `inline`.
   *
   * @throws like {@link put}.
   */
  async seal(
    input: PutInput,
    options: Omit<PutOptions, keyof UploadOptions> & Pick<PutOptions, "signal"> = {},
  ): Promise<SealedObject> {
    checkOptions(options, optionsOf.seal, "seal");
    const { aad, storeContext, plaintextBytes, signal } = options;
    const context = options.context ?? this.#contextOf(input);
    const placement = requirePlacement(options.placement ?? this.#placement);
    return sealObject(this.#envelope, input, {
      context,
      aad,
      storeContext,
      plaintextBytes,
      signal,
      placement,
    });
  }

  /**
   * Reads a whole object.
   *
   * @throws like `Envelope.decrypt`, `ERR_ENVELOPE_NO_KEY` where the sidecar is missing; what S3 answers. The
   * body fails with `ERR_ENVELOPE_TRUNCATED` where the object was cut, or replaced while it was read.
   */
  async get(input: ObjectInput, options: GetOptions = {}): Promise<OpenedObject> {
    checkOptions(options, optionsOf.get, "get");
    const decrypt = this.#decryptOptions(input, options);
    const opened = await openWhole(this.client, this.#envelope, input, decrypt);
    const { body } = opened;
    return {
      ...opened,
      bytes: async () => new Uint8Array(await buffer(body)),
      text: async () => (await buffer(body)).toString(),
    };
  }

  /**
   * Opens an object for random access, in one request. All reads are of the version that was opened.
   *
   * @returns To be closed, since it holds keys and plaintext. What it reads has verified, and so has every
   * length that it reports.
   */
  async open(input: ObjectInput, options: GetOptions = {}): Promise<EncryptedReader> {
    checkOptions(options, optionsOf.get, "open");
    const { signal } = options;
    const { front, keyBlock } = await withSidecar(async () => {
      const read = await readFront(this.client, input, signal);
      return { front: read, ...(await headerOf(this.client, read, signal)) };
    });
    return openEncrypted(this.#envelope, objectSource(this.client, front), {
      ...this.#decryptOptions(input, options),
      keyBlock,
    });
  }

  /**
   * Reads a range of the plaintext, `start` inclusive and `end` exclusive: two requests, one more for every further
   * 2 MiB, and one to verify the end where the range reaches it.
   *
   * @returns Less where the plaintext ends before `end`: that it ends there has verified.
   */
  async getRange(
    input: ObjectInput,
    start: number,
    end: number,
    options: GetOptions = {},
  ): Promise<Bytes> {
    await using reader = await this.open(input, options);
    return await reader.read(start, end, { signal: options.signal });
  }

  /** Tells what an object says of itself, without a KMS. */
  async head(input: ObjectInput, options: SignalOption = {}): Promise<ObjectFacts> {
    checkOptions(options, optionsOf.signal, "head");
    const { signal } = options;
    const { front, header, keyBlock } = await withSidecar(async () => {
      const read = await readHeader(this.client, input, signal);
      return { front: read, ...(await headerOf(this.client, read, signal)) };
    });
    const { bytes, layout, output, size } = front;
    const start = bytes.subarray(0, header.length);
    const facts = inspect(keyBlock === undefined ? start : attachKeyBlock(start, keyBlock));
    return {
      placement: layout?.placement ?? "inline",
      entries: facts.entries ?? [],
      storedContext: facts.storedContext,
      plaintextBytes: plaintextBytesOf(size - header.length),
      ETag: output.ETag,
      VersionId: output.VersionId,
      Metadata: userMetadata(output.Metadata),
    };
  }

  /**
   * Copies an object within S3, with its data key.
   *
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT` where the context is a function of the name and
   * differs for the copy: {@link reencrypt} makes such a copy.
   */
  async copy({ from, ...target }: CopyInput, options: SignalOption = {}): Promise<Stored> {
    checkOptions(options, optionsOf.signal, "copy");
    const { signal } = options;
    this.#requireSameContext(from, target);
    const front = await readHeader(this.client, from, signal);
    const { layout, output } = front;
    if (layout?.sidecarId !== undefined) {
      const { bytes, atRest } = await readSidecar(this.client, from, layout.sidecarId, signal);
      const { Bucket } = target;
      const Key = sidecarKey(target.Key, layout.sidecarId);
      await this.client.send(
        new PutObjectCommand({ Bucket, Key, Body: bytes, ...atRest }),
        abortable(signal),
      );
    }
    const user = userMetadata(output.Metadata);
    const Metadata = layout === undefined ? user : writeLayout(layout, user);
    return copyWithMetadata(this.client, front, { ...target, Metadata }, signal);
  }

  /**
   * Copies an object under a new data key: it is read, decrypted, encrypted and stored again, in one stream. This is
   * how a copy has another context. The encryption of the body binds the context, so S3 cannot make such a copy.
   *
   * @param input - `from` names the original. Everything else is for the copy, and what it leaves out is the original's:
   * metadata, tags, content headers, storage class. A copy onto the original fails where others change that meanwhile.
   * @throws like {@link get} and {@link put}. Nothing is stored where the original turns out to be altered.
   */
  async reencrypt(
    { from, ...target }: ReencryptInput,
    options: ReencryptOptions = {},
  ): Promise<PutResult> {
    checkOptions(options, optionsOf.reencrypt, "reencrypt");
    const { fromContext, fromAad, ...put } = options;
    const { signal } = put;
    const original = await this.get(from, { context: fromContext, aad: fromAad, signal });
    const { body: Body, plaintextBytes, Metadata, ETag } = original;
    try {
      const source = { input: from, output: original };
      const Tagging = await taggingOf(this.client, source, signal);
      const inPlace = target.Bucket === from.Bucket && target.Key === from.Key;
      const IfMatch = inPlace ? ETag : undefined;
      const input = { ...restated(source), Metadata, Tagging, IfMatch, ...target, Body };
      return await this.put(input, { plaintextBytes, ...put });
    } catch (error) {
      Body.destroy();
      throw error;
    }
  }

  /**
   * Rewraps an object: new entries for its data key, by the CMKs of the envelope. Nothing of the body is sent again,
   * except the first 5 MiB where the key block is in it. Whoever changes the object meanwhile is not overwritten.
   *
   * @throws like `Envelope.rewrap`, and as {@link put}. The object is then as it was.
   */
  async rewrap(input: ObjectInput, options: ObjectRewrapOptions = {}): Promise<RewrapResult> {
    checkOptions(options, optionsOf.rewrap, "rewrap");
    const context = options.context ?? this.#contextOf(input);
    return rewrapObject(this.client, this.#envelope, input, { ...options, context });
  }

  /** {@link rewrap} for the sidecar of an object alone: the object is not looked at. */
  async rewrapSidecar(
    input: ObjectInput,
    id: string,
    options: ObjectRewrapOptions = {},
  ): Promise<RewrapResult> {
    checkOptions(options, optionsOf.rewrap, "rewrapSidecar");
    const context = options.context ?? this.#contextOf(input);
    return rewrapSidecar(this.client, this.#envelope, input, id, { ...options, context });
  }

  /**
   * Deletes an object, and then its sidecar, unless the bucket keeps versions or one version was named: another
   * version may need it.
   */
  async delete(input: ObjectInput, options: SignalOption = {}): Promise<void> {
    checkOptions(options, optionsOf.signal, "delete");
    const { signal } = options;
    const sidecar = await sidecarOf(this.client, input, signal);
    const { DeleteMarker, VersionId } = await this.client.send(
      new DeleteObjectCommand(input),
      abortable(signal),
    );
    if (sidecar === undefined || DeleteMarker === true || VersionId !== undefined) return;
    const { Bucket } = input;
    await this.client.send(new DeleteObjectCommand({ Bucket, Key: sidecar }), abortable(signal));
  }

  /** Lists objects by their names, without sidecars, and what each says of its encryption, without a KMS. */
  list(input: ListInput, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    checkOptions(options, optionsOf.list, "list");
    const { signal } = options;
    return listObjects(this.client, input, (name) => this.head(name, { signal }), options);
  }

  /**
   * Decrypts what a presigned URL answered: a response of `fetch`, whole, with the headers of S3.
   *
   * @param name - For the context, where that is a function of the name. A sidecar is not read: pass what is in it
   * as `keyBlock`.
   * @throws like {@link get}; TypeError for a response that is not a success.
   */
  fromResponse(
    response: Response,
    name: ObjectName,
    options: GetOptions & { readonly keyBlock?: Uint8Array | undefined } = {},
  ): Readable {
    checkOptions(options, optionsOf.fromResponse, "fromResponse");
    if (!response.ok || response.body === null) {
      throw new TypeError(`the response has status ${response.status}`);
    }
    const metadata = Object.fromEntries(
      [...response.headers]
        .filter(([header]) => header.startsWith(META))
        .map(([header, value]) => [header.slice(META.length), value]),
    );
    const keyBlock = options.keyBlock ?? readLayout(metadata)?.keyBlock;
    const opened = decryptStream(this.#envelope, {
      ...this.#decryptOptions(name, options),
      keyBlock,
    });
    pipeline(Readable.fromWeb(response.body), opened, () => undefined);
    return opened;
  }

  #contextOf({ Bucket, Key }: ObjectName): Context {
    return typeof this.#context === "function" ? this.#context({ Bucket, Key }) : this.#context;
  }

  #decryptOptions(name: ObjectName, { context, aad, signal }: GetOptions): DecryptOptions {
    return { context: context ?? this.#contextOf(name), aad, signal };
  }

  #requireSameContext(from: ObjectName, to: ObjectName): void {
    const [one, other] = [from, to].map((name) =>
      Buffer.from(encodeContext(this.#contextOf(name))),
    );
    if (one?.equals(other ?? Buffer.alloc(0))) return;
    throw new EnvelopeError(
      "ERR_ENVELOPE_INVALID_CONTEXT",
      "the copy would have another context, and an object keeps its own: use reencrypt, which reads it and stores it again",
    );
  }
}

function requirePlacement(placement: Placement): Placement {
  if (placements.includes(placement)) return placement;
  throw new TypeError(`placement must be one of ${placements.join(", ")}`);
}
