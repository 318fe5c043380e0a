/**
 * The key block of a message header.
 *
 * An entry is one wrapped copy of the data key, with the label of the CMK that wrapped it. Any entry
 * opens the message, so entries can be added or removed by editing the header, without reading the
 * payload: this is what makes rewrap cheap. The order of entries has no meaning. A reader follows its
 * own list of CMKs, and a label can only select from that list.
 *
 * An attacker may choose these bytes, so every length is compared with the bytes that are left before
 * it is used. There is no MAC: the commitment in the payload detects a swapped key.
 *
 * Source: spec/envelope-v1.md#key-block
 *
 * @module
 */
import { byteName, ByteReader, concat, u16, utf8, type Bytes } from "./bytes.ts";
import { EnvelopeError } from "./error.ts";

/** One wrapped copy of the data key. */
export interface Entry {
  /** The kind of KMS: `aws-kms`, `local-file`. */
  readonly provider: string;
  /** The label of the CMK, compared with the configured ones; never an address to call. */
  readonly keyId: string;
  /** 1 to 4096 bytes, which only the CMK can interpret. */
  readonly wrapped: Bytes;
}

/** Limits of a key block, in entries and bytes. */
export const keyBlockLimits = {
  entries: 16,
  bytes: 16_384,
  keyIdBytes: 512,
  wrappedBytes: 4096,
} as const;

const PROVIDER = /^[a-z0-9][a-z0-9.-]{0,31}$/;
// oxlint-disable-next-line no-control-regex -- these are refused
const CONTROL = /[\u0000-\u001F\u007F]/;

export function isProvider(provider: unknown): provider is string {
  return typeof provider === "string" && PROVIDER.test(provider);
}

export function isKeyId(keyId: unknown): keyId is string {
  if (typeof keyId !== "string" || keyId === "" || !keyId.isWellFormed() || CONTROL.test(keyId))
    return false;
  if (keyId.length > keyBlockLimits.keyIdBytes) return false;
  // A UTF-16 unit has at most three bytes.
  return (
    keyId.length * 3 <= keyBlockLimits.keyIdBytes || utf8(keyId).length <= keyBlockLimits.keyIdBytes
  );
}

/** Whether a caller's object is an entry that the format can represent. */
export function isEntry(entry: Entry): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const { provider, keyId, wrapped } = entry;
  const sized = wrapped instanceof Uint8Array && wrapped.length <= keyBlockLimits.wrappedBytes;
  return isProvider(provider) && isKeyId(keyId) && sized && wrapped.length > 0;
}

/**
 * Encodes a key block, preceded by its length.
 *
 * @param entries - 1 to 16 entries within the limits; the caller has checked the drivers' answers.
 * @param padTo - Minimum length of the result in bytes; the rest is filled with zeros. Default: no
 * padding.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_LIMIT` when the entries do not fit in 16 KiB.
 */
export function encodeKeyBlock(entries: readonly Entry[], padTo = 0): Bytes {
  const parts: Uint8Array[] = [Uint8Array.of(entries.length)];
  for (const { provider, keyId, wrapped } of entries) {
    const id = utf8(keyId);
    parts.push(Uint8Array.of(provider.length), utf8(provider));
    parts.push(u16(id.length), id, u16(wrapped.length), wrapped);
  }
  const body = concat(...parts);
  const length = Math.max(body.length, padTo - 2);
  if (length > keyBlockLimits.bytes) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_LIMIT",
      `the key block has ${length} bytes, at most ${keyBlockLimits.bytes} are allowed; configure fewer CMKs`,
    );
  }
  return concat(u16(length), body, new Uint8Array(length - body.length));
}

/**
 * Reads the body of a key block (without its length).
 *
 * @returns At least one entry; their bytes are copies.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`.
 */
export function decodeKeyBlockBody(body: Uint8Array): Entry[] {
  const reader = new ByteReader(body);
  const count = reader.u8();
  if (count === undefined || count < 1 || count > keyBlockLimits.entries) {
    throw malformed("the number of entries is not 1 to 16");
  }
  const entries: Entry[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const entry = decodeEntry(reader);
    const label = `${entry.provider} ${entry.keyId}`; // A provider has no space.
    if (seen.has(label)) throw malformed("two entries name the same CMK");
    seen.add(label);
    entries.push(entry);
  }
  const padding = reader.take(reader.left);
  if (padding?.some((byte) => byte !== 0)) throw malformed("the padding is not zero");
  return entries;
}

/**
 * Reads a detached key block: length and body, with nothing after them.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT`; `ERR_ENVELOPE_TRUNCATED` if its end is missing.
 */
export function decodeKeyBlock(bytes: Uint8Array): Entry[] {
  const reader = new ByteReader(bytes);
  const length = reader.u16();
  if (length !== undefined && (length < 1 || length > keyBlockLimits.bytes)) {
    throw malformed("it has no possible length");
  }
  if (length === undefined || reader.left < length) {
    throw new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the key block ends too early");
  }
  if (reader.left > length) throw malformed("something follows it");
  return decodeKeyBlockBody(bytes.subarray(2));
}

function decodeEntry(reader: ByteReader): Entry {
  const provider = reader.text(reader.u8());
  if (provider === undefined || !PROVIDER.test(provider))
    throw malformed("a provider is malformed");
  const keyId = reader.text(reader.u16());
  if (keyId === undefined || !isKeyId(keyId)) throw malformed("a key id is malformed");
  const length = reader.u16();
  if (length === undefined || length < 1 || length > keyBlockLimits.wrappedBytes) {
    throw malformed("a wrapped key has no possible length");
  }
  const wrapped = reader.take(length);
  if (wrapped === undefined) throw malformed("an entry is cut short");
  return { provider, keyId, wrapped: new Uint8Array(wrapped) };
}

function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", `the key block is malformed: ${problem}`);
}

/** Names a list of entries for a map key. Lengths come first, so that two different lists never have the same name. */
export function nameOfEntries(entries: readonly Entry[]): string {
  return entries
    .map(
      ({ provider, keyId, wrapped }) =>
        `${provider} ${keyId.length} ${wrapped.length} ${keyId}${byteName(wrapped)}`,
    )
    .join("");
}
