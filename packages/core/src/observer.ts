/**
 * Events for logs, metrics and traces. They contain names, sizes, durations and codes, but never
 * plaintext, keys, ciphertext, context values or aad.
 *
 * @module
 */
import { cryptoBackend } from "./backend.ts";
import { isEnvelopeError, type EnvelopeErrorCode } from "./error.ts";

/** One call to a KMS. */
export interface KmsCallEvent {
  readonly type: "kms-call";
  readonly operation: "generate" | "wrap" | "unwrap" | "rewrap" | "matches";
  readonly provider: string;
  /** The key that was called, as configured. */
  readonly keyId: string;
  /** `"ok"`, `"aborted"`, or how the call failed. */
  readonly outcome: "ok" | "aborted" | EnvelopeErrorCode;
  readonly durationMs: number;
}

/**
 * One lookup in the data-key cache: the key was held (`hit`), this caller fetches it (`miss`), it waits
 * for another caller's fetch (`joined`), or a key that is about to expire is being replaced
 * (`refresh`).
 */
export interface CacheEvent {
  readonly type: "cache";
  readonly side: "encrypt" | "decrypt";
  readonly outcome: "hit" | "miss" | "joined" | "refresh";
}

/** How many of the configured CMKs wrapped a data key: fewer than all only if `minWrapped` allows it. */
export interface Wrapping {
  /** CMKs that wrapped. Any one of them opens the message. */
  readonly wrapped: number;
  /** CMKs that are configured. */
  readonly cmks: number;
}

/** One message, read or written. */
export interface EnvelopeMessageEvent extends Partial<Wrapping> {
  readonly type: "encrypt" | "decrypt" | "rewrap";
  /** Plaintext bytes; 0 for a rewrap. For a failed stream, the bytes processed before the failure. */
  readonly bytes: number;
  readonly outcome: "ok" | "aborted" | EnvelopeErrorCode | "error";
  readonly durationMs: number;
  /** The name of the crypto backend at work. */
  readonly crypto: string;
}

export type EnvelopeEvent = KmsCallEvent | CacheEvent | EnvelopeMessageEvent;

/**
 * Called synchronously, on the hot path. Anything it throws is ignored: observing must not change the
 * outcome.
 */
export type Observer = (event: EnvelopeEvent) => void;

export function notify(observer: Observer | undefined, event: EnvelopeEvent): void {
  if (observer === undefined) return;
  try {
    observer(event);
  } catch {
    // Ignored on purpose: see Observer.
  }
}

/** Emits a process warning, if the runtime has those, for something that would otherwise go unnoticed. */
export function warn(code: string, message: string): void {
  const { process } = globalThis as { process?: Partial<Pick<NodeJS.Process, "emitWarning">> };
  process?.emitWarning?.(message, { type: "EnvelopeWarning", code });
}

/** Measures one message and reports it once, whether it succeeds or fails. */
export class Watch {
  readonly #observer: Observer | undefined;
  readonly #type: EnvelopeMessageEvent["type"];
  readonly #started: number;
  #reported = false;

  constructor(observer: Observer | undefined, type: EnvelopeMessageEvent["type"]) {
    this.#observer = observer;
    this.#type = type;
    this.#started = observer === undefined ? 0 : performance.now();
  }

  /** @param wrapping - The result of `startMessage`, for a message that was written. */
  done(bytes: number, wrapping?: Wrapping): void {
    this.#report(bytes, "ok", wrapping);
  }

  failed(bytes: number, error: unknown, signal: AbortSignal | undefined): void {
    const outcome = isEnvelopeError(error) ? error.code : signal?.aborted ? "aborted" : "error";
    this.#report(bytes, outcome);
  }

  #report(bytes: number, outcome: EnvelopeMessageEvent["outcome"], wrapping?: Wrapping): void {
    if (this.#reported || this.#observer === undefined) return;
    this.#reported = true;
    const durationMs = performance.now() - this.#started;
    notify(this.#observer, {
      type: this.#type,
      bytes,
      outcome,
      durationMs,
      crypto: cryptoBackend().name,
      ...(wrapping && { wrapped: wrapping.wrapped, cmks: wrapping.cmks }),
    });
  }
}
