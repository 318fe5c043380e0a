/**
 * Rewrap: other wrapped copies of the same data key, in the same message.
 *
 * A header edit. Entries of CMKs that are neither configured nor named in `from` are kept: another
 * reader may depend on them, and nothing here could tell.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { concat, requireBytes, type Bytes } from "./bytes.ts";
import { Cmk } from "./cmk.ts";
import type { RewrapReport } from "./cmk-set.ts";
import type { Context } from "./context.ts";
import {
  bindGiven,
  requireEntries,
  resolveContext,
  resolveEntries,
  type FromHeader,
} from "./decrypting.ts";
import { checkOptions } from "./options.ts";
import { parseHeader } from "./header.ts";
import { encodeKeyBlock, type Entry } from "./key-block.ts";
import { Watch, type Messages } from "./messages.ts";
import type { Wrapping } from "./observer.ts";

export interface RewrapOptions {
  /** As for decrypting. */
  readonly context: Context | FromHeader;
  /** CMKs to leave: they may unwrap, and their entries go. Default: none. */
  readonly from?: readonly Cmk[] | undefined;
  /** The key block, where it is detached. */
  readonly keyBlock?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RewrapResult<T> extends Wrapping {
  /** The message with its new key block; a copy of what was passed where nothing changed. */
  readonly message: T;
  /** The new key block, where it is detached. */
  readonly keyBlock: Bytes | undefined;
  /** `false`: every entry was wrapped by the current version of its CMK. */
  readonly changed: boolean;
  /** Whether the plaintext data key was in this process, or stayed inside the KMS. */
  readonly plaintextSeen: boolean;
  /** What became of each entry. */
  readonly entries: readonly RewrapReport[];
}

const OPTIONS = new Set(["context", "from", "keyBlock", "signal"]);
/** A padded header that must grow goes to the next multiple: a page, and a disk's sector. */
const ALIGNMENT = 4096;

export async function rewrapMessage(
  messages: Messages,
  message: Uint8Array,
  options: RewrapOptions,
): Promise<RewrapResult<Bytes>> {
  requireBytes(message, "message");
  checkOptions(options, OPTIONS);
  const { from = [] } = options;
  if (!Array.isArray(from) || !from.every((cmk) => cmk instanceof Cmk)) {
    throw new TypeError("from must be a list of Cmk");
  }
  messages.requireOpen();
  const watch = new Watch(messages.observer, "rewrap");
  try {
    const header = parseHeader(message);
    const old = requireEntries(resolveEntries(header, options.keyBlock));
    const context = resolveContext(header, bindGiven(options.context, messages.bindContext));
    const { cmks } = messages;
    const outcome = await cmks.rewrap(old, context, from, options.signal);
    const { changed, plaintextSeen, report } = outcome;
    const detached = options.keyBlock !== undefined;
    const oldBlock = options.keyBlock ?? message.subarray(header.keyBlockOffset, header.length);
    const front = detached ? 0 : header.keyBlockOffset;
    const block = changed
      ? replaceKeyBlock(oldBlock, old, outcome.entries, front)
      : new Uint8Array(oldBlock);
    const result = {
      wrapped: outcome.wrapped,
      cmks: cmks.size,
      changed,
      plaintextSeen,
      entries: report,
      keyBlock: detached ? block : undefined,
      message:
        detached || !changed
          ? new Uint8Array(message)
          : concat(message.subarray(0, front), block, message.subarray(header.length)),
    };
    watch.done(0, result);
    return result;
  } catch (error) {
    watch.failed(0, error, options.signal);
    throw error;
  }
}

/** Keeps the length of a padded key block while the new one fits, so that it can be written in place. */
function replaceKeyBlock(
  oldBlock: Uint8Array,
  oldEntries: readonly Entry[],
  entries: readonly Entry[],
  frontBytes: number,
): Bytes {
  const block = encodeKeyBlock(entries);
  if (oldBlock.length === encodeKeyBlock(oldEntries).length) return block;
  if (block.length <= oldBlock.length) return encodeKeyBlock(entries, oldBlock.length);
  const aligned = Math.ceil((frontBytes + block.length) / ALIGNMENT) * ALIGNMENT;
  return encodeKeyBlock(entries, aligned - frontBytes);
}
