/**
 * Events for logs, metrics and traces. They hold names, sizes, durations and codes; never plaintext,
 * keys, ciphertext, context values or aad.
 *
 * @module
 */
import type { EnvelopeErrorCode } from "./error.ts";

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

/** One look into the data-key cache. A `refresh` replaces a key that is about to expire. */
export interface CacheEvent {
  readonly type: "cache";
  readonly side: "encrypt" | "decrypt";
  readonly outcome: "hit" | "miss" | "refresh";
}

/** One message, read or written. */
export interface MessageEvent {
  readonly type: "encrypt" | "decrypt" | "rewrap";
  /** Plaintext bytes; 0 for a rewrap. Where a stream failed, those that had passed. */
  readonly bytes: number;
  readonly outcome: "ok" | "aborted" | EnvelopeErrorCode | "error";
  readonly durationMs: number;
}

export type EnvelopeEvent = KmsCallEvent | CacheEvent | MessageEvent;

/** Called synchronously, on the hot path. What it throws is dropped: watching must not change the outcome. */
export type Observer = (event: EnvelopeEvent) => void;

export function notify(observer: Observer | undefined, event: EnvelopeEvent): void {
  if (observer === undefined) return;
  try {
    observer(event);
  } catch {
    // See Observer.
  }
}
