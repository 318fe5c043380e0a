/**
 * Calls to AWS KMS. Each has a client, grant tokens, a deadline that includes the SDK's retries, and errors
 * that can be logged.
 *
 * @module
 */
import { ClientCalls, ownClient } from "@env/core/driver";
import type { AwsKmsClient, SendOptions } from "./client.ts";
import { connect } from "./connection.ts";
import { AwsKmsError, withoutSecrets } from "./errors.ts";
import { requirePrivate } from "./insecurity.ts";
import { checkGrantTokens, type GrantTokens, type Settings } from "./options.ts";

/** The operations, as AWS spells them. */
export type Operation = "GenerateDataKey" | "Encrypt" | "Decrypt" | "ReEncrypt" | "DescribeKey";

export type Send<T> = (
  client: AwsKmsClient,
  /** The members to spread into the request. */
  tokens: { readonly GrantTokens?: string[] },
  options: SendOptions,
) => Promise<T>;

export class Calls extends ClientCalls<AwsKmsClient> {
  readonly #grantTokens: GrantTokens | undefined;

  constructor({ client, connection, insecure, timeout, grantTokens }: Settings) {
    super({
      client,
      own: ownClient(
        () => connect(connection, insecure),
        (own) => own.destroy(),
      ),
      // The adapter's own client looks at the endpoint of each request.
      requirePrivate: async (given) => {
        if (given !== undefined && !insecure) await requirePrivate(given);
      },
      timeout,
      late: (facts) => new AwsKmsError("TimeoutError", facts),
      failed: withoutSecrets,
    });
    this.#grantTokens = grantTokens;
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
    return this.run(operation, signal, async (client, abortSignal) => {
      const tokens = await this.#tokens();
      abortSignal.throwIfAborted();
      return send(client, tokens, { abortSignal });
    });
  }

  async #tokens(): Promise<{ GrantTokens?: string[] }> {
    const given = this.#grantTokens;
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
