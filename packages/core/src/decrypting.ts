/**
 * Checks what a reader passes against the header of a message: the context, the key block, and what the
 * keys of the message are derived from.
 *
 * The specification prescribes the order of the steps: whatever can be refused without a KMS is refused
 * before one is called, and no chunk is decrypted before the commitment has matched.
 *
 * Source: spec/envelope-v1.md#decrypting
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { compareBytes, requireBytes, type Bytes } from "./bytes.ts";
import { SALT_BYTES } from "./chunks.ts";
import { bindContext, BoundContext, type Aad, type Context } from "./context.ts";
import { EnvelopeError } from "./error.ts";
import type { Header } from "./header.ts";
import { hashAad, hashContext, messageInfo } from "./kdf.ts";
import { decodeKeyBlock, type Entry } from "./key-block.ts";
import { checkOptions } from "./options.ts";

const fromHeaderBrand: unique symbol = Symbol("fromHeader");

/** A reader's consent to the stored context, created by {@link fromHeader}. */
export interface FromHeader {
  readonly [fromHeaderBrand]: true;
  readonly require: Context;
}

/**
 * Lets a reader use the context that is stored in the message. Whoever wrote the message chose that
 * context, so the reader names the pairs that it requires.
 *
 * @param options.require - Each of these pairs must be stored with an equal value. `{}` requires
 * nothing: the reader then accepts everything that its CMKs may unwrap.
 */
export function fromHeader(options: { readonly require: Context }): FromHeader {
  checkOptions(options, new Set(["require"]));
  return { [fromHeaderBrand]: true, require: bindContext(options.require).map };
}

export interface DecryptOptions {
  /** The same pairs that the message was encrypted with, or {@link fromHeader}. */
  readonly context: Context | FromHeader;
  /** The aad the message was encrypted with. Default: none. */
  readonly aad?: Aad | undefined;
  /** The key block, if it is detached. */
  readonly keyBlock?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "aad", "keyBlock", "signal"]);

/** The context that a reader passed, after checks. */
export type GivenContext = BoundContext | FromHeader;

type BindContext = typeof bindContext;

/** Checks everything that can be checked without a message. Returns the context for {@link resolveContext}. */
export function bindDecryptOptions(options: DecryptOptions, toBound: BindContext): GivenContext {
  checkOptions(options, OPTIONS);
  return bindGiven(options.context, toBound);
}

/** @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT` for a malformed map. */
export function bindGiven(given: Context | FromHeader, toBound: BindContext): GivenContext {
  return isFromHeader(given) ? given : toBound(given);
}

/**
 * Returns the context to unwrap with.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT` for `fromHeader` if no context is
 * stored; `ERR_ENVELOPE_DECRYPT` if the map differs from the stored context.
 */
export function resolveContext(header: Header, given: GivenContext): BoundContext {
  const { storedContext, storedContextBytes } = header;
  if (given instanceof BoundContext) {
    if (storedContextBytes !== undefined && compareBytes(storedContextBytes, given.bytes) !== 0) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_DECRYPT",
        "the context is not the one stored in the message",
      );
    }
    return given;
  }
  if (storedContext === undefined || storedContextBytes === undefined) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_INVALID_CONTEXT",
      "the message stores no context: pass the map it was encrypted with instead of fromHeader",
    );
  }
  for (const [key, value] of Object.entries(given.require)) {
    if (storedContext[key] !== value) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_DECRYPT",
        `the stored context does not have the required value of ${JSON.stringify(key)}`,
      );
    }
  }
  return new BoundContext(storedContext, storedContextBytes);
}

/**
 * Returns the entries to choose from: the message's own, or those of the detached key block.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` if both exist or the block is malformed; {@link
 * requireEntries} throws `ERR_ENVELOPE_NO_KEY` if neither exists.
 */
export function resolveEntries(
  header: Header,
  keyBlock: Uint8Array | undefined,
): readonly Entry[] | undefined {
  if (keyBlock === undefined) return header.entries;
  requireBytes(keyBlock, "keyBlock");
  if (header.entries !== undefined) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_FORMAT",
      "a key block was passed, but the message has its own",
    );
  }
  return decodeKeyBlock(keyBlock);
}

export function requireEntries(entries: readonly Entry[] | undefined): readonly Entry[] {
  if (entries === undefined) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_NO_KEY",
      "the message's key block is stored elsewhere: pass it as `keyBlock`",
    );
  }
  return entries;
}

/**
 * Returns what the keys of a message are derived from.
 *
 * @param payload - Its beginning, with the salt.
 */
export function bindPayload(
  preamble: Uint8Array,
  payload: Uint8Array,
  context: BoundContext,
  aad: Aad | undefined,
): Awaitable<Bytes> {
  return andThen(hashContext(context), (contextHash) =>
    andThen(hashAad(aad), (aadHash) =>
      messageInfo(payload.subarray(0, SALT_BYTES), preamble, contextHash, aadHash),
    ),
  );
}

function isFromHeader(context: Context | FromHeader): context is FromHeader {
  return typeof context === "object" && context !== null && fromHeaderBrand in context;
}
