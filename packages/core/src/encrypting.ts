/**
 * Starts a message under a data key: header, salt and commitment, and the codec for the chunks.
 *
 * The caller chooses only what a message is bound to, never the salt, the nonce, the data key or the
 * suite.
 *
 * Source: spec/envelope-v1.md#encrypting
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { cryptoBackend } from "./backend.ts";
import { concat, unshared, type Bytes } from "./bytes.ts";
import type { HeldKey } from "./cache.ts";
import type { Aad, BoundContext, Context } from "./context.ts";
import { PREFIX_BYTES, SALT_BYTES, sealedLength } from "./chunks.ts";
import { encodeFront, PREAMBLE_BYTES } from "./header.ts";
import { messageInfo } from "./kdf.ts";
import { encodeKeyBlock, keyBlockLimits } from "./key-block.ts";
import type { Wrapping } from "./observer.ts";
import { checkOptions, requireInteger } from "./options.ts";
import { PayloadCodec } from "./payload.ts";

export interface EncryptOptions {
  /** Says who may open the message and what it is for. Not secret; must be passed again to decrypt. */
  readonly context: Context;
  /**
   * Binds the message to its place; must be passed again to decrypt. It is neither stored nor sent.
   * Default: none.
   */
  readonly aad?: Aad | undefined;
  /**
   * Stores the context in the message, unencrypted, for readers that opt in with `fromHeader`. Default:
   * false.
   */
  readonly storeContext?: boolean | undefined;
  /**
   * Pads the header to a multiple of this many bytes, 1 to 16384, so that a rewrap can replace the
   * key block in place. Default: 1, no padding.
   */
  readonly headerAlignment?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EncryptStreamOptions extends EncryptOptions {
  /**
   * The number of plaintext bytes, if known. It is reserved in the data-key cache at the start and
   * checked at the end, so that a truncated source is not mistaken for a complete one. Default: any
   * number, under a data key that no other message shares.
   */
  readonly plaintextBytes?: number | undefined;
}

/** A started message, and how many CMKs can open it. */
export interface StartedMessage extends Wrapping {
  /** Other messages may share this array. */
  readonly header: Bytes;
  /** Salt and commitment: the first 56 bytes of the payload. */
  readonly prefix: Bytes;
  readonly codec: PayloadCodec;
}

type HeaderOptions = Pick<EncryptOptions, "storeContext" | "headerAlignment">;

const OPTIONS = new Set([
  "context",
  "aad",
  "storeContext",
  "headerAlignment",
  "plaintextBytes",
  "signal",
]);

export function checkEncryptOptions(options: EncryptOptions): void {
  checkOptions(options, OPTIONS);
  const { headerAlignment, storeContext } = options;
  if (headerAlignment !== undefined) {
    requireInteger("headerAlignment", headerAlignment, 1, keyBlockLimits.bytes);
  }
  if (storeContext !== undefined && typeof storeContext !== "boolean") {
    throw new TypeError("storeContext must be a boolean");
  }
}

/** Starts a message under a held data key. Synchronous if the backend is. */
export function startMessage(
  held: HeldKey,
  context: BoundContext,
  aadHash: Bytes,
  options: HeaderOptions,
): Awaitable<StartedMessage> {
  const { header, salt, info } = bindMessage(held, context, aadHash, options);
  return andThen(cryptoBackend().messageKeys(held.inputKey, info), ({ keys, commitment }) => ({
    header,
    prefix: concat(salt, commitment),
    codec: new PayloadCodec(keys),
    ...held.wrapping,
  }));
}

/** Encrypts a whole message under a held data key, into a new array. Synchronous if the backend is. */
export function sealMessage(
  held: HeldKey,
  context: BoundContext,
  aadHash: Bytes,
  options: HeaderOptions,
  plaintext: Uint8Array,
): Awaitable<Bytes> {
  const { header, salt, info } = bindMessage(held, context, aadHash, options);
  const message = new Uint8Array(
    header.length + PREFIX_BYTES + sealedLength(plaintext.length, true),
  );
  message.set(header);
  message.set(salt, header.length);
  const sealed = message.subarray(header.length + SALT_BYTES);
  return andThen(
    cryptoBackend().sealPayload(held.inputKey, info, unshared(plaintext), sealed),
    () => message,
  );
}

/** Chooses the salt of a message, and what its keys are derived from. */
function bindMessage(
  held: HeldKey,
  context: BoundContext,
  aadHash: Bytes,
  options: HeaderOptions,
): { header: Bytes; salt: Bytes; info: Bytes } {
  const header = encodeHeader(held, context, options);
  const salt = cryptoBackend().randomPublic(SALT_BYTES);
  const preamble = header.subarray(0, PREAMBLE_BYTES);
  return { header, salt, info: messageInfo(salt, preamble, held.contextHash, aadHash) };
}

function encodeHeader(
  { header, entries }: HeldKey,
  context: BoundContext,
  { storeContext = false, headerAlignment = 1 }: HeaderOptions,
): Bytes {
  if (!storeContext && header.length % headerAlignment === 0) return header;
  const front = encodeFront(storeContext ? context.bytes : undefined);
  const bytes = front.length + header.length - PREAMBLE_BYTES;
  const aligned = Math.ceil(bytes / headerAlignment) * headerAlignment;
  const keyBlock = encodeKeyBlock(entries, aligned - front.length);
  return concat(front, keyBlock);
}
