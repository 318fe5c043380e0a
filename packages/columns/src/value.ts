/**
 * The value of an encrypted column: one byte of format, the id of its data key, and a payload.
 *
 * Source: spec/columns-v1.md#value
 *
 * @module
 */
import { EnvelopeError, type Bytes } from "@env/core";

/** The length of a key's id in bytes. */
export const KEY_ID_BYTES = 6;
/** The length of what precedes the payload: format and key id. */
export const HEADER_BYTES: number = 1 + KEY_ID_BYTES;
/** Does not occur in UTF-8, so text is never mistaken for a value. */
const FORMAT = 0xc1;
/** A payload of an empty plaintext has 72 bytes, and a plaintext starts with its type. */
const MIN_BYTES = HEADER_BYTES + 73;
/** A plaintext of 1 MiB, with its tags. */
const MAX_BYTES = 2 ** 20 + 2048;
const TEXT_PREFIX = "~";
const BASE64URL = /^[\w-]*$/;

/** A value that has been read, but not decrypted. */
export interface StoredValue {
  /** The id of the data key: 12 lower-case hex digits. */
  readonly keyId: string;
  /** Format and key id, which the payload is bound to. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

/** Returns the bytes in front of a payload under this key. */
export function headerOf(keyId: string): Bytes {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = FORMAT;
  header.set(Buffer.from(keyId, "hex"), 1);
  return header;
}

/** Joins header and payload, in the form of the column. */
export function encodeStored(
  header: Uint8Array,
  payload: Uint8Array,
  form: "bytes" | "text",
): Bytes | string {
  const bytes = new Uint8Array(header.length + payload.length);
  bytes.set(header);
  bytes.set(payload, header.length);
  return form === "bytes" ? bytes : TEXT_PREFIX + bufferOf(bytes).toString("base64url");
}

/**
 * Reads what a column holds.
 *
 * @returns `undefined` for anything that is not an encrypted value: plaintext, another format, cut off.
 */
export function parseStored(stored: unknown): StoredValue | undefined {
  const bytes = typeof stored === "string" ? bytesOfText(stored) : stored;
  if (!(bytes instanceof Uint8Array) || bytes[0] !== FORMAT) return undefined;
  if (bytes.length < MIN_BYTES || bytes.length > MAX_BYTES) return undefined;
  return {
    keyId: bufferOf(bytes).toString("hex", 1, HEADER_BYTES),
    header: bytes.subarray(0, HEADER_BYTES),
    payload: bytes.subarray(HEADER_BYTES),
  };
}

/** Creates the error for a value that {@link parseStored} does not take. */
export function notEncrypted(place: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    `${place} has a value that is not encrypted: while the column is migrated, its definition says "plaintext"`,
  );
}

function bytesOfText(text: string): Uint8Array | undefined {
  const body = text.slice(TEXT_PREFIX.length);
  if (!text.startsWith(TEXT_PREFIX) || text.length > MAX_BYTES * 1.4 || !BASE64URL.test(body))
    return undefined;
  const bytes = Buffer.from(body, "base64url");
  // Only the one text that encodes these bytes.
  return bytes.toString("base64url") === body ? bytes : undefined;
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
