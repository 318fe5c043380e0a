/**
 * What several CMKs answered, as one error: which code it has, and what it tells about each of them.
 *
 * Source: spec/envelope-v1.md#decrypting
 *
 * @module
 */
import type { CmkCalls } from "./cmk-calls.ts";
import { EnvelopeError, factsOf, isEnvelopeError, type Attempt } from "./error.ts";
import type { Entry } from "./key-block.ts";

/** The answers of the CMKs while they are tried for one data key. */
export class Attempts {
  readonly #failed: Attempt[] = [];
  readonly #hints: string[] = [];
  #current: { provider: string; keyId: string } | undefined;
  #cause: unknown;

  /** Runs one attempt. Returns its result, or `undefined` after recording a failure. */
  async run<T>(fn: () => Promise<T | undefined>): Promise<T | undefined> {
    this.#current = undefined;
    try {
      const result = await fn();
      // Unwrapped, but the commitment does not match: another message's key, or a different context or
      // aad.
      if (result === undefined && this.#current !== undefined) this.#note("ERR_ENVELOPE_DECRYPT");
      return result;
    } catch (error) {
      if (!isEnvelopeError(error) || !isAttempt(error)) throw error;
      if (error.attempts.length > 0) this.#failed.push(...error.attempts);
      else this.#note(error.code);
      this.#cause ??= error.cause ?? error;
      return undefined;
    }
  }

  /** Names the entry that the current attempt is about. */
  called({ entry: { provider, keyId } }: { readonly entry: Entry }): void {
    this.#current = { provider, keyId };
  }

  /** Notes a CMK that could not say which entry is its own. */
  unresolved(cmk: CmkCalls, error: EnvelopeError): void {
    this.#hints.push(
      `${cmk.provider} ${cmk.keyId} could not be resolved (${error.code}): name the canonical key id in alsoUnwrap`,
    );
  }

  #note(code: Attempt["code"]): void {
    if (this.#current !== undefined) this.#failed.push({ ...this.#current, code });
  }

  /** Returns the error for a message with these entries, which no CMK opened. */
  outcome(entries: readonly Entry[]): EnvelopeError {
    const attempts = this.#failed;
    if (attempts.length === 0) {
      const labels = entries.map(({ provider, keyId }) => `${provider} ${keyId}`).join(", ");
      const hints = this.#hints.map((hint) => `; ${hint}`).join("");
      return new EnvelopeError(
        "ERR_ENVELOPE_NO_KEY",
        `none of the configured CMKs can open this message; it names ${labels}${hints}`,
      );
    }
    const code =
      outcomeOf(attempts) ??
      (attempts.some(isUnusable) ? "ERR_ENVELOPE_KEY_UNUSABLE" : "ERR_ENVELOPE_DECRYPT");
    return new EnvelopeError(code, describe(code, attempts), { attempts, cause: this.#cause });
  }
}

/** Whether an error came from a KMS, so that the next CMK may be tried. */
export function isAttempt({ code }: EnvelopeError): boolean {
  return code.startsWith("ERR_ENVELOPE_KMS_") || code === "ERR_ENVELOPE_DRIVER";
}

/**
 * The most severe failure, ordered by what the caller can do about it: wait, ask for access, look at
 * `cause`.
 */
function outcomeOf(attempts: readonly Attempt[]): EnvelopeError["code"] | undefined {
  const codes = attempts.map(({ code }) => code);
  if (codes.some((code) => factsOf(code)?.retryable)) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  const denied = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
  if (codes.includes(denied)) return denied;
  const failed = "ERR_ENVELOPE_KMS_ERROR";
  return codes.includes(failed) || codes.includes("ERR_ENVELOPE_DRIVER") ? failed : undefined;
}

/** Whether the CMK was disabled, pending deletion or gone. */
function isUnusable({ code }: Attempt): boolean {
  return code === "ERR_ENVELOPE_KMS_KEY_STATE" || code === "ERR_ENVELOPE_KMS_KEY_NOT_FOUND";
}

/** Combines several failed wraps into one error, with all attempts and the code of the most severe. */
export function summary(failures: readonly EnvelopeError[]): EnvelopeError {
  const [first] = failures;
  if (first !== undefined && failures.length === 1) return first;
  const attempts = failures.flatMap((failure) => failure.attempts);
  const code = outcomeOf(attempts) ?? first?.code ?? "ERR_ENVELOPE_KMS_ERROR";
  return new EnvelopeError(code, describe(code, attempts), { attempts, cause: first?.cause });
}

function describe(code: EnvelopeError["code"], attempts: readonly Attempt[]): string {
  const lines = attempts.map(({ provider, keyId, code: each }) => `${provider} ${keyId}: ${each}`);
  return `${factsOf(code)?.meaning ?? code} (${lines.join("; ")})`;
}
