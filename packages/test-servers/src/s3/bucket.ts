/**
 * Buckets: versions of objects, delete markers, and multipart uploads that are open.
 *
 * Source: Amazon S3 User Guide, "Retaining multiple versions of objects with S3 Versioning"
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Answer } from "./answer.ts";
import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
import { S3Error } from "./error.ts";
import { KeyOrder } from "./key-order.ts";
import { isLocked, type Properties } from "./properties.ts";

/** A part of a multipart upload, or the only part of an object that arrived in one request. */
export interface StoredPart {
  readonly number: number;
  readonly data: Buffer;
  /** The hexadecimal text, without quotes. */
  readonly etag: string;
  readonly checksum: Checksum | undefined;
  readonly modified: Date;
}

/** An object before it has a version. */
export interface NewObject {
  readonly key: string;
  readonly parts: readonly StoredPart[];
  readonly multipart: boolean;
  /** The hexadecimal text, without quotes. */
  readonly etag: string;
  readonly checksum: Checksum | undefined;
  readonly properties: Properties;
}

export interface ObjectVersion extends NewObject {
  readonly kind: "object";
  readonly versionId: string;
  readonly modified: Date;
  readonly size: number;
}

interface DeleteMarker {
  readonly kind: "marker";
  readonly key: string;
  readonly versionId: string;
  readonly modified: Date;
}

export type Version = ObjectVersion | DeleteMarker;

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly initiated: Date;
  readonly properties: Properties;
  readonly algorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: ChecksumType;
  readonly parts: Map<number, StoredPart>;
}

export interface EndedUpload {
  readonly key: string;
  /** What it was completed with: S3 answers the same request again with the same. */
  readonly completed?: { readonly request: Buffer; readonly answer: Answer };
}

export type Versioning = "Enabled" | "Suspended" | undefined;

/** The id of versions that were made without versioning. */
const NULL = "null";

export class Bucket {
  readonly name: string;
  readonly created: Date = now();
  /** The multipart uploads that are open. */
  readonly uploads: Map<string, Upload> = new Map();
  /** Those that were completed or aborted, by id. */
  readonly ended: Map<string, EndedUpload> = new Map();
  versioning: Versioning;
  /** The newest first. */
  readonly #versions = new Map<string, Version[]>();
  readonly #order = new KeyOrder((key) => this.#versions.has(key));

  constructor(name: string, versioning?: Versioning) {
    this.name = name;
    this.versioning = versioning;
  }

  get empty(): boolean {
    return this.#versions.size === 0;
  }

  /** All keys that have versions, in the order of their bytes in UTF-8. */
  keys(): readonly string[] {
    return this.#order.sorted();
  }

  /** The versions of a key, the newest first. */
  versions(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  /** The object that a key names now. */
  current(key: string): ObjectVersion | undefined {
    const [newest] = this.versions(key);
    return newest?.kind === "object" ? newest : undefined;
  }

  /**
   * Returns the version that a request names.
   *
   * @throws S3Error `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker
   */
  find(key: string, versionId?: string | null): ObjectVersion {
    const versions = this.versions(key);
    if (typeof versionId !== "string") {
      const [newest] = versions;
      if (newest?.kind === "object") return newest;
      const marker =
        newest === undefined
          ? {}
          : { "x-amz-delete-marker": "true", "x-amz-version-id": newest.versionId };
      throw new S3Error("NoSuchKey", undefined, { Key: key }, marker);
    }
    checkVersionId(versionId);
    const version = versions.find((each) => each.versionId === versionId);
    if (version === undefined) {
      throw new S3Error("NoSuchVersion", undefined, { Key: key, VersionId: versionId });
    }
    if (version.kind === "object") return version;
    const headers = { "x-amz-delete-marker": "true", allow: "DELETE" };
    throw new S3Error(
      "MethodNotAllowed",
      undefined,
      { Method: "GET", ResourceType: "DeleteMarker" },
      { ...headers, "x-amz-version-id": versionId },
    );
  }

  /** Makes an object the current version of its key. */
  put(object: NewObject): ObjectVersion {
    const size = object.parts.reduce((sum, { data }) => sum + data.length, 0);
    const version: ObjectVersion = {
      ...object,
      kind: "object",
      versionId: this.#newVersionId(),
      modified: now(),
      size,
    };
    this.#add(version);
    return version;
  }

  /** Deletes a version for good, or the current object: with versioning, a marker takes its place. */
  delete(key: string, versionId?: string | null): Version | undefined {
    if (typeof versionId === "string") {
      checkVersionId(versionId);
      const version = this.versions(key).find((each) => each.versionId === versionId);
      if (version?.kind === "object" && isLocked(version.properties)) {
        throw new S3Error("AccessDenied", "Access Denied because object protected by object lock.");
      }
      this.#remove(key, versionId);
      return version;
    }
    if (this.versioning === undefined) {
      this.#remove(key, NULL);
      return undefined;
    }
    const marker: DeleteMarker = {
      kind: "marker",
      key,
      versionId: this.#newVersionId(),
      modified: now(),
    };
    this.#add(marker);
    return marker;
  }

  /** Replaces what is kept beside the bytes of a version, which stays the same version. */
  amend(version: ObjectVersion, properties: Properties): void {
    const versions = this.#versions.get(version.key) ?? [];
    versions[versions.indexOf(version)] = { ...version, properties };
  }

  #newVersionId(): string {
    return this.versioning === "Enabled" ? randomBytes(24).toString("base64url") : NULL;
  }

  #add(version: Version): void {
    const { key, versionId } = version;
    if (versionId === NULL) this.#remove(key, NULL);
    const versions = this.#versions.get(key);
    if (versions === undefined) {
      this.#versions.set(key, [version]);
      this.#order.add(key);
    } else {
      versions.unshift(version);
    }
  }

  #remove(key: string, versionId: string): void {
    const versions = this.#versions.get(key);
    const index = versions?.findIndex((each) => each.versionId === versionId) ?? -1;
    if (versions === undefined || index < 0) return;
    versions.splice(index, 1);
    if (versions.length > 0) return;
    this.#versions.delete(key);
    this.#order.removed();
  }
}

/** The header that names a version, where the bucket has versions. */
export function versionHeader(bucket: Bucket, { versionId }: Version): Record<string, string> {
  return bucket.versioning === undefined ? {} : { "x-amz-version-id": versionId };
}

/** S3 keeps whole seconds. */
export function now(): Date {
  return new Date(Math.floor(Date.now() / 1000) * 1000);
}

function checkVersionId(versionId: string): void {
  if (versionId === NULL || /^[\w-]{32}$/.test(versionId)) return;
  throw new S3Error("InvalidArgument", "Invalid version id specified", {
    ArgumentName: "versionId",
    ArgumentValue: versionId,
  });
}
