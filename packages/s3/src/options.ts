/**
 * What the methods of `EncryptedS3` take and give.
 *
 * @module
 */
import type { S3Client } from "@aws-sdk/client-s3";
import type { Aad, Bytes, Context, Entry, Envelope, FromHeader } from "@env/core";
import type { Placement } from "./layout.ts";
import type { CustomerKey, ObjectInput, ObjectName } from "./object-front.ts";
import type { DecryptedObject } from "./opened-object.ts";
import type { RewrapOptions } from "./rewrap-object.ts";
import type { PutInput } from "./sealed-object.ts";
import type { Stored, UploadOptions } from "./upload.ts";

/** A context for all objects, or for each by its name. */
export type ContextOf<T> = T | ((name: ObjectName) => T);

export interface EncryptedS3Options {
  /** The caller's, with its credentials, endpoint and retries. It stays the caller's to destroy. */
  readonly client: S3Client;
  readonly envelope: Envelope;
  /** The context of objects where a call does not give one. An object that is renamed keeps its own. */
  readonly context: ContextOf<Context>;
  /** Where the key block of new objects is. Objects are read wherever theirs is. Default: `metadata`. */
  readonly placement?: Placement | undefined;
}

/** What a call binds an object to. */
export interface PutOptions extends UploadOptions {
  /** Default: the context of {@link EncryptedS3Options}. */
  readonly context?: Context | undefined;
  /** Binds the object to its place; must be passed again to read it. Neither stored nor sent. Default: none. */
  readonly aad?: Aad | undefined;
  /** Stores the context in the object, for readers that use `fromHeader`. Default: false. */
  readonly storeContext?: boolean | undefined;
  readonly placement?: Placement | undefined;
  /** The number of plaintext bytes of a stream, if it is known. It is checked. */
  readonly plaintextBytes?: number | undefined;
}

export interface GetOptions {
  /** Default: the context of {@link EncryptedS3Options}. */
  readonly context?: Context | FromHeader | undefined;
  readonly aad?: Aad | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type ObjectRewrapOptions = Omit<RewrapOptions, "context"> & Pick<GetOptions, "context">;

/** How many CMKs can open an object that was stored. */
export interface PutResult extends Stored {
  readonly placement: Placement;
}

/** What an object says of itself. Nothing in it is authenticated until the object is read. */
export interface ObjectFacts {
  readonly placement: Placement;
  /** The CMKs that can open it. */
  readonly entries: readonly Entry[];
  /** The context, if the writer stored it. */
  readonly storedContext: Context | undefined;
  /** Bytes of the plaintext; `undefined` where the object has an impossible size. */
  readonly plaintextBytes: number | undefined;
  readonly ETag: string | undefined;
  readonly VersionId: string | undefined;
  /** The user's metadata. */
  readonly Metadata: Readonly<Record<string, string>>;
}

/** An object that is read. Its plaintext is taken once: as a stream, as bytes or as text. */
export interface OpenedObject extends DecryptedObject {
  bytes(): Promise<Bytes>;
  /** Decoded as UTF-8. */
  text(): Promise<string>;
}

/** The name of the copy. It has the customer key of the original (SSE-C), unless it brings another one. */
export interface CopyInput extends ObjectName, CustomerKey {
  readonly from: ObjectInput;
}

/** Where a copy under a new data key goes, with what differs from the original. */
export type ReencryptInput = Omit<PutInput, "Body"> & { readonly from: ObjectInput };

/** Options for the copy, and what the original is bound to. */
export interface ReencryptOptions extends Omit<PutOptions, "plaintextBytes"> {
  /** Default: the context of {@link EncryptedS3Options}. */
  readonly fromContext?: Context | FromHeader | undefined;
  readonly fromAad?: Aad | undefined;
}

/** The only option of calls that do not decrypt. */
export type SignalOption = Pick<GetOptions, "signal">;

type Checked = "put" | "seal" | "reencrypt" | "get" | "fromResponse" | "rewrap" | "list" | "signal";

const BIND = ["context", "aad", "storeContext", "placement", "signal"];
const UPLOAD = ["partSize", "queueSize", "onProgress"];
const GET = ["context", "aad", "signal"];
/** The options of each call. A misspelt one would be a binding that is not there. */
export const optionsOf: Readonly<Record<Checked, ReadonlySet<string>>> = {
  put: new Set([...BIND, ...UPLOAD, "plaintextBytes"]),
  seal: new Set([...BIND, "plaintextBytes"]),
  reencrypt: new Set([...BIND, ...UPLOAD, "fromContext", "fromAad"]),
  get: new Set(GET),
  fromResponse: new Set([...GET, "keyBlock"]),
  rewrap: new Set(["context", "from", "dryRun", "signal"]),
  list: new Set(["concurrency", "signal"]),
  signal: new Set(["signal"]),
};
