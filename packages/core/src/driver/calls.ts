/**
 * One call to a KMS: a client that is made when it is needed, a deadline, and errors that can be logged.
 *
 * @module
 */
import type { KmsCallFacts } from "./call-error.ts";
import { withDeadline } from "./deadline.ts";
import { memberOf } from "./members.ts";

export interface BoundedCall {
  /** The operation, as the KMS spells it. */
  readonly operation: string;
  /** The caller's signal; its reason is thrown unchanged. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds for everything, retries included. */
  readonly timeout: number;
  /** Creates the error that is thrown after the deadline. */
  readonly late: (facts: KmsCallFacts) => Error;
  /** Creates the error to throw for what the client threw. */
  readonly failed: (thrown: unknown, operation: string) => Error;
}

/**
 * Makes a call. Waiting ends at the deadline or when the caller aborts, whether or not the client listens,
 * and the data key in an answer that arrives after that is wiped. Nothing is retried.
 *
 * @param work - Receives a signal that aborts in either case.
 */
export function boundedCall<T extends object>(
  work: (ending: AbortSignal) => Promise<T>,
  { operation, signal, timeout, late, failed }: BoundedCall,
): Promise<T> {
  const named = async (ending: AbortSignal): Promise<T> => {
    try {
      return await work(ending);
    } catch (error) {
      throw failed(error, operation);
    }
  };
  return withDeadline(named, {
    signal,
    timeout,
    late: () => late({ operation, hint: `no answer within ${timeout} ms` }),
    drop: wipePlaintext,
  });
}

/** Wipes the data key in an answer that nobody waits for any longer, that was copied or must not be used. */
export function wipePlaintext(answer: object): void {
  for (const name of ["plaintext", "Plaintext"]) {
    const plaintext = memberOf(answer, name);
    if (plaintext instanceof Uint8Array) plaintext.fill(0);
  }
}

/** An adapter's own client. */
export interface OwnClient<C> {
  /** Returns the client, which is made by the first call, and again after a failure. */
  get(): Promise<C>;
  /** Closes the client if it was made. */
  close(): Promise<void>;
}

/**
 * Makes a client when it is needed: an SDK takes long to load, and many a process that may decrypt never
 * does.
 */
export function ownClient<C>(
  make: () => Promise<C>,
  end: (client: C) => void | Promise<void>,
): OwnClient<C> {
  let client: Promise<C> | undefined;
  return {
    get() {
      client ??= make().catch((error: unknown) => {
        client = undefined; // What was missing may be there at the next call.
        throw error;
      });
      return client;
    },
    async close() {
      const made = await client?.catch(() => undefined);
      if (made !== undefined) await end(made);
    },
  };
}
