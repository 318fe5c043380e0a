/**
 * Lists objects with what each says of its encryption.
 *
 * @module
 */
import {
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type S3Client,
  type _Object as S3Object,
} from "@aws-sdk/client-s3";
import { isEnvelopeError } from "@env/core";
import type { ObjectFacts } from "./options.ts";
import { inOrder } from "./in-order.ts";
import { ownerOfSidecar } from "./layout.ts";
import { abortable, customerKeyOf, type CustomerKey, type ObjectInput } from "./object-front.ts";

export type ListInput = Omit<
  ListObjectsV2CommandInput,
  "ContinuationToken" | "Delimiter" | "EncodingType"
> &
  CustomerKey & {
    readonly Bucket: string;
  };

export interface ListOptions {
  /** Objects that are looked at concurrently, 1 to 1024. Default: 16. */
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An object of the bucket. */
export interface ListedObject extends S3Object {
  readonly Key: string;
  /** `undefined` for an object that is not encrypted, or damaged. */
  readonly encryption: ObjectFacts | undefined;
}

/**
 * Lists the objects in the order of S3, that of their names in UTF-8.
 *
 * @yields Objects, without sidecars.
 */
export async function* listObjects(
  client: S3Client,
  input: ListInput,
  head: (input: ObjectInput) => Promise<ObjectFacts>,
  { concurrency = 16, signal }: ListOptions,
): AsyncGenerator<ListedObject, void> {
  const { Bucket } = input;
  const look = async (object: NamedObject): Promise<ListedObject> => {
    try {
      return {
        ...object,
        encryption: await head({ Bucket, Key: object.Key, ...customerKeyOf(input) }),
      };
    } catch (error) {
      if (!isEnvelopeError(error)) throw error;
      return { ...object, encryption: undefined };
    }
  };
  yield* inOrder(withoutSidecars(namesOf(client, input, signal)), concurrency, look);
}

async function* withoutSidecars(
  objects: AsyncIterable<NamedObject>,
): AsyncGenerator<NamedObject, void> {
  for await (const object of objects) if (ownerOfSidecar(object.Key) === undefined) yield object;
}

/** An object as S3 lists it. */
export type NamedObject = S3Object & { readonly Key: string };

/**
 * Lists page by page.
 *
 * @yields All objects, sidecars included.
 */
export async function* namesOf(
  client: S3Client,
  input: ListInput,
  signal: AbortSignal | undefined,
): AsyncGenerator<NamedObject, void> {
  let ContinuationToken: string | undefined;
  do {
    const command = new ListObjectsV2Command({ ...input, ContinuationToken });
    const page = await client.send(command, abortable(signal));
    for (const object of page.Contents ?? []) {
      if (object.Key !== undefined) yield { ...object, Key: object.Key };
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
}
