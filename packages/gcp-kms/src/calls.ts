/**
 * One call to Cloud KMS: a client at hand, a bounded number of attempts, a deadline for all of them,
 * and an error that can be logged.
 *
 * By default, the SDK retries for ten minutes, both after UNAVAILABLE and after a deadline. Here it retries
 * a few times, and only after UNAVAILABLE. Waiting ends at the deadline or when the caller aborts, whether or
 * not the client listens.
 *
 * @module
 */
import { withDeadline } from "@env/core/driver";
import type { GcpKmsClient, SendOptions } from "./client.ts";
import { Connection } from "./connection.ts";
import { GcpKmsError, withoutSecrets } from "./errors.ts";
import { requirePrivate, requireVerifiedTls } from "./insecurity.ts";
import type { Settings } from "./options.ts";

/** The methods of the service, as Google spells them. */
export type Operation = "Encrypt" | "Decrypt" | "GetCryptoKey";

export type Send<T> = (
  client: GcpKmsClient,
  options: SendOptions,
) => Promise<readonly [T, ...unknown[]]>;

/** The SDK's own deadline is for clients that know no signals: it comes after the one here. */
const SDK_GRACE_MS = 1000;
const UNAVAILABLE = 14;

export class Calls {
  readonly #client: GcpKmsClient | undefined;
  readonly #connection: Connection;
  readonly #timeout: number;
  readonly #maxAttempts: number;
  readonly #insecure: boolean;

  constructor({ client, connection, timeout, maxAttempts, insecure }: Settings) {
    this.#client = client;
    this.#insecure = insecure;
    this.#connection = new Connection(connection);
    this.#timeout = timeout;
    this.#maxAttempts = maxAttempts;
  }

  /** Closes what was opened here: never a client that was passed in. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link GcpKmsError}, `TimeoutError` past the deadline.
   */
  async call<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    send: Send<T>,
  ): Promise<T> {
    const late = (): Error =>
      new GcpKmsError("TimeoutError", { operation, hint: `no answer within ${this.#timeout} ms` });
    const work = async (ending: AbortSignal): Promise<T> => {
      try {
        return await this.#send(send, ending);
      } catch (error) {
        throw withoutSecrets(error, operation);
      }
    };
    return withDeadline(work, { signal, timeout: this.#timeout, late, drop: wipePlaintext });
  }

  async #send<T extends object>(send: Send<T>, signal: AbortSignal): Promise<T> {
    if (!this.#insecure) {
      if (this.#client === undefined) requireVerifiedTls();
      else requirePrivate(this.#client);
    }
    const client = this.#client ?? (await this.#connection.client());
    // A call would do that too, but of its failure the SDK makes a rejection that nobody can handle.
    await client.initialize?.();
    signal.throwIfAborted();
    const [answer] = await send(client, this.#options(signal));
    if (typeof answer === "object" && answer !== null) return answer;
    throw new GcpKmsError("InvalidAnswer", { hint: "not an answer of Cloud KMS: it is empty" });
  }

  #options(signal: AbortSignal): SendOptions {
    const timeout = this.#timeout + SDK_GRACE_MS;
    return {
      timeout,
      retry: {
        retryCodes: [UNAVAILABLE],
        backoffSettings: {
          // Of the SDK's count the first attempt is one.
          maxRetries: this.#maxAttempts,
          initialRetryDelayMillis: 100,
          retryDelayMultiplier: 2,
          maxRetryDelayMillis: 2000,
          initialRpcTimeoutMillis: timeout,
          maxRpcTimeoutMillis: timeout,
          rpcTimeoutMultiplier: 1,
        },
      },
      signal,
    };
  }
}

/** Wipes the data key in an answer that nobody waits for any longer, or that was copied. */
export function wipePlaintext(answer: object): void {
  const plaintext: unknown = Reflect.get(answer, "plaintext");
  if (plaintext instanceof Uint8Array) plaintext.fill(0);
}
