/**
 * The error of a call to a KMS that may be logged, and what Node's own codes in it mean.
 *
 * An SDK's error must not be logged: it can hold the whole exchange, with the signature or the token and
 * with the data key. An adapter copies out of it what is known to be harmless.
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";
import type { KmsFailureCode } from "../error.ts";
import { keyBlockLimits } from "../key-block.ts";
import { unverifiedTls } from "./transport.ts";

/** What the errors of all adapters say. Each adapter adds what its KMS reports. */
export interface KmsCallFacts {
  /** The operation, as the KMS spells it. */
  readonly operation?: string | undefined;
  readonly httpStatus?: number | undefined;
  /** Node's code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** The next step. */
  readonly hint?: string | undefined;
}

/**
 * Why a call failed: the cause in core's errors. It holds nothing of the request or the answer except its
 * facts.
 */
export class KmsCallError<
  Facts extends KmsCallFacts = KmsCallFacts,
  Name extends string = string,
> extends Error {
  override readonly name: Name;
  readonly operation: string | undefined;
  readonly httpStatus: number | undefined;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  readonly #facts: Facts;

  /** @param details - What the message says of the adapter's own facts; `undefined` for one that is missing. */
  constructor(name: Name, facts: Facts, details: readonly (string | undefined)[] = []) {
    super(describe(name, facts, details));
    this.name = name;
    this.operation = facts.operation;
    this.httpStatus = facts.httpStatus;
    this.code = facts.code;
    this.hint = facts.hint;
    this.#facts = facts;
  }

  /** Returns the error with the operation that failed, if it does not name one. */
  during(operation: string | undefined): this {
    return this.operation === undefined ? this.with({ ...this.#facts, operation }) : this;
  }

  /** Returns the same error with other facts. With another name, it loses its hint. */
  with({ name = this.name, ...facts }: Facts & { readonly name?: Name }): this {
    const hint = name === this.name ? this.#facts.hint : undefined;
    const again: this = Reflect.construct(this.constructor, [
      name,
      { ...this.#facts, hint, ...facts },
    ]);
    return again;
  }
}

/** The errors that every adapter creates, as errors of its own class. */
export interface Failures<Failure extends KmsCallError> {
  /** Returns the error for an answer that breaks a rule: a clause such as "it names no key". */
  readonly invalidAnswer: (operation: string | undefined, rule: string) => Failure;
  /** Returns a copy of the wrapped key in an answer. Throws `InvalidAnswer` for anything that fits into no entry. */
  readonly wrappedIn: (operation: string, value: unknown) => Bytes;
  /**
   * Returns a copy of the plaintext in an answer, which belongs to the caller. Throws `InvalidAnswer`.
   *
   * @param verify - Throws for a plaintext that must not be used, of which there is no copy yet.
   */
  readonly plaintextIn: (
    operation: string,
    value: unknown,
    verify?: (plaintext: Uint8Array) => void,
  ) => Bytes;
  /** Returns the error for a connection that others can read or imitate. */
  readonly insecure: (problem: string) => Failure;
  /** Throws `InsecureTransport` if TLS in this process authenticates nobody. */
  readonly requireVerifiedTls: () => void;
}

/** @param kms - The name of the KMS, for sentences. */
export function failuresOf<Failure extends KmsCallError>(
  Failure: new (name: "InvalidAnswer" | "InsecureTransport", facts: KmsCallFacts) => Failure,
  kms: string,
): Failures<Failure> {
  const insecure = (problem: string): Failure =>
    new Failure("InsecureTransport", { hint: `${problem}, or pass insecure: true` });
  const invalidAnswer = (operation: string | undefined, rule: string): Failure =>
    new Failure("InvalidAnswer", { operation, hint: `not an answer of ${kms}: ${rule}` });
  return {
    invalidAnswer,
    wrappedIn(operation, value) {
      const max = keyBlockLimits.wrappedBytes; // Smaller than what a KMS may answer.
      if (value instanceof Uint8Array && value.length >= 1 && value.length <= max) {
        return new Uint8Array(value);
      }
      throw invalidAnswer(operation, `a wrapped key has 1 to ${max} bytes`);
    },
    plaintextIn(operation, value, verify) {
      if (!(value instanceof Uint8Array)) {
        throw invalidAnswer(operation, "there is no plaintext in it");
      }
      verify?.(value);
      return new Uint8Array(value);
    },
    insecure,
    requireVerifiedTls() {
      const problem = unverifiedTls();
      if (problem !== undefined) throw insecure(problem);
    },
  };
}

/**
 * Returns a handler that rethrows an error, with another hint if the call was denied: the way around a
 * permission that reading does not need.
 */
export function hintIfDenied(
  classify: (error: unknown) => KmsFailureCode,
  hint: string,
): (error: unknown) => never {
  return (error) => {
    const denied = classify(error) === "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    throw denied && error instanceof KmsCallError ? error.with({ hint }) : error;
  };
}

/** Returns the code of each name, from the names that have each code. */
export function codesOf<Name extends string>(
  names: Readonly<Partial<Record<KmsFailureCode, readonly Name[]>>>,
): Readonly<Record<Name, KmsFailureCode>>;
export function codesOf(
  names: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, string>> {
  const pairs = Object.entries(names).map(([code, all]) =>
    all.map((name) => [name, code] as const),
  );
  return Object.fromEntries(pairs.flat());
}

function describe(
  name: string,
  { operation, httpStatus, code, hint }: KmsCallFacts,
  more: readonly (string | undefined)[],
): string {
  const status = httpStatus === undefined ? undefined : `HTTP ${httpStatus}`;
  const details = [code, status, ...more].filter((detail) => detail !== undefined);
  const subject = operation === undefined ? name : `${operation}: ${name}`;
  const bracket = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `${subject}${bracket}${hint === undefined ? "" : `; ${hint}`}`;
}

/** Node's codes for sockets and DNS: nothing answered, or the connection broke. */
export const networkCodes: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Whether a code of Node or OpenSSL is about certificates, or about a peer that speaks no TLS (`EPROTO`). */
export function isTlsCode(code: string): boolean {
  return /CERT|SSL|TLS|ISSUER|VERIFY|^EPROTO$/.test(code);
}
