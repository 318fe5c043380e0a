/**
 * Encryption as a plug-in of an S3 client, for code that keeps its commands.
 *
 * It works before the SDK serialises a command: `PutObject` gets ciphertext as its body, and `GetObject` and
 * `HeadObject` answer as if the object were plaintext. What would store plaintext, or lose a key block, is refused.
 *
 * @module
 */
/* oxlint-disable typescript/no-unsafe-type-assertion -- the SDK's middleware does not tell which input belongs to which command: its name does */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type {
  CopyObjectCommandInput,
  GetObjectCommandInput,
  HeadObjectCommandInput,
  HeadObjectCommandOutput,
  PutObjectCommandInput,
  S3Client,
  ServiceOutputTypes,
} from "@aws-sdk/client-s3";
import { EnvelopeError, type Context, type Envelope } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { openEncrypted } from "@env/node-stream";
import type { ContextOf } from "./options.ts";
import { readLayout, userMetadata, type Placement } from "./layout.ts";
import {
  headerOf,
  readFront,
  type ObjectInput,
  type ObjectName,
  type Sender,
} from "./object-front.ts";
import { objectSource } from "./object-source.ts";
import { openWhole, plaintextBytesOf, withoutChecksums } from "./opened-object.ts";
import { seal, type PutInput } from "./sealed-object.ts";

export interface EncryptedS3PluginOptions {
  readonly envelope: Envelope;
  /** The context of all objects, or of each by its name. */
  readonly context: ContextOf<Context>;
  /** Where the key block of new objects is. Default: `metadata`. */
  readonly placement?: Exclude<Placement, "sidecar"> | undefined;
}

type Plugin = Parameters<S3Client["middlewareStack"]["use"]>[0];

/** The rest of the middleware. */
type Next = (input: unknown) => Promise<{ output: object }>;

/** What becomes of the commands of one operation. */
type Operation = (next: Next, input: never) => Promise<object>;

const OPTIONS = new Set(["envelope", "context", "placement"]);

/**
 * Makes a client encrypt what it puts and decrypt what it gets.
 *
 * `PutObject` needs to know the length of a stream: `ContentLength` is that of the plaintext. A `Range` is one of the
 * plaintext, and what it reads has verified.
 *
 * @throws TypeError for options that cannot work. Commands fail as the methods of `EncryptedS3`, and with
 * `ERR_ENVELOPE_UNSUPPORTED` for multipart uploads, for copies that replace metadata, and for parts.
 *
 * @example
 * ```ts
 * client.middlewareStack.use(encryptedS3Plugin({ envelope, context: { app: "billing" } }));
 * await client.send(new PutObjectCommand({ Bucket, Key, Body: "hello" }));
 * ```
 */
export function encryptedS3Plugin(options: EncryptedS3PluginOptions): Plugin {
  checkOptions(options, OPTIONS, "encryptedS3Plugin");
  const operations = operationsOf(options);
  return {
    applyToStack(stack) {
      stack.add(
        (next, { commandName = "" }) =>
          async (args) => {
            if (!Object.hasOwn(operations, commandName)) return next(args);
            const rest = (input: unknown): ReturnType<typeof next> =>
              next({ ...args, input: input as typeof args.input });
            const output = await operations[commandName]?.(rest, args.input as never);
            return { response: undefined, output: output as ServiceOutputTypes };
          },
        { step: "initialize", name: "encryptedS3", priority: "low" },
      );
    },
  };
}

function operationsOf({
  envelope,
  context,
  placement = "metadata",
}: EncryptedS3PluginOptions): Readonly<Record<string, Operation>> {
  const contextOf = (name: ObjectName): Context =>
    typeof context === "function" ? context(name) : context;
  return {
    async PutObjectCommand(next, input: PutObjectCommandInput) {
      const given = putInput(input);
      const {
        input: rest,
        body,
        bodyBytes,
      } = await seal(envelope, given, {
        context: contextOf(given),
        placement,
        plaintextBytes: input.ContentLength,
      });
      try {
        return (await next({ ...rest, Body: body, ContentLength: bodyBytes })).output;
      } finally {
        if (body instanceof Readable) body.destroy();
      }
    },
    async GetObjectCommand(next, { Range, PartNumber, ...input }: GetObjectCommandInput) {
      if (PartNumber !== undefined) throw unsupported("a part of an object cannot be decrypted");
      const object = input as ObjectInput;
      const sender = senderOf(next);
      const decrypt = { context: contextOf(object) };
      if (Range !== undefined) return getRange(sender, envelope, object, Range, decrypt);
      const { body, plaintextBytes, ...output } = await openWhole(
        sender,
        envelope,
        object,
        decrypt,
      );
      return { ...output, $metadata: {}, Body: sdkBody(body), ContentLength: plaintextBytes };
    },
    async HeadObjectCommand(next, input: HeadObjectCommandInput) {
      const output = (await next(input)).output as HeadObjectCommandOutput;
      const layout = readLayout(output.Metadata);
      if (layout === undefined) return output;
      const ContentLength = plaintextBytesOf((output.ContentLength ?? 0) - layout.headerBytes);
      return { ...output, ContentLength, Metadata: userMetadata(output.Metadata) };
    },
    async CopyObjectCommand(next, input: CopyObjectCommandInput) {
      if (input.MetadataDirective !== "REPLACE") return (await next(input)).output;
      throw unsupported(
        "a copy that replaces metadata would lose the key block: use encryptedS3().copy",
      );
    },
    CreateMultipartUploadCommand() {
      throw unsupported("a multipart upload would store plaintext: use encryptedS3().put");
    },
  };
}

/** A client for the operation that is under way, in the middle of its middleware. */
function senderOf(next: Next): Sender {
  const send = async ({ input }: { readonly input: unknown }): Promise<object> =>
    (await next(input)).output;
  return { send: send as Sender["send"] };
}

/** @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED` for a body whose length nobody knows. */
function putInput(input: PutObjectCommandInput): PutInput {
  const { Body = "", ContentLength, ContentMD5: _, ...rest } = input;
  const isWhole = typeof Body === "string" || Body instanceof Uint8Array || Body instanceof Blob;
  if (!isWhole && ContentLength === undefined) {
    throw unsupported(
      "PutObject needs the length of a stream: give ContentLength, or use encryptedS3().put",
    );
  }
  return { ...withoutChecksums(rest), Body } as PutInput;
}

/** Reads a range of the plaintext as HTTP names it. */
async function getRange(
  sender: Sender,
  envelope: Envelope,
  input: ObjectInput,
  range: string,
  options: { readonly context: Context },
): Promise<object> {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (first === "" && last === "") throw unsupported("the range is not one of bytes");
  const front = await readFront(sender, input, undefined);
  const { keyBlock } = await headerOf(sender, front, undefined);
  const source = objectSource(sender, front);
  await using reader = await openEncrypted(envelope, source, { ...options, keyBlock });
  const size = await reader.size();
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start >= end) throw new RangeError(`the range ${range} is not within ${size} bytes`);
  const bytes = await reader.read(start, end);
  return {
    ...withoutChecksums(front.output),
    Metadata: userMetadata(front.output.Metadata),
    Body: sdkBody(Readable.from([bytes], { objectMode: false })),
    ContentLength: bytes.length,
    ContentRange: `bytes ${start}-${end - 1}/${size}`,
  };
}

/** A stream with what the SDK's streams have. */
function sdkBody(body: Readable): Readable {
  return Object.assign(body, {
    transformToByteArray: async () => new Uint8Array(await buffer(body)),
    transformToString: async (encoding?: BufferEncoding) => (await buffer(body)).toString(encoding),
    transformToWebStream: () => Readable.toWeb(body),
  });
}

function unsupported(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_UNSUPPORTED", problem);
}
