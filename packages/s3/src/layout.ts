/**
 * Where the parts of an encrypted object are: the message in the body, its key block in one of three places.
 *
 * The body is a message. With placement `inline` it is whole. Otherwise its key block is detached: it is in the
 * object's metadata, or in a sidecar, an object of its own that holds the message's header. The salt and the
 * commitment stay in the body in any case, so a key block that belongs to another message does not open it.
 *
 * Source: spec/s3-v1.md
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import { PREFIX_BYTES } from "@env/core/message";

/** Where the key block of an object is. */
export type Placement = "metadata" | "sidecar" | "inline";

export const placements: readonly Placement[] = ["metadata", "sidecar", "inline"];

/** What an object's metadata says of its encryption. Nothing in it is authenticated. */
export interface Layout {
  readonly placement: Placement;
  /** Bytes of the body that precede the payload. */
  readonly headerBytes: number;
  /** The key block, with placement `metadata`. */
  readonly keyBlock: Uint8Array | undefined;
  /** Part of the sidecar's name, with placement `sidecar`. */
  readonly sidecarId: string | undefined;
}

/** User metadata as the SDK has it: without the prefix `x-amz-meta-`. */
export type Metadata = Readonly<Record<string, string>>;

const VERSION = "env-v";
const HEADER_BYTES = "env-h";
const KEY_BLOCK = "env-k";
const SIDECAR = "env-s";
const NAMES: ReadonlySet<string> = new Set([VERSION, HEADER_BYTES, KEY_BLOCK, SIDECAR]);

/** The end of a sidecar's name. */
const SIDECAR_SUFFIX = ".envelope-keys";
const SIDECAR_NAME = new RegExp(`^(.+)\\.([A-Za-z0-9_-]{16})\\${SIDECAR_SUFFIX}$`, "s");

/**
 * Bytes that S3 lets the names and values of an object's user metadata have together.
 *
 * Source: Amazon S3 User Guide, "Working with object metadata"
 */
export const MAX_METADATA_BYTES = 2048;

/**
 * The metadata of a new object: the user's, and what is needed to read it.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` where the two do not fit together; TypeError for a name that
 * is reserved.
 */
export function writeLayout(layout: Layout, metadata: Metadata = {}): Metadata {
  for (const name of Object.keys(metadata)) {
    if (isOurs(name)) throw new TypeError(`the metadata name ${name} is reserved: env-*`);
  }
  const { keyBlock, sidecarId } = layout;
  const all = {
    ...metadata,
    [VERSION]: "1",
    [HEADER_BYTES]: String(layout.headerBytes),
    ...(keyBlock && { [KEY_BLOCK]: Buffer.from(keyBlock).toString("base64url") }),
    ...(sidecarId !== undefined && { [SIDECAR]: sidecarId }),
  };
  const bytes = metadataBytes(all);
  if (bytes > MAX_METADATA_BYTES) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_LIMIT",
      `the object's metadata would have ${bytes} bytes, of which ${bytes - metadataBytes(metadata)} are its key block: ` +
        `S3 takes ${MAX_METADATA_BYTES}. Use the placement "sidecar" or "inline", or less metadata`,
    );
  }
  return all;
}

/**
 * Reads what the metadata says. Without anything of ours the body is taken for a whole message.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` where it contradicts itself, `ERR_ENVELOPE_UNSUPPORTED`
 * for a later version.
 */
export function readLayout(metadata: Metadata = {}): Layout | undefined {
  const names = Object.keys(metadata).filter(isOurs);
  const version = metadata[VERSION];
  if (version === undefined) {
    if (names.length > 0) throw malformed(`${VERSION} is missing`);
    return undefined;
  }
  if (version !== "1") {
    throw new EnvelopeError(
      "ERR_ENVELOPE_UNSUPPORTED",
      `the object's metadata has version ${JSON.stringify(version.slice(0, 16))}, this build reads 1`,
    );
  }
  if (!names.every((name) => NAMES.has(name))) throw malformed("a name env-* is unknown");
  const headerBytes = metadata[HEADER_BYTES] ?? "";
  if (!/^[1-9][0-9]{0,4}$/.test(headerBytes)) throw malformed(`${HEADER_BYTES} is not a length`);
  const { [KEY_BLOCK]: encoded, [SIDECAR]: sidecarId } = metadata;
  if (encoded !== undefined && sidecarId !== undefined) {
    throw malformed(`${KEY_BLOCK} and ${SIDECAR} exclude each other`);
  }
  if (sidecarId !== undefined && !/^[A-Za-z0-9_-]{16}$/.test(sidecarId)) {
    throw malformed(`${SIDECAR} is not the id of a sidecar`);
  }
  return {
    placement:
      encoded === undefined ? (sidecarId === undefined ? "inline" : "sidecar") : "metadata",
    headerBytes: Number(headerBytes),
    keyBlock: encoded === undefined ? undefined : decodeKeyBlock(encoded),
    sidecarId,
  };
}

/** The metadata without what is ours. */
export function userMetadata(metadata: Metadata = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !isOurs(name)));
}

/** The key of the sidecar of an object. */
export function sidecarKey(key: string, id: string): string {
  return `${key}.${id}${SIDECAR_SUFFIX}`;
}

/** The object that a sidecar belongs to, by the sidecar's key; `undefined` for another key. */
export function ownerOfSidecar(
  key: string,
): { readonly Key: string; readonly id: string } | undefined {
  const [, Key, id] = SIDECAR_NAME.exec(key) ?? [];
  return Key === undefined || id === undefined ? undefined : { Key, id };
}

/** Names the sidecar of one message: 96 bits of its salt, so that no other message of this key has the same. */
export function sidecarIdOf(message: Uint8Array, headerBytes: number): string {
  const prefix = message.subarray(headerBytes, headerBytes + PREFIX_BYTES);
  return Buffer.from(prefix.subarray(0, 12)).toString("base64url");
}

function isOurs(name: string): boolean {
  return name.toLowerCase().startsWith("env-");
}

export function metadataBytes(metadata: Metadata): number {
  return Object.entries(metadata).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
}

function decodeKeyBlock(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw malformed(`${KEY_BLOCK} is not base64url`);
  return new Uint8Array(bytes);
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `the object's metadata: ${problem}`);
}
