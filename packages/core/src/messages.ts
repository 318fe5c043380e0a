/**
 * What an `Envelope` is made of: its CMKs, its data-key cache and its observer, put together to start
 * messages and to open them. Everything that reads or writes a message comes through here.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import {
  DecryptionKeys,
  EncryptionKeys,
  type DataKeyCacheOptions,
  type HeldKey,
  type Lease,
} from "./cache.ts";
import type { CmkSet } from "./cmk-set.ts";
import { rememberContexts, type bindContext, type BoundContext } from "./context.ts";
import { andThen, type Awaitable } from "./crypto.ts";
import { fitTo, requireEntries, type DecryptOptions } from "./decrypting.ts";
import { startMessage, type EncryptOptions, type MessageStart } from "./encrypting.ts";
import { isEnvelopeError } from "./error.ts";
import { rememberHeader, type parseHeader } from "./header.ts";
import { hashAad } from "./kdf.ts";
import type { Entry } from "./key-block.ts";
import { notify, type MessageEvent, type Observer } from "./observer.ts";
import type { PayloadCodec } from "./payload.ts";

/** A started message, and the account of its data key. */
export interface StartedMessage extends MessageStart {
  /** Counts plaintext that was not known at the start, before it is sealed. */
  readonly spend: (bytes: number) => void;
}

export class Messages {
  readonly cmks: CmkSet;
  readonly observer: Observer | undefined;
  readonly cacheLimits: DataKeyCacheOptions | undefined;
  readonly bindContext: typeof bindContext = rememberContexts();
  readonly parseHeader: typeof parseHeader = rememberHeader();
  readonly #encryption: EncryptionKeys | undefined;
  readonly #decryption: DecryptionKeys | undefined;

  constructor(
    cmks: CmkSet,
    cacheLimits: DataKeyCacheOptions | undefined,
    observer: Observer | undefined,
  ) {
    this.cmks = cmks;
    this.observer = observer;
    this.cacheLimits = cacheLimits;
    if (cacheLimits === undefined) return;
    this.#encryption = new EncryptionKeys(cacheLimits, observer);
    this.#decryption = new DecryptionKeys(cacheLimits, observer);
  }

  /**
   * Starts a message of `bytes` of plaintext, `undefined` where that is not known yet. Answers at once
   * where a data key is held and the backend is synchronous.
   */
  start(options: EncryptOptions, bytes: number | undefined): Awaitable<StartedMessage> {
    const context = this.bindContext(options.context);
    const hashing = hashAad(options.aad); // Now: the caller may change its bytes while the KMS is called.
    return andThen(this.#lease(context, bytes, options.signal), (lease) =>
      andThen(hashing, (aadHash) =>
        andThen(startMessage(lease.held, context, aadHash, options), (start) => ({
          ...start,
          spend: (more: number) => lease.spend(more),
        })),
      ),
    );
  }

  /**
   * Unwraps the data key of a message and checks that it is its own. Answers at once where it is held
   * and the backend is synchronous.
   *
   * @param prefix - The first 56 bytes of the payload.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_NO_KEY`, `ERR_ENVELOPE_DECRYPT`, `ERR_ENVELOPE_KMS_UNAVAILABLE`,
   * `ERR_ENVELOPE_KMS_ACCESS_DENIED`, `ERR_ENVELOPE_KMS_ERROR`.
   */
  open(
    preamble: Bytes,
    prefix: Uint8Array,
    entries: readonly Entry[] | undefined,
    context: BoundContext,
    options: Pick<DecryptOptions, "aad" | "signal">,
  ): Awaitable<PayloadCodec> {
    const candidates = requireEntries(entries);
    return andThen(fitTo(preamble, prefix, context, options.aad), (fit) =>
      this.cmks.unwrap(candidates, context, this.#decryption, fit, options.signal),
    );
  }

  /** Forgets all held data keys. */
  clear(): void {
    this.#encryption?.clear();
    this.#decryption?.clear();
  }

  #lease(
    context: BoundContext,
    bytes: number | undefined,
    signal: AbortSignal | undefined,
  ): Awaitable<Lease> {
    const make = (inner: AbortSignal | undefined): Promise<HeldKey> =>
      this.cmks.newKey(context, inner);
    const cache = this.#encryption;
    if (cache !== undefined && cache.admits(bytes ?? 0)) {
      return cache.lease(context.name, bytes ?? 0, make, signal);
    }
    return make(signal).then((held) => ({ held, spend: () => undefined }));
  }
}

/** Measures one message and reports it once, whatever becomes of it. */
export class Watch {
  readonly #observer: Observer | undefined;
  readonly #type: MessageEvent["type"];
  readonly #started: number;
  #reported = false;

  constructor(observer: Observer | undefined, type: MessageEvent["type"]) {
    this.#observer = observer;
    this.#type = type;
    this.#started = observer === undefined ? 0 : performance.now();
  }

  done(bytes: number): void {
    this.#report(bytes, "ok");
  }

  failed(bytes: number, error: unknown, signal: AbortSignal | undefined): void {
    const outcome = isEnvelopeError(error) ? error.code : signal?.aborted ? "aborted" : "error";
    this.#report(bytes, outcome);
  }

  #report(bytes: number, outcome: MessageEvent["outcome"]): void {
    if (this.#reported || this.#observer === undefined) return;
    this.#reported = true;
    const durationMs = performance.now() - this.#started;
    notify(this.#observer, { type: this.#type, bytes, outcome, durationMs });
  }
}
