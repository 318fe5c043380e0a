/**
 * The CMKs of one `Envelope`, in the application's order: wrap with all, unwrap with any.
 *
 * This is where one data key meets many KMSs: who is called, in which order, how often, and what is
 * said when none of them answers. A message only ever selects among the CMKs configured here.
 *
 * Source: spec/envelope-v1.md#encrypting, #decrypting, #rewrap
 *
 * @module
 */
import { backend } from "#crypto";
import { byteName, concat } from "./bytes.ts";
import type { Cmk } from "./cmk.ts";
import type { BoundContext } from "./context.ts";
import { andThen, type Awaitable, type HmacKey } from "./crypto.ts";
import type { DecryptionKeys, HeldKey } from "./cache.ts";
import type { DataKey } from "./data-key.ts";
import { EnvelopeError, errorFacts, isEnvelopeError, type Attempt } from "./error.ts";
import { encodeFront } from "./header.ts";
import { hashContext } from "./kdf.ts";
import { encodeKeyBlock, keyBlockLimits, type Entry } from "./key-block.ts";
import type { Observer } from "./observer.ts";

export interface CmkSetOptions {
  readonly cmks: readonly Cmk[];
  readonly minWrapped: number;
  readonly observer: Observer | undefined;
}

export class CmkSet {
  readonly #cmks: readonly Cmk[];
  readonly #minWrapped: number;
  readonly #observer: Observer | undefined;
  #last: { entries: readonly Entry[]; context: BoundContext; names: readonly string[] } | undefined;

  constructor({ cmks, minWrapped, observer }: CmkSetOptions) {
    this.#cmks = cmks;
    this.#minWrapped = minWrapped;
    this.#observer = observer;
  }

  /** Closes all CMKs. */
  async close(): Promise<void> {
    await Promise.all(this.#cmks.map((cmk) => cmk.close()));
  }

  /** A new data key, wrapped by all CMKs, or by at least `minWrapped` of them. */
  async newKey(context: BoundContext, signal: AbortSignal | undefined): Promise<HeldKey> {
    const { dataKey, entries } = await this.#wrapNew(context, signal);
    try {
      return {
        inputKey: await dataKey.use((bytes) => backend.hmacKey(bytes)),
        entries,
        header: concat(encodeFront(undefined), encodeKeyBlock(entries)),
        contextHash: await hashContext(context),
      };
    } finally {
      dataKey[Symbol.dispose]();
    }
  }

  /**
   * The first unwrapped data key that `fits`, CMK by CMK, at most one unwrap each. Keys unwrapped
   * lately come first where there is a cache: they cost no call.
   *
   * @param fits - Derives from the key and compares the commitment; gives what to return.
   */
  unwrap<T>(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
    fits: Fits<T>,
    signal: AbortSignal | undefined,
  ): Awaitable<T> {
    const held = this.findHeld(entries, context, cache);
    return firstThatFits(held, fits, () =>
      this.#unwrapByCall(entries, context, cache, fits, signal),
    );
  }

  async #unwrapByCall<T>(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
    fits: Fits<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const tries = new Tries();
    for (const [index, cmk] of this.#cmks.entries()) {
      const found = await tries.run(async () => {
        const entry = await this.#select(cmk, entries, signal, tries);
        if (entry === undefined) return undefined;
        tries.called(cmk, entry);
        const inputKey = await this.#inputKey(index, entry, context, cache, signal);
        return fits(inputKey);
      });
      if (found !== undefined) return found;
    }
    throw tries.outcome(entries);
  }

  /** The held keys that belong to these entries, in the order of the CMKs. */
  findHeld(
    entries: readonly Entry[],
    context: BoundContext,
    cache: DecryptionKeys | undefined,
  ): HmacKey[] {
    const held: HmacKey[] = [];
    if (cache === undefined) return held;
    for (const name of this.#cacheKeys(entries, context)) {
      const inputKey = cache.get(name);
      if (inputKey !== undefined) held.push(inputKey);
    }
    return held;
  }

  /** Message after message asks for those of one header and context: they are kept. */
  #cacheKeys(entries: readonly Entry[], context: BoundContext): readonly string[] {
    if (this.#last?.entries !== entries || this.#last.context !== context) {
      const names = [...this.#cmks.keys()].flatMap((index) =>
        entries.map((entry) => cacheKey(index, entry, context)),
      );
      this.#last = { entries, context, names };
    }
    return this.#last.names;
  }

  /**
   * Replaces entries: those of the configured CMKs are wrapped anew and missing ones are added; those
   * of `from` serve to unwrap and go; all others stay as they are.
   */
  async rewrap(
    entries: readonly Entry[],
    context: BoundContext,
    from: readonly Cmk[],
    signal: AbortSignal | undefined,
  ): Promise<RewrapOutcome> {
    const options = { context: context.map, signal, observer: this.#observer };
    const rest = new Set(entries);
    const made: Entry[] = [];
    const report: RewrapReport[] = [];
    const missing: Cmk[] = [];
    let plaintextSeen = false;
    for (const cmk of this.#cmks) {
      const own = await selectAll(cmk, rest, signal, this.#observer);
      if (own.length === 0) missing.push(cmk);
      else {
        let tries = 0;
        const result = await firstOf(own, (entry) => {
          tries++;
          return cmk.rewrapEntry(entry, options);
        });
        made.push(result.entry);
        // Of one that failed nobody knows how far it came.
        plaintextSeen ||= result.plaintextSeen || tries > 1;
        report.push(row(result.entry, result.changed ? "rewrapped" : "current", result));
      }
      for (const entry of own) rest.delete(entry);
    }
    for (const cmk of from) {
      for (const entry of await selectAll(cmk, rest, signal, this.#observer)) {
        rest.delete(entry);
        report.push(row(entry, "removed"));
      }
    }
    if (missing.length > 0) {
      plaintextSeen = true;
      const dataKey = await this.#unwrapAny(entries, context, from, signal);
      try {
        for (const cmk of missing) {
          const { entry, keyVersion } = await cmk.wrapVerified(dataKey, options);
          made.push(entry);
          report.push(row(entry, "added", { keyVersion }));
        }
      } finally {
        dataKey[Symbol.dispose]();
      }
    }
    for (const entry of rest) report.push(row(entry, "kept"));
    const result = [...made, ...rest];
    requireDistinct(result);
    if (result.length > keyBlockLimits.entries) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_LIMIT",
        `${result.length} entries, at most 16 are allowed`,
      );
    }
    const changed = report.some(({ action }) => action !== "current" && action !== "kept");
    return { entries: result, changed, plaintextSeen, report };
  }

  async #wrapNew(
    context: BoundContext,
    signal: AbortSignal | undefined,
  ): Promise<{ dataKey: DataKey; entries: Entry[] }> {
    const options = { context: context.map, signal, observer: this.#observer };
    const failures: EnvelopeError[] = [];
    const note = (error: unknown): void => {
      if (!isEnvelopeError(error)) throw error; // The caller's abort.
      failures.push(error);
    };
    const requireEnough = (): void => {
      if (this.#cmks.length - failures.length < this.#minWrapped) throw summary(failures);
    };
    for (const [index, cmk] of this.#cmks.entries()) {
      const made = await cmk.generateDataKey(options).catch(note);
      requireEnough();
      if (!made) continue;
      try {
        const others = this.#cmks.slice(index + 1);
        const wraps = await Promise.allSettled(
          others.map((other) => other.wrapDataKey(made.dataKey, options)),
        );
        const entries = [made.entry];
        for (const wrap of wraps) {
          if (wrap.status === "fulfilled") entries.push(wrap.value.entry);
          else note(wrap.reason);
        }
        requireEnough(); // Once all are known: the error names each that failed.
        requireDistinct(entries);
        return { dataKey: made.dataKey, entries };
      } catch (error) {
        made.dataKey[Symbol.dispose]();
        throw error;
      }
    }
    throw summary(failures);
  }

  /** For rewrap: by any CMK, the configured ones first. */
  async #unwrapAny(
    entries: readonly Entry[],
    context: BoundContext,
    from: readonly Cmk[],
    signal: AbortSignal | undefined,
  ): Promise<DataKey> {
    const options = { context: context.map, signal, observer: this.#observer };
    const tries = new Tries();
    for (const cmk of [...this.#cmks, ...from]) {
      const dataKey = await tries.run(async () => {
        const entry = await this.#select(cmk, entries, signal, tries);
        if (entry === undefined) return undefined;
        tries.called(cmk, entry);
        return cmk.unwrapDataKey(entry, options);
      });
      if (dataKey !== undefined) return dataKey;
    }
    throw tries.outcome(entries);
  }

  async #inputKey(
    index: number,
    entry: Entry,
    context: BoundContext,
    cache: DecryptionKeys | undefined,
    signal: AbortSignal | undefined,
  ): Promise<HmacKey> {
    const unwrap = async (inner: AbortSignal | undefined): Promise<HmacKey> => {
      const cmk = this.#cmks[index];
      if (cmk === undefined) throw new RangeError("no such CMK");
      const dataKey = await cmk.unwrapDataKey(entry, {
        context: context.map,
        signal: inner,
        observer: this.#observer,
      });
      // Not `using`: for Node 22 the compiler would lower it to 2 kB of its own.
      try {
        return await dataKey.use((bytes) => backend.hmacKey(bytes));
      } finally {
        dataKey[Symbol.dispose]();
      }
    };
    return cache === undefined
      ? unwrap(signal)
      : cache.fetch(cacheKey(index, entry, context), unwrap, signal);
  }

  /** A denied question for the canonical id is no attempt to unwrap: the message gets a hint instead. */
  async #select(
    cmk: Cmk,
    entries: readonly Entry[],
    signal: AbortSignal | undefined,
    tries: Tries,
  ): Promise<Entry | undefined> {
    try {
      return await select(cmk, entries, signal, this.#observer);
    } catch (error) {
      if (!isEnvelopeError(error) || !isAttempt(error) || error.retryable) throw error;
      tries.unresolved(cmk, error);
      return undefined;
    }
  }
}

/** What became of the entries of one message. */
export interface RewrapReport {
  readonly provider: string;
  readonly keyId: string;
  /** `current`: wrapped by the key's current version before; `kept`: of a CMK that is not configured. */
  readonly action: "rewrapped" | "current" | "added" | "removed" | "kept";
  /** Which version had wrapped the data key before, where the KMS tells. */
  readonly fromVersion: string | undefined;
  /** Which version wraps it now, where the KMS tells. */
  readonly keyVersion: string | undefined;
}

interface RewrapOutcome {
  readonly entries: readonly Entry[];
  readonly changed: boolean;
  readonly plaintextSeen: boolean;
  readonly report: readonly RewrapReport[];
}

/** Gives what is wanted of a data key, or `undefined` where it is not the message's. */
type Fits<T> = (inputKey: HmacKey) => Awaitable<T | undefined>;

function firstThatFits<T>(
  [first, ...others]: readonly HmacKey[],
  fits: Fits<T>,
  otherwise: () => Promise<T>,
): Awaitable<T> {
  if (first === undefined) return otherwise();
  return andThen(fits(first), (found) => found ?? firstThatFits(others, fits, otherwise));
}

function row(
  { provider, keyId }: Entry,
  action: RewrapReport["action"],
  versions: { fromVersion?: string | undefined; keyVersion?: string | undefined } = {},
): RewrapReport {
  return {
    provider,
    keyId,
    action,
    fromVersion: versions.fromVersion,
    keyVersion: versions.keyVersion,
  };
}

async function select(
  cmk: Cmk,
  entries: readonly Entry[],
  signal: AbortSignal | undefined,
  observer: Observer | undefined,
): Promise<Entry | undefined> {
  for (const entry of entries) if (await cmk.matches(entry, { signal, observer })) return entry;
  return undefined;
}

/** All entries that name the CMK: more than one where `alsoUnwrap` names a moved key. */
async function selectAll(
  cmk: Cmk,
  entries: Iterable<Entry>,
  signal: AbortSignal | undefined,
  observer: Observer | undefined,
): Promise<Entry[]> {
  const own: Entry[] = [];
  for (const entry of entries) {
    if (await cmk.matches(entry, { signal, observer })) own.push(entry);
  }
  return own;
}

/** The first result there is, else the first error. */
async function firstOf<T, U>(items: readonly T[], fn: (item: T) => Promise<U>): Promise<U> {
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      return await fn(item);
    } catch (error) {
      errors.push(error);
    }
  }
  throw errors[0];
}

function cacheKey(cmk: number, entry: Entry, context: BoundContext): string {
  // Lengths first, so that no two different triples run together into one string.
  const { keyId, wrapped } = entry;
  return `${cmk} ${keyId.length} ${wrapped.length} ${keyId}${byteName(wrapped)}${context.name}`;
}

/** What the CMKs answered while one data key was looked for. */
class Tries {
  readonly #attempts: Attempt[] = [];
  readonly #hints: string[] = [];
  #current: { provider: string; keyId: string } | undefined;
  #cause: unknown;

  /** Runs one try: a result, or `undefined` after a failure that was noted. */
  async run<T>(fn: () => Promise<T | undefined>): Promise<T | undefined> {
    this.#current = undefined;
    try {
      const result = await fn();
      // Unwrapped, yet the commitment does not fit: another message's key, or another context or aad.
      if (result === undefined && this.#current !== undefined) this.#note("ERR_ENVELOPE_DECRYPT");
      return result;
    } catch (error) {
      if (!isEnvelopeError(error) || !isAttempt(error)) throw error;
      if (error.attempts.length > 0) this.#attempts.push(...error.attempts);
      else this.#note(error.code);
      this.#cause ??= error.cause ?? error;
      return undefined;
    }
  }

  called(cmk: Cmk, entry: Entry): void {
    this.#current = { provider: cmk.provider, keyId: entry.keyId };
  }

  unresolved(cmk: Cmk, error: EnvelopeError): void {
    this.#hints.push(
      `${cmk.provider} ${cmk.keyId} could not be resolved (${error.code}): name the canonical key id in alsoUnwrap`,
    );
  }

  #note(code: Attempt["code"]): void {
    if (this.#current !== undefined) this.#attempts.push({ ...this.#current, code });
  }

  outcome(entries: readonly Entry[]): EnvelopeError {
    const attempts = this.#attempts;
    if (attempts.length === 0) {
      const labels = entries.map(({ provider, keyId }) => `${provider} ${keyId}`).join(", ");
      const hints = this.#hints.map((hint) => `; ${hint}`).join("");
      return new EnvelopeError(
        "ERR_ENVELOPE_NO_KEY",
        `none of the configured CMKs can open this message; it names ${labels}${hints}`,
      );
    }
    const code = outcomeOf(attempts) ?? "ERR_ENVELOPE_DECRYPT";
    const options = this.#cause === undefined ? { attempts } : { attempts, cause: this.#cause };
    return new EnvelopeError(code, describe(code, attempts), options);
  }
}

/** Whether an error is a KMS's answer, so that the next CMK may be tried. */
function isAttempt({ code }: EnvelopeError): boolean {
  return code.startsWith("ERR_ENVELOPE_KMS_") || code === "ERR_ENVELOPE_DRIVER";
}

/** The worst that happened, by what the caller can do about it: wait, ask for access, look at `cause`. */
function outcomeOf(attempts: readonly Attempt[]): EnvelopeError["code"] | undefined {
  const any = (test: (code: Attempt["code"]) => boolean): boolean =>
    attempts.some(({ code }) => test(code));
  if (any((code) => errorFacts[code].retryable ?? false)) return "ERR_ENVELOPE_KMS_UNAVAILABLE";
  if (any((code) => code === "ERR_ENVELOPE_KMS_ACCESS_DENIED"))
    return "ERR_ENVELOPE_KMS_ACCESS_DENIED";
  if (any((code) => code === "ERR_ENVELOPE_KMS_ERROR" || code === "ERR_ENVELOPE_DRIVER")) {
    return "ERR_ENVELOPE_KMS_ERROR";
  }
  return undefined;
}

/** One error for several failed wraps: the attempts of all, the code of the worst. */
function summary(failures: readonly EnvelopeError[]): EnvelopeError {
  const [first] = failures;
  if (first === undefined || failures.length === 1)
    return first ?? new EnvelopeError("ERR_ENVELOPE_KMS_ERROR", "no CMK was called");
  const attempts = failures.flatMap((failure) => failure.attempts);
  const code = outcomeOf(attempts) ?? first.code;
  return new EnvelopeError(code, describe(code, attempts), { attempts, cause: first.cause });
}

function describe(code: EnvelopeError["code"], attempts: readonly Attempt[]): string {
  const lines = attempts.map(({ provider, keyId, code: each }) => `${provider} ${keyId}: ${each}`);
  // ERR_ENVELOPE_DECRYPT is also the format's word for keys that are all disabled or gone: say that.
  const [first] = attempts;
  const alike = first !== undefined && attempts.every((attempt) => attempt.code === first.code);
  const cause = alike && code === "ERR_ENVELOPE_DECRYPT" ? first.code : code;
  return `${errorFacts[cause].meaning} (${lines.join("; ")})`;
}

function requireDistinct(entries: readonly Entry[]): void {
  const labels = new Set(entries.map(({ provider, keyId }) => `${provider} ${keyId}`));
  if (labels.size < entries.length) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_CONFIG",
      "two of the configured CMKs are the same key, perhaps by two aliases: name it once",
    );
  }
}
