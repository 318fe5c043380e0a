/**
 * What S3 keeps beside the bytes of an object, and the headers it arrives in and leaves by.
 *
 * Source: Amazon S3 User Guide, "Working with object metadata"
 *
 * @module
 */
import { hash } from "./checksums.ts";
import { S3Error } from "./error.ts";

export type Headers = Readonly<Record<string, string>>;

export interface Properties {
  /** Content type and the like. A copy keeps them. */
  readonly content: Headers;
  /** User metadata by lower-case name, without `x-amz-meta-`. A copy keeps it. */
  readonly user: Headers;
  /** Storage class, redirection, object lock. A copy takes them from its own request. */
  readonly settings: Headers;
  /** Server-side encryption. A copy takes it from its own request. */
  readonly encryption: Headers;
  readonly tags: readonly (readonly [string, string])[];
}

const CONTENT = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
] as const;
const LOCK = [
  "x-amz-object-lock-mode",
  "x-amz-object-lock-retain-until-date",
  "x-amz-object-lock-legal-hold",
] as const;
const STORAGE_CLASS = "x-amz-storage-class";
const SETTINGS = [STORAGE_CLASS, "x-amz-website-redirect-location", ...LOCK] as const;
const ENCRYPTION = "x-amz-server-side-encryption";
const CUSTOMER = `${ENCRYPTION}-customer`;
const META = "x-amz-meta-";

const storageClasses = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
]);
const archives = new Set(["GLACIER", "DEEP_ARCHIVE"]);

/** The key that AWS keeps for S3 in an account. */
const AWS_MANAGED_KEY =
  "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000";

/**
 * Reads the headers of a request that creates an object.
 *
 * @param maxMetadata - The most bytes of names and values of user metadata.
 * @throws S3Error `MetadataTooLarge`, `InvalidTag`, `InvalidStorageClass`, `InvalidArgument`
 */
export function readProperties(headers: Headers, maxMetadata: number): Properties {
  const storageClass = headers[STORAGE_CLASS];
  if (storageClass !== undefined && !storageClasses.has(storageClass)) {
    throw new S3Error("InvalidStorageClass");
  }
  const content = pick(headers, CONTENT);
  // The framing of the request is not an encoding of the object.
  const { "content-encoding": encoding, ...others } = content;
  const lasting = (encoding ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "" && each !== "aws-chunked")
    .join(",");
  return {
    content: {
      "content-type": "binary/octet-stream",
      ...others,
      ...(lasting !== "" && { "content-encoding": lasting }),
    },
    user: readMetadata(headers, maxMetadata),
    settings: pick(headers, SETTINGS),
    encryption: readEncryption(headers),
    tags: checkedTags([...new URLSearchParams(headers["x-amz-tagging"])]),
  };
}

/** The headers by which an object's properties are given back. */
export function propertyHeaders({
  content,
  user,
  settings,
  encryption,
  tags,
}: Properties): Headers {
  const { [STORAGE_CLASS]: storageClass, ...others } = settings;
  const metadata = Object.entries(user).map(([name, value]) => [META + name, encodedWords(value)]);
  return {
    ...content,
    ...others,
    ...(storageClass !== undefined &&
      storageClass !== "STANDARD" && { [STORAGE_CLASS]: storageClass }),
    ...encryption,
    ...(tags.length > 0 && { "x-amz-tagging-count": String(tags.length) }),
    ...Object.fromEntries(metadata),
  };
}

export function storageClassOf({ settings }: Properties): string {
  return settings[STORAGE_CLASS] ?? "STANDARD";
}

export function isArchived(properties: Properties): boolean {
  return archives.has(storageClassOf(properties));
}

/** Whether a version may not be deleted now. */
export function isLocked({ settings }: Properties): boolean {
  const until = settings["x-amz-object-lock-retain-until-date"];
  const held = settings["x-amz-object-lock-legal-hold"] === "ON";
  return held || (until !== undefined && Date.parse(until) > Date.now());
}

/** Whether the object's ETag is the MD5 of its bytes. */
export function hasPlainETag({ encryption }: Properties): boolean {
  return encryption[ENCRYPTION] === "AES256";
}

/** Whether a request says how the object is to be stored, which makes a copy to itself a change. */
export function changesSettings(headers: Headers): boolean {
  const names = Object.keys(headers);
  return names.some(
    (name) => name.startsWith(ENCRYPTION) || (SETTINGS as readonly string[]).includes(name),
  );
}

/**
 * Checks that a request for an object encrypted with the caller's key (SSE-C) brings that key.
 *
 * @param prefix - `x-amz-copy-source-server-side-encryption-customer` for the source of a copy.
 */
export function checkCustomerKey(
  { encryption }: Properties,
  headers: Headers,
  prefix: string = CUSTOMER,
): void {
  const stored = encryption[`${CUSTOMER}-key-md5`];
  const given = headers[`${prefix}-key-md5`];
  if (stored === given) return;
  if (stored === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "The encryption parameters are not applicable to this object.",
    );
  }
  if (given !== undefined) throw new S3Error("AccessDenied");
  throw new S3Error(
    "InvalidRequest",
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
  );
}

/** Checks that a part brings the key that its upload was begun with (SSE-C). */
export function checkPartKey({ encryption }: Properties, headers: Headers): void {
  const begun = encryption[`${CUSTOMER}-key-md5`];
  const given = headers[`${CUSTOMER}-key-md5`];
  if (begun === given) return;
  throw new S3Error(
    "InvalidRequest",
    given === undefined
      ? "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
      : "The provided encryption parameters did not match the ones used originally.",
  );
}

/** @throws S3Error `InvalidTag` */
export function checkedTags(
  tags: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  if (tags.length > 10) throw new S3Error("InvalidTag", "Object tags cannot be greater than 10");
  const long = tags.some(([name, value]) => name === "" || name.length > 128 || value.length > 256);
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
  if (long || !tags.flat().every((text) => allowed.test(text))) throw new S3Error("InvalidTag");
  if (new Set(tags.map(([name]) => name)).size < tags.length) {
    throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  return tags;
}

function readMetadata(headers: Headers, limit: number): Headers {
  const user: Record<string, string> = {};
  let bytes = 0;
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(META)) continue;
    const name = header.slice(META.length);
    user[name] = value;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > limit) {
    throw new S3Error("MetadataTooLarge", undefined, { Size: bytes, MaxSizeAllowed: limit });
  }
  return user;
}

function readEncryption(headers: Headers): Headers {
  const key = headers[`${CUSTOMER}-key`];
  if (key !== undefined) {
    const md5 = headers[`${CUSTOMER}-key-md5`] ?? "";
    const bytes = Buffer.from(key, "base64");
    if (bytes.length !== 32 || hash("md5", [bytes]).toString("base64") !== md5) {
      throw new S3Error(
        "InvalidArgument",
        "The calculated MD5 hash of the key did not match the hash that was provided.",
      );
    }
    return { [`${CUSTOMER}-algorithm`]: "AES256", [`${CUSTOMER}-key-md5`]: md5 };
  }
  const method = headers[ENCRYPTION] ?? "AES256";
  if (method === "AES256") return { [ENCRYPTION]: method };
  if (method !== "aws:kms" && method !== "aws:kms:dsse") {
    throw new S3Error("InvalidArgument", "The encryption method specified is not supported");
  }
  const bucketKey = `${ENCRYPTION}-bucket-key-enabled`;
  return {
    [ENCRYPTION]: method,
    [`${ENCRYPTION}-aws-kms-key-id`]: headers[`${ENCRYPTION}-aws-kms-key-id`] ?? AWS_MANAGED_KEY,
    ...pick(headers, [bucketKey]),
  };
}

function pick(headers: Headers, names: readonly string[]): Headers {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The most characters of an encoded word that are not its frame. */
const WORD = 63;

/**
 * S3 takes the bytes of a header for Latin-1, and gives what is not ASCII back as encoded words of RFC 2047,
 * in UTF-8: in base64 where most characters are not ASCII, quoted elsewhere.
 */
function encodedWords(value: string): string {
  // oxlint-disable-next-line no-control-regex
  const foreign = value.match(/[^\0-\x7F]/g)?.length ?? 0;
  if (foreign === 0) return value;
  const base64 = foreign > value.length - foreign;
  const encode = (text: string): readonly string[] => {
    const bytes = Buffer.from(text);
    const encoded = base64 ? bytes.toString("base64") : quoted(bytes);
    if (encoded.length > WORD && text.length > 1) {
      const half = text.length >> 1;
      return [...encode(text.slice(0, half)), ...encode(text.slice(half))];
    }
    return [`=?UTF-8?${base64 ? "B" : "Q"}?${encoded}?=`];
  };
  return encode(value).join(" ");
}

function quoted(bytes: Buffer): string {
  return [...bytes]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (character === " ") return "_";
      if (byte > 32 && byte < 127 && !"=_?".includes(character)) return character;
      return `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
