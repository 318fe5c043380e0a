/**
 * Many messages at once, such as the rows of a result: one KMS call per data key that is not held, and few
 * calls to the crypto backend.
 *
 * @module
 */
import { andThen, type Awaitable } from "./awaitable.ts";
import { requireBytes, type Bytes } from "./bytes.ts";
import { plaintextLength } from "./chunks.ts";
import type { Aad, BoundContext, Context } from "./context.ts";
import { OTHER_KEY } from "./crypto-backend.ts";
import {
  bindGiven,
  bindPayload,
  requireEntries,
  resolveContext,
  resolveEntries,
  type FromHeader,
  type GivenContext,
} from "./decrypting.ts";
import { keysOf, type Envelope } from "./envelope.ts";
import { isEnvelopeError } from "./error.ts";
import { nameOfEntries, type Entry } from "./key-block.ts";
import type { KeySource } from "./key-source.ts";
import { Watch } from "./observer.ts";
import { openPayloads, type BoundPayload } from "./many-payloads.ts";
import { checkOptions } from "./options.ts";
import { badChunk } from "./payload.ts";
import { readText } from "./text.ts";

/** One of many messages. */
export interface MessageToDecrypt {
  /** The message as bytes or in its text form. Borrowed until the promise settles. */
  readonly message: Uint8Array | string;
  /** The aad the message was encrypted with. Default: none. */
  readonly aad?: Aad | undefined;
  /** The key block, if it is detached. */
  readonly keyBlock?: Uint8Array | undefined;
}

export interface DecryptManyOptions {
  /** The context of all messages, or `fromHeader`. */
  readonly context: Context | FromHeader;
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = new Set(["context", "signal"]);
const MEMBERS = new Set(["message", "aad", "keyBlock"]);
/** The number of concurrent unwraps. */
const PARALLEL = 16;

/** A message that is still to be opened. */
interface Pending extends BoundPayload {
  readonly at: number;
  readonly watch: Watch;
}

/** Messages with the same wrapped data key and context. */
interface Group {
  readonly entries: readonly Entry[];
  readonly context: BoundContext;
  readonly messages: Pending[];
}

/** The messages of each wrapped data key. */
class Groups {
  readonly #byName = new Map<string, Group>();
  /** Successive messages tend to have one header, which {@link KeySource} remembers. */
  #last: Group | undefined;

  of(entries: readonly Entry[], context: BoundContext): Group {
    if (this.#last?.entries !== entries || this.#last.context !== context) {
      const name = `${context.name} ${nameOfEntries(entries)}`;
      this.#last = this.#byName.get(name) ?? { entries, context, messages: [] };
      this.#byName.set(name, this.#last);
    }
    return this.#last;
  }

  all(): Group[] {
    return [...this.#byName.values()];
  }
}

/**
 * Decrypts many messages. What fails does so alone, since one damaged row must not hide the others: the results
 * are those that `Promise.allSettled` would have for a call of `decrypt` per message.
 *
 * @returns One result per message, in the same order. A `value` is a new array; a `reason` is what
 * `Envelope.decrypt` throws, and messages that share a data key may share it.
 * @throws TypeError for misuse; the signal's reason; {@link EnvelopeError} `ERR_ENVELOPE_CLOSED`,
 * `ERR_ENVELOPE_INVALID_CONTEXT` for a malformed context.
 *
 * @example
 * ```ts
 * const results = await decryptMany(
 *   envelope,
 *   rows.map(({ id, pan }) => ({ message: pan, aad: { table: "cards", id } })),
 *   { context: { tenant: "acme" } },
 * );
 * ```
 */
export async function decryptMany(
  envelope: Envelope,
  messages: readonly MessageToDecrypt[],
  options: DecryptManyOptions,
): Promise<PromiseSettledResult<Bytes>[]> {
  const keys = keysOf(envelope);
  keys.requireOpen();
  checkOptions(options, OPTIONS);
  const given = bindGiven(options.context, keys.bindContext);
  options.signal?.throwIfAborted();
  const results: PromiseSettledResult<Bytes>[] = [];
  const groups = new Groups();
  for (const [at, message] of messages.entries()) {
    checkOptions(message, MEMBERS, `message ${at}`);
    const place = { at, watch: new Watch(keys.observer, "decrypt") };
    try {
      const adding = addTo(groups, keys, message, given, place);
      if (adding instanceof Promise) await adding;
    } catch (error) {
      fail(results, place, error, options.signal);
    }
  }
  const queue = groups.all();
  const worker = async (): Promise<void> => {
    for (let group = queue.pop(); group !== undefined; group = queue.pop()) {
      await openGroup(keys, group, results, options.signal);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  options.signal?.throwIfAborted();
  return results;
}

/** Reads what can be read without a data key, and adds the message to those with the same one. */
function addTo(
  groups: Groups,
  keys: KeySource,
  { message, aad, keyBlock }: MessageToDecrypt,
  given: GivenContext,
  place: Pick<Pending, "at" | "watch">,
): Awaitable<void> {
  const bytes = typeof message === "string" ? readText(message) : message;
  requireBytes(bytes, "message");
  const header = keys.parseHeader(bytes);
  const entries = requireEntries(resolveEntries(header, keyBlock));
  const context = resolveContext(header, given);
  const payload = bytes.subarray(header.length);
  plaintextLength(payload.length);
  const { messages } = groups.of(entries, context);
  return andThen(bindPayload(header.preamble, payload, context, aad), (info) => {
    messages.push({ ...place, info, payload });
  });
}

/**
 * Opens messages until none is left. A data key that fits some of them may not fit others: then the CMKs are tried
 * again for those, and at the latest when none of their keys fits, all that are left have failed.
 */
async function openGroup(
  keys: KeySource,
  { entries, context, messages }: Group,
  results: PromiseSettledResult<Bytes>[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let left: readonly Pending[] = messages;
  while (left.length > 0) {
    const tried = left;
    try {
      const opened = await keys.unwrap(entries, context, signal, async (inputKey) => {
        const outcomes = await openPayloads(inputKey, tried);
        return outcomes.every((outcome) => outcome === OTHER_KEY) ? undefined : outcomes;
      });
      left = tried.filter((message, i) => {
        const outcome = opened[i] ?? OTHER_KEY;
        if (outcome === OTHER_KEY) return true;
        if (typeof outcome === "number") fail(results, message, badChunk(outcome), signal);
        else {
          results[message.at] = { status: "fulfilled", value: outcome };
          message.watch.done(outcome.length);
        }
        return false;
      });
    } catch (error) {
      for (const message of tried) fail(results, message, error, signal);
      return;
    }
  }
}

/** Records the failure of one message. Misuse, an abort and a closed envelope end the whole call. */
function fail(
  results: PromiseSettledResult<Bytes>[],
  { at, watch }: Pick<Pending, "at" | "watch">,
  error: unknown,
  signal: AbortSignal | undefined,
): void {
  watch.failed(0, error, signal);
  if (!isEnvelopeError(error) || error.code === "ERR_ENVELOPE_CLOSED") throw error;
  results[at] = { status: "rejected", reason: error };
}
