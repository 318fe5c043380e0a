/**
 * The header in front of a payload: who can unwrap the data key, and what the message is bound to.
 *
 * Eight bytes of preamble, the context if it is stored, and the key block. Preamble and context are
 * bound by the key derivation and never change; the key block can be replaced.
 *
 * Source: spec/envelope-v1.md#layout
 *
 * @module
 */
import { ByteReader, concat, startsWith, u16, utf8, type Bytes } from "./bytes.ts";
import { contextLimits, decodeContext, type Context } from "./context.ts";
import { EnvelopeError } from "./error.ts";
import { decodeKeyBlockBody, keyBlockLimits, type Entry } from "./key-block.ts";

/** A parsed header. */
export interface Header {
  /** The first 8 bytes, exactly as the key derivation binds them. */
  readonly preamble: Bytes;
  /** The context, if the writer stored it. It must not be trusted unless the reader has opted in. */
  readonly storedContext: Context | undefined;
  readonly storedContextBytes: Bytes | undefined;
  /** The wrapped copies of the data key; `undefined` if the key block is detached. */
  readonly entries: readonly Entry[] | undefined;
  /** The offset of the key block in bytes. What precedes it never changes. */
  readonly keyBlockOffset: number;
  /** The length of the header in bytes, which is the offset of the payload. */
  readonly length: number;
}

/** The length in bytes of the preamble that starts every header. */
export const PREAMBLE_BYTES = 8;
/** The maximum length of a header in bytes: a reader never needs to buffer more than this. */
export const MAX_HEADER_BYTES: number =
  PREAMBLE_BYTES + 2 + contextLimits.bytes + 2 + keyBlockLimits.bytes;

const MAGIC = Uint8Array.of(0x8e, 0x45, 0x4e, 0x56);
const VERSION = 1;
const SUITE_COBBLESTONE_256 = 1;
const FLAG_STORED_CONTEXT = 1;

/** Encodes what precedes the key block: the preamble, and the context if it is stored. */
export function encodeFront(stored: Bytes | undefined): Bytes {
  const flags = stored === undefined ? 0 : FLAG_STORED_CONTEXT;
  const preamble = concat(MAGIC, Uint8Array.of(VERSION, SUITE_COBBLESTONE_256, flags, 0));
  return stored === undefined ? preamble : concat(preamble, u16(stored.length), stored);
}

/**
 * Returns the length of the header that `bytes` starts with, or `undefined` if there are too few bytes
 * to tell.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED` as soon as either is
 * certain.
 */
export function headerLength(bytes: Uint8Array): number | undefined {
  checkPreamble(bytes);
  const reader = new ByteReader(bytes);
  const flags = reader.take(PREAMBLE_BYTES)?.[6];
  if (flags === undefined) return undefined;
  if (flags & FLAG_STORED_CONTEXT) {
    const length = reader.u16();
    if (length === undefined) return undefined;
    if (length < 2 || length > contextLimits.bytes) {
      throw malformed("the stored context has no possible length");
    }
    if (reader.take(length) === undefined) return undefined;
  }
  const length = reader.u16();
  if (length === undefined) return undefined;
  if (length > keyBlockLimits.bytes) throw malformed("the key block is longer than 16 KiB");
  return reader.offset + length;
}

/**
 * Reads the header at the front of `bytes`.
 *
 * @param bytes - At least the whole header; what follows it is ignored.
 * @returns Copies, so `bytes` may be reused.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`, `ERR_ENVELOPE_UNSUPPORTED`;
 * `ERR_ENVELOPE_TRUNCATED` if `bytes` is only the beginning of a header.
 */
export function parseHeader(bytes: Uint8Array): Header {
  const length = headerLength(bytes);
  if (length === undefined || length > bytes.length) {
    throw new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the message ends inside its header");
  }
  const reader = new ByteReader(bytes.subarray(0, length));
  const preamble = new Uint8Array(reader.take(PREAMBLE_BYTES) ?? []);
  let storedContextBytes: Bytes | undefined;
  if ((preamble[6] ?? 0) & FLAG_STORED_CONTEXT) {
    storedContextBytes = new Uint8Array(reader.take(reader.u16() ?? 0) ?? []);
  }
  const storedContext = storedContextBytes && decodeContext(storedContextBytes);
  const keyBlockOffset = reader.offset;
  const body = reader.take(reader.u16() ?? 0) ?? new Uint8Array(0);
  const entries = body.length === 0 ? undefined : decodeKeyBlockBody(body);
  return { preamble, storedContext, storedContextBytes, entries, keyBlockOffset, length };
}

/**
 * Returns a {@link parseHeader} that remembers its last result: messages under one data key have
 * byte-for-byte the same header, so it need not be parsed again. The result is the same object, whose
 * `entries` `CmkSet` recognizes by identity.
 */
export function rememberHeader(): typeof parseHeader {
  let last: { readonly bytes: Bytes; readonly header: Header } | undefined;
  return (bytes) => {
    if (last !== undefined && startsWith(bytes, last.bytes)) return last.header;
    const header = parseHeader(bytes);
    last = { bytes: new Uint8Array(bytes.subarray(0, header.length)), header };
    return header;
  };
}

/** Checks in the order that the specification fixes: nothing after an unknown version is interpreted. */
function checkPreamble(bytes: Uint8Array): void {
  for (let i = 0; i < MAGIC.length && i < bytes.length; i++) {
    if (bytes[i] !== MAGIC[i]) throw foreign(bytes);
  }
  // Read by index: destructuring a typed array runs an iterator, and this runs for every message.
  const version = bytes[4];
  const suite = bytes[5];
  const flags = bytes[6];
  const reserved = bytes[7];
  if (version !== undefined && version !== VERSION) throw unsupported("version", version);
  if (suite !== undefined && suite !== SUITE_COBBLESTONE_256) throw unsupported("suite", suite);
  if (flags !== undefined && (flags & ~FLAG_STORED_CONTEXT) !== 0)
    throw unsupported("flags", flags);
  if (reserved !== undefined && reserved !== 0) throw malformed("the reserved byte is not zero");
}

const AWS_SDK = "this looks like a message of the AWS Encryption SDK";
/** What people pass by mistake, and what to do about it. */
const LOOKALIKES: readonly (readonly [prefix: Uint8Array, hint: string])[] = [
  [utf8("env1."), "this is the text form: pass it as a string to decryptText()"],
  [utf8("jkVOV"), "this is base64: decode it first"],
  [utf8("8e454e56"), "this is hexadecimal: decode it first"],
  [
    utf8("\u{FFFD}ENV"),
    "the bytes went through a text decoder and are damaged: keep messages as bytes",
  ],
  [Uint8Array.of(0x01, 0x80), AWS_SDK],
  [Uint8Array.of(0x02, 0x04, 0x78), AWS_SDK],
  [Uint8Array.of(0x02, 0x05, 0x78), AWS_SDK],
];

function foreign(bytes: Uint8Array): EnvelopeError {
  const known = LOOKALIKES.find(([prefix]) => startsWith(bytes, prefix));
  const hint = known?.[1] ?? "check that these are all of the stored bytes";
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `not an envelope message: ${hint}`);
}

function unsupported(field: string, found: number): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    `the message has ${field} ${found}, which this build does not read: update the package`,
  );
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `the message header is malformed: ${problem}`);
}
