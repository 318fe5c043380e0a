/**
 * An S3 for tests: the REST protocol on this machine, with buckets, versions and multipart uploads in memory. It
 * verifies signatures and checksums, enforces S3's limits, records requests, and fails where a hook says so.
 *
 * One key pair may do everything: there are neither policies nor other accounts.
 *
 * @module
 */
import type { Listener } from "../listener.ts";
import { Bucket, type ObjectVersion, type Versioning } from "./bucket.ts";
import { s3Limits, Site, type S3Limits } from "./call.ts";
import { fullChecksum, DEFAULT_ALGORITHM } from "./checksums.ts";
import type { S3Hook, S3Request } from "./faults.ts";
import { s3Listener } from "./listener.ts";
import { storedPart } from "./objects.ts";
import { propertyHeaders, readProperties, type Properties } from "./properties.ts";
import { bytesOf } from "./range.ts";
import type { S3Credentials } from "./signature.ts";

export type { S3Limits } from "./call.ts";
export type { S3ErrorCode } from "./error.ts";
export type { Moment, S3Fault, S3Hook, S3Request } from "./faults.ts";
export type { S3Operation } from "./operations.ts";
export type { S3Credentials } from "./signature.ts";

/** More than a test looks at. Under load, the oldest are dropped. */
const KEPT_REQUESTS = 10_000;

export interface S3ServerOptions {
  /** Buckets that are there from the start. Default: none. */
  readonly buckets?: readonly string[];
  /** Whether those buckets keep versions. Default: `undefined`, as buckets are made. */
  readonly versioning?: "Enabled" | "Suspended";
  /** Limits other than S3's. */
  readonly limits?: Partial<S3Limits>;
  /** The key pair of clients. Default: `test` and `test`. */
  readonly credentials?: S3Credentials;
}

/** What the constructor of AWS's S3 client takes to call a server. */
export interface S3ClientOptions {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly forcePathStyle: true;
}

/** An object as it is stored. */
export interface StoredObject {
  readonly body: Buffer;
  /** User metadata, as it arrived. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Headers that a read of it has for what is kept beside its bytes. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** The hexadecimal text, without quotes. */
  readonly etag: string;
  /** `null` without versioning. */
  readonly versionId: string;
  /** 1 if it did not arrive in parts. */
  readonly partCount: number;
}

/** What a test changes of an object. What is left out stays as it is. */
export interface ObjectChange {
  readonly body?: Uint8Array;
  /** Replaces all user metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A multipart upload that was neither completed nor aborted. */
export interface OpenUpload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumbers: readonly number[];
}

/**
 * Starts a server on a free port of 127.0.0.1.
 *
 * @example
 * ```ts
 * await using server = await startS3Server({ buckets: ["photos"] });
 * const client = new S3Client(server.clientOptions);
 * ```
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const server = new S3Server(options);
  await server.open();
  return server;
}

/** A running server; see {@link startS3Server}. */
export class S3Server {
  /** The last 10 000 requests, the oldest first, with those that a hook made fail. Tests may empty it. */
  readonly requests: S3Request[] = [];
  /** Sees every request before it is handled. */
  hook: S3Hook | undefined;
  readonly #site: Site;
  readonly #credentials: S3Credentials;
  readonly #listener: Listener;

  constructor({ buckets = [], versioning, limits, credentials }: S3ServerOptions = {}) {
    this.#site = new Site({ ...s3Limits, ...limits });
    for (const name of buckets) this.createBucket(name, versioning);
    this.#credentials = credentials ?? { accessKeyId: "test", secretAccessKey: "test" };
    const hook = (): S3Hook | undefined => this.hook;
    this.#listener = s3Listener({
      site: this.#site,
      credentials: this.#credentials,
      record: (request) => {
        this.requests.push(request);
        if (this.requests.length > KEPT_REQUESTS) this.requests.shift();
      },
      get hook() {
        return hook();
      },
    });
  }

  async open(): Promise<void> {
    await this.#listener.open();
  }

  /** `http://127.0.0.1:<port>` */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.port}`;
  }

  get clientOptions(): S3ClientOptions {
    return {
      endpoint: this.url,
      region: "us-east-1",
      credentials: this.#credentials,
      forcePathStyle: true,
    };
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#listener.connections;
  }

  /** The multipart uploads that were neither completed nor aborted. */
  get uploads(): OpenUpload[] {
    return [...this.#site.buckets.values()].flatMap(({ name: bucket, uploads }) =>
      [...uploads.values()].map(({ key, id, parts }) => ({
        bucket,
        key,
        uploadId: id,
        partNumbers: [...parts.keys()].toSorted((one, other) => one - other),
      })),
    );
  }

  createBucket(name: string, versioning?: Versioning): void {
    this.#site.buckets.set(name, new Bucket(name, versioning));
  }

  /** The keys of a bucket's objects, in the order of lists. */
  keys(bucket: string): string[] {
    const found = this.#site.bucket(bucket);
    return found.keys().filter((key) => found.current(key) !== undefined);
  }

  /** The object that a key names now, or a version of it. */
  object(bucket: string, key: string, versionId?: string): StoredObject | undefined {
    const versions = this.#site.bucket(bucket).versions(key);
    const found =
      versionId === undefined ? versions[0] : versions.find((each) => each.versionId === versionId);
    return found?.kind === "object" ? stored(found) : undefined;
  }

  /** Stores an object past the protocol, with nothing of the object that is there. */
  put(bucket: string, key: string, { body = new Uint8Array(), metadata = {} }: ObjectChange): void {
    const headers = Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
    this.#store(bucket, key, body, readProperties(Object.fromEntries(headers), Infinity));
  }

  /** Replaces an object past the protocol by one that differs as given. It has another ETag if its bytes do. */
  alter(bucket: string, key: string, { body, metadata }: ObjectChange): void {
    const object = this.#site.bucket(bucket).find(key);
    const properties = { ...object.properties, user: metadata ?? object.properties.user };
    this.#store(bucket, key, body ?? stored(object).body, properties);
  }

  /** Resolves when no connection is open. */
  disconnected(): Promise<void> {
    return this.#listener.disconnected();
  }

  /** Ends all connections and accepts no others: the service cannot be reached. */
  async close(): Promise<void> {
    await this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #store(bucket: string, key: string, body: Uint8Array, properties: Properties): void {
    const data = Buffer.from(body);
    const checksum = fullChecksum(DEFAULT_ALGORITHM, [data]);
    const part = storedPart(1, data, properties, checksum);
    const { etag } = part;
    const object = { key, parts: [part], multipart: false, etag, checksum, properties };
    this.#site.bucket(bucket).put(object);
  }
}

function stored(object: ObjectVersion): StoredObject {
  const { properties, etag, versionId, parts, size } = object;
  return {
    body: Buffer.concat(bytesOf(object, 0, size)),
    metadata: properties.user,
    headers: propertyHeaders(properties),
    tags: Object.fromEntries(properties.tags),
    etag,
    versionId,
    partCount: parts.length,
  };
}
