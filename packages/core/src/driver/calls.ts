/**
 * One call to a KMS: a client that is made when it is needed, a deadline, and errors that can be logged.
 *
 * @module
 */
import { concatAll } from "../bytes.ts";
import type { KmsCallFacts } from "./call-error.ts";
import type { Awaitable } from "../awaitable.ts";
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

/**
 * Reads a body. Leaving the loop early destroys the stream, and the connection with it.
 *
 * @param tooLong - Creates the error for a body of more than `limit` bytes.
 */
export async function readAnswer(
  body: AsyncIterable<Uint8Array>,
  limit: number,
  tooLong: () => Error,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) throw tooLong();
    chunks.push(chunk);
  }
  return concatAll(chunks);
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

export interface ClientCallsOptions<Client> extends Pick<
  BoundedCall,
  "timeout" | "late" | "failed"
> {
  /** The client that was passed in; `undefined` if the adapter uses its own. */
  readonly client: Client | undefined;
  /** Makes the adapter's own client, and closes it. */
  readonly own: OwnClient<Client>;
  /** Runs before every call. Throws if the client that was passed in, or TLS in this process, is not private. */
  readonly requirePrivate: (client: Client | undefined) => Awaitable<void>;
}

/** Calls with the client that was passed in, which its owner closes, or with the adapter's own. */
export class ClientCalls<Client> {
  readonly #options: ClientCallsOptions<Client>;

  constructor(options: ClientCallsOptions<Client>) {
    this.#options = options;
  }

  /** Makes the adapter's own client, unless one was passed in, so that a failure to make it shows. */
  async connect(): Promise<void> {
    await this.#client();
  }

  /** Closes the adapter's own client. */
  close(): Promise<void> {
    return this.#options.own.close();
  }

  /**
   * Makes a call, bounded as {@link boundedCall} says.
   *
   * @param signal - The caller's; its reason is thrown unchanged.
   */
  protected run<T extends object>(
    operation: string,
    signal: AbortSignal | undefined,
    work: (client: Client, ending: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { timeout, late, failed } = this.#options;
    const bounds = { operation, signal, timeout, late, failed };
    return boundedCall(async (ending) => work(await this.#client(), ending), bounds);
  }

  async #client(): Promise<Client> {
    const { client, own, requirePrivate } = this.#options;
    await requirePrivate(client);
    return client ?? own.get();
  }
}
