/** Opening an object whose metadata, instruction file and body are at hand: everything but the requests. */
import { S3Client } from "@aws-sdk/client-s3";
import { isEnvelopeError } from "@env/core";
import { refusing } from "@env/testkit/refusal";
import { newContentKey, open, seal, wholeOf } from "../../../src/s3ec/content.ts";
import { readHeaders, writeHeaders, type ObjectHeaders } from "../../../src/s3ec/headers.ts";
import type { S3Keyring } from "../../../src/s3ec/index.ts";
import { checkSettings, type S3EncryptionClientOptions } from "../../../src/s3ec/options.ts";
import { contentKeyOf, type ReadOptions } from "../../../src/s3ec/reading.ts";

export const refuses = refusing((error) => isEnvelopeError(error));

export interface StoredObject {
  readonly metadata: Readonly<Record<string, string>>;
  readonly instructions?: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
}

type Options = Omit<S3EncryptionClientOptions, "client" | "keyring"> & ReadOptions;

export async function opened(
  { metadata, instructions, body }: StoredObject,
  keyring: S3Keyring,
  { commitmentPolicy, allowLegacy, ...options }: Options = {},
): Promise<Buffer> {
  const client = new S3Client({});
  const settings = checkSettings({ client, keyring, commitmentPolicy, allowLegacy });
  const found = readHeaders(metadata);
  const headers = typeof found === "function" ? found(instructions ?? {}) : found;
  const content = await contentKeyOf(settings, headers, options);
  const source = (async function* () {
    yield body;
  })();
  return Buffer.from(await wholeOf(open(content, source, body.length)));
}

/** An object as this package writes it; `edit` changes the headers before they are written. */
export async function written(
  keyring: S3Keyring,
  version: "V2" | "V3",
  plaintext: Uint8Array,
  {
    placement = "metadata",
    context = {},
    algorithm,
  }: {
    readonly placement?: ObjectHeaders["placement"];
    readonly context?: Readonly<Record<string, string>>;
    /** What the wrap binds, instead of the algorithm that is used. */
    readonly algorithm?: ObjectHeaders["contentAlgorithm"];
  } = {},
): Promise<StoredObject & { readonly headers: ObjectHeaders }> {
  const contentAlgorithm = version === "V3" ? "115" : "AES/GCM/NoPadding";
  const iv = Buffer.alloc(version === "V3" ? 28 : 12, 7);
  const shape = { version, contentAlgorithm, iv } as const;
  const { dataKey, ...wrapped } = await keyring.wrap(algorithm ?? contentAlgorithm, context, {
    signal: undefined,
  });
  using key = dataKey;
  const { content, commitment } = newContentKey(shape, key);
  const headers: ObjectHeaders = { ...shape, ...wrapped, commitment, placement };
  const body = Buffer.from(await wholeOf(seal(content, [plaintext])));
  return { ...writeHeaders(headers), headers, body };
}
