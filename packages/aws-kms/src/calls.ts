/**
 * One call to AWS KMS: a client, grant tokens, a deadline that includes the SDK's retries, and an error
 * that can be logged.
 *
 * @module
 */
import { boundedCall, ownClient, type OwnClient } from "@env/core/driver";
import type { AwsKmsClient, SendOptions } from "./client.ts";
import { connect } from "./connection.ts";
import { AwsKmsError, withoutSecrets } from "./errors.ts";
import { requirePrivate } from "./insecurity.ts";
import { checkGrantTokens, type Settings } from "./options.ts";

/** The operations, as AWS spells them. */
export type Operation = "GenerateDataKey" | "Encrypt" | "Decrypt" | "ReEncrypt" | "DescribeKey";

export type Send<T> = (
  client: AwsKmsClient,
  /** Members to spread into the request. */
  tokens: { readonly GrantTokens?: string[] },
  options: SendOptions,
) => Promise<T>;

export class Calls {
  readonly #settings: Settings;
  readonly #own: OwnClient<AwsKmsClient>;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#own = ownClient(
      () => connect(settings.connection, settings.insecure),
      (client) => client.destroy(),
    );
  }

  /** Makes the client, or says why it cannot be made. Throws {@link AwsKmsError}. */
  async connect(): Promise<void> {
    await this.#client();
  }

  /** Closes what was opened here: never a client that was passed in. */
  close(): Promise<void> {
    return this.#own.close();
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link AwsKmsError}, `TimeoutError` past the deadline.
   */
  call<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    send: Send<T>,
  ): Promise<T> {
    const work = async (abortSignal: AbortSignal): Promise<T> => {
      const client = await this.#client();
      const tokens = await this.#tokens();
      abortSignal.throwIfAborted();
      return send(client, tokens, { abortSignal });
    };
    return boundedCall(work, {
      operation,
      signal,
      timeout: this.#settings.timeout,
      late: (facts) => new AwsKmsError("TimeoutError", facts),
      failed: withoutSecrets,
    });
  }

  async #client(): Promise<AwsKmsClient> {
    const { client, insecure } = this.#settings;
    if (client === undefined) return this.#own.get();
    if (!insecure) await requirePrivate(client);
    return client;
  }

  async #tokens(): Promise<{ GrantTokens?: string[] }> {
    const given = this.#settings.grantTokens;
    if (given === undefined) return {};
    let tokens: readonly string[];
    try {
      tokens = typeof given === "function" ? await given() : given;
    } catch {
      throw tokensError("the function for grant tokens threw");
    }
    const GrantTokens = checkGrantTokens(tokens, tokensError);
    return GrantTokens.length === 0 ? {} : { GrantTokens };
  }
}

function tokensError(hint: string): AwsKmsError {
  return new AwsKmsError("GrantTokensError", { hint });
}
