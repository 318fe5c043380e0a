/**
 * The content of an object: one AES-256-GCM message over the whole of it, with the tag at the end.
 *
 * With V3 the key of the content is derived from the data key, and so is the commitment, which is compared before
 * the key is used: without one, a body can be made that opens under two data keys to two plaintexts.
 * Nothing is verified before the last byte was read, so what is released earlier is not authenticated.
 *
 * Source: Amazon S3 Encryption Client specification, "Content encryption" and "Key derivation"; NIST SP 800-38D
 *
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  timingSafeEqual,
  type Cipher,
  type Decipher,
  type KeyObject,
} from "node:crypto";
import { EnvelopeError, type Bytes, type DataKey } from "@env/core";
import type { ContentAlgorithm, ObjectHeaders } from "./headers.ts";
import type { ByteRange } from "./range.ts";

/** How the content is opened or sealed. */
export interface ContentKey {
  readonly key: KeyObject;
  readonly iv: Uint8Array;
  readonly aad: Uint8Array | undefined;
  readonly algorithm: ContentAlgorithm;
}

export const TAG_BYTES = 16;
/** The limit of GCM with a 12-byte IV: 2^32 - 2 blocks. */
const MAX_PLAINTEXT_BYTES = 2 ** 36 - 32;
const BLOCK_BYTES = 16;
const CBC: ContentAlgorithm = "AES/CBC/PKCS5Padding";

/** 0x0073, the number of V3's suite. */
const SUITE_ID = Uint8Array.of(0x00, 0x73);
const KEY_INFO = Buffer.concat([SUITE_ID, Buffer.from("DERIVEKEY")]);
const COMMITMENT_INFO = Buffer.concat([SUITE_ID, Buffer.from("COMMITKEY")]);
/** V3 derives a key for every message, so that the IV may be a constant. */
const IV_V3 = new Uint8Array(12).fill(1);

/** Derives what V3 needs of a data key. */
export function deriveV3(
  dataKey: DataKey,
  messageId: Uint8Array,
): { readonly key: KeyObject; readonly commitment: Buffer } {
  return dataKey.use((bytes) => {
    const derive = (info: Uint8Array, length: number): Buffer =>
      Buffer.from(hkdfSync("sha512", bytes, messageId, info, length));
    const commitment = derive(COMMITMENT_INFO, 28);
    const raw = derive(KEY_INFO, 32);
    const key = createSecretKey(raw);
    raw.fill(0);
    return { key, commitment };
  });
}

/**
 * Returns what opens the content.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` where the commitment is that of another data key.
 */
export function openContentKey(headers: ObjectHeaders, dataKey: DataKey): ContentKey {
  if (headers.commitment === undefined) return newContentKey(headers, dataKey).content;
  const { content, commitment } = newContentKey(headers, dataKey);
  if (commitment === undefined || !timingSafeEqual(commitment, headers.commitment)) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_DECRYPT",
      "the commitment x-amz-d is that of another data key: the wrapped key, x-amz-i or x-amz-d was replaced. " +
        "Restore the object's headers, or its instruction file, from a backup",
    );
  }
  return content;
}

/** What seals a new object's content, and the commitment where the version has one. */
export function newContentKey(
  {
    version,
    iv,
    contentAlgorithm: algorithm,
  }: Pick<ObjectHeaders, "version" | "iv" | "contentAlgorithm">,
  dataKey: DataKey,
): { readonly content: ContentKey; readonly commitment: Buffer | undefined } {
  if (version === "V3") {
    const { key, commitment } = deriveV3(dataKey, iv);
    return { content: { key, iv: IV_V3, aad: SUITE_ID, algorithm }, commitment };
  }
  const key = dataKey.use((bytes) => createSecretKey(bytes));
  return { content: { key, iv, aad: undefined, algorithm }, commitment: undefined };
}

/** The bytes of plaintext in a body of this length; with CBC at most that many. */
export function plaintextBytes(algorithm: ContentAlgorithm, bodyBytes: number): number {
  if (algorithm === CBC) {
    if (bodyBytes > 0 && bodyBytes % BLOCK_BYTES === 0) return bodyBytes;
    throw truncated(`${bodyBytes} bytes are not whole blocks of AES-CBC`);
  }
  if (bodyBytes >= TAG_BYTES) return bodyBytes - TAG_BYTES;
  throw truncated(`${bodyBytes} bytes do not even hold the tag`);
}

/**
 * Encrypts a source of any length.
 *
 * @yields Ciphertext, and the tag as the last piece.
 */
export async function* seal(
  { key, iv, aad }: ContentKey,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  if (aad !== undefined) cipher.setAAD(aad);
  let length = 0;
  for await (const piece of source) {
    length += piece.length;
    if (length > MAX_PLAINTEXT_BYTES) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_LIMIT",
        `an object of this format holds at most ${MAX_PLAINTEXT_BYTES} bytes`,
      );
    }
    yield* steps(cipher, piece);
  }
  cipher.final();
  yield cipher.getAuthTag();
}

/**
 * Decrypts a body as it arrives.
 *
 * @param length - Bytes of the whole body.
 * @yields Plaintext that **is not authenticated** until the generator has ended without an error.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_DECRYPT` at the end where the content was altered, `ERR_ENVELOPE_TRUNCATED`
 * where the body has another length.
 */
export async function* open(
  { key, iv, aad, algorithm }: ContentKey,
  source: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Buffer, void, undefined> {
  const ciphertextBytes = plaintextBytes(algorithm, length);
  const gcm =
    algorithm === CBC
      ? undefined
      : createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
  if (aad !== undefined) gcm?.setAAD(aad);
  const decipher = gcm ?? createDecipheriv("aes-256-cbc", key, iv);
  const tag = Buffer.alloc(length - ciphertextBytes);
  let at = 0;
  for await (const piece of source) {
    const ciphertext = piece.subarray(0, Math.max(0, ciphertextBytes - at));
    const rest = piece.subarray(ciphertext.length);
    at += piece.length;
    if (at > length) throw wrongLength(length);
    tag.set(rest, Math.max(0, at - rest.length - ciphertextBytes));
    yield* steps(decipher, ciphertext);
  }
  if (at !== length) throw wrongLength(length);
  gcm?.setAuthTag(tag);
  let last: Buffer;
  try {
    last = decipher.final();
  } catch {
    throw new EnvelopeError(
      "ERR_ENVELOPE_DECRYPT",
      "the content does not verify: it was altered, or belongs to other headers. Fetch it again, or restore it from a backup",
    );
  }
  if (last.length > 0) yield last;
}

/**
 * Decrypts a part of the content, by its place in the plaintext.
 *
 * @param source - Ciphertext from `start` on. What follows `end` is dropped.
 * @yields Plaintext of which **nothing is authenticated**.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_TRUNCATED` where the source ends before `end`.
 */
export async function* openPart(
  { key, iv }: ContentKey,
  source: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
): AsyncGenerator<Buffer, void, undefined> {
  // The first block of content has the counter 2: GCM uses 1 for the tag.
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.set(iv);
  counter.writeUInt32BE(2 + Math.floor(start / BLOCK_BYTES), iv.length);
  const decipher = createDecipheriv("aes-256-ctr", key, counter);
  decipher.update(Buffer.alloc(start % BLOCK_BYTES));
  let left = end - start;
  for await (const piece of source) {
    yield* steps(decipher, piece.subarray(0, left));
    left -= Math.min(left, piece.length);
  }
  if (left > 0) throw truncated(`${left} bytes of the range are missing`);
}

/** Reads all pieces into one array. */
export async function wholeOf(source: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** One piece of a source may be as large as memory allows, but a cipher's output is one buffer more. */
const STEP_BYTES = 2 ** 20;

function* steps(cipher: Cipher | Decipher, bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    const out = cipher.update(bytes.subarray(at, at + STEP_BYTES));
    if (out.length > 0) yield out;
  }
}

function wrongLength(length: number): EnvelopeError {
  return truncated(`it has not the announced ${length} bytes`);
}

function truncated(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", `the object's body was cut off: ${problem}`);
}
