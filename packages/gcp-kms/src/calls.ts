/**
 * Calls to Cloud KMS. Each has a client, a limited number of attempts, a deadline for all of them, and errors
 * that can be logged.
 *
 * By default, the SDK retries for ten minutes, both after UNAVAILABLE and after a deadline. Here it retries
 * a few times, and only after UNAVAILABLE. Waiting ends at the deadline or when the caller aborts, whether or
 * not the client listens.
 *
 * @module
 */
import { ClientCalls, ownClient } from "@env/core/driver";
import type { GcpKmsClient, SendOptions } from "./client.ts";
import { connect } from "./connection.ts";
import { failures, GcpKmsError, withoutSecrets } from "./errors.ts";
import { requirePrivate } from "./insecurity.ts";
import type { Settings } from "./options.ts";

/** The methods of the service, as Google spells them. */
export type Operation = "Encrypt" | "Decrypt" | "GetCryptoKey";

export type Send<T> = (
  client: GcpKmsClient,
  options: SendOptions,
) => Promise<readonly [T, ...unknown[]]>;

/** The SDK's own deadline is for clients that do not support signals. It is later than the one here. */
const SDK_GRACE_MS = 1000;
const UNAVAILABLE = 14;

export class Calls extends ClientCalls<GcpKmsClient> {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    const { client, connection, insecure, timeout } = settings;
    super({
      client,
      own: ownClient(
        () => connect(connection),
        (own) => own.close(),
      ),
      requirePrivate: (given) => {
        if (!insecure) requirePrivate(given);
      },
      timeout,
      late: (facts) => new GcpKmsError("TimeoutError", facts),
      failed: withoutSecrets,
    });
    this.#settings = settings;
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link GcpKmsError}, `TimeoutError` past the deadline.
   */
  call<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    send: Send<T>,
  ): Promise<T> {
    return this.run(operation, signal, async (client, ending) => {
      // A call would do that by itself, but the SDK turns its failure into a rejection that nobody can handle.
      await client.initialize?.();
      ending.throwIfAborted();
      const [answer] = await send(client, this.#options(ending));
      if (typeof answer === "object" && answer !== null) return answer;
      throw failures.invalidAnswer(operation, "it is empty");
    });
  }

  #options(signal: AbortSignal): SendOptions {
    const timeout = this.#settings.timeout + SDK_GRACE_MS;
    return {
      timeout,
      retry: {
        retryCodes: [UNAVAILABLE],
        backoffSettings: {
          // The SDK counts the first attempt as well.
          maxRetries: this.#settings.maxAttempts,
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
