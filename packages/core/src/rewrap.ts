/**
 * Rewrap: replaces the wrapped copies of the data key in a message.
 *
 * Only the header changes. Entries of CMKs that are neither configured nor named in `from` are kept:
 * another reader may depend on them, and this code cannot know.
 *
 * Source: spec/envelope-v1.md#rewrap
 *
 * @module
 */
import { concat, requireBytes, type Bytes } from "./bytes.ts";
import { Cmk } from "./cmk.ts";
import type { RewrapReport } from "./rewrap-entries.ts";
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
import type { KeySource } from "./key-source.ts";
import { Watch, type Wrapping } from "./observer.ts";

export interface RewrapOptions {
  /** The same context as for decryption. */
  readonly context: Context | FromHeader;
  /** CMKs to retire: they may be used to unwrap, and their entries are removed. Default: none. */
  readonly from?: readonly Cmk[] | undefined;
  /** The key block, if it is detached. */
  readonly keyBlock?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RewrapResult<T> extends Wrapping {
  /** The message with its new key block, or a copy of the original if nothing changed. */
  readonly message: T;
  /** The new key block, if it is detached. */
  readonly keyBlock: Bytes | undefined;
  /** `false`: every entry was already wrapped by the current version of its CMK. */
  readonly changed: boolean;
  /** Whether the plaintext data key was in this process. If `false`, it never left the KMS. */
  readonly plaintextSeen: boolean;
  /** The result for each entry. */
  readonly entries: readonly RewrapReport[];
}

const OPTIONS = new Set(["context", "from", "keyBlock", "signal"]);
/**
 * A padded header that must grow is extended to the next multiple of this, the size of a page and of a
 * disk sector.
 */
const ALIGNMENT = 4096;

export async function rewrapMessage(
  keys: KeySource,
  message: Uint8Array,
  options: RewrapOptions,
): Promise<RewrapResult<Bytes>> {
  requireBytes(message, "message");
  checkOptions(options, OPTIONS);
  const { from = [] } = options;
  if (!Array.isArray(from) || !from.every((cmk) => cmk instanceof Cmk)) {
    throw new TypeError("from must be a list of Cmk");
  }
  keys.requireOpen();
  const watch = new Watch(keys.observer, "rewrap");
  try {
    const header = parseHeader(message);
    const old = requireEntries(resolveEntries(header, options.keyBlock));
    const context = resolveContext(header, bindGiven(options.context, keys.bindContext));
    const { cmks } = keys;
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

/** Keeps the length of a padded key block if the new one fits, so that it can be written in place. */
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
