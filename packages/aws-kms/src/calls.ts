/**
 * One call to AWS KMS: a client at hand, grant tokens, a deadline, and an error that can be logged.
 *
 * The deadline covers everything, including the SDK's retries. Waiting ends at the deadline or when the
 * caller aborts, whether or not the client listens. Nothing is retried here.
 *
 * @module
 */
import { withDeadline } from "@env/core/driver";
import type { AwsKmsClient, SendOptions } from "./client.ts";
import { Connection } from "./connection.ts";
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
  readonly #client: AwsKmsClient | undefined;
  readonly #connection: Connection;
  readonly #grantTokens: Settings["grantTokens"];
  readonly #timeout: number;
  readonly #insecure: boolean;

  constructor({ client, connection, grantTokens, timeout, insecure }: Settings) {
    this.#client = client;
    this.#connection = new Connection(connection, insecure);
    this.#insecure = insecure;
    this.#grantTokens = grantTokens;
    this.#timeout = timeout;
  }

  /** Makes the client, or says why it cannot be made. Throws {@link AwsKmsError}. */
  async connect(): Promise<void> {
    if (this.#client === undefined) await this.#connection.client();
  }

  /** Closes what was opened here: never a client that was passed in. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link AwsKmsError}, `TimeoutError` past the deadline.
   */
  async call<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    send: Send<T>,
  ): Promise<T> {
    const late = (): Error =>
      new AwsKmsError("TimeoutError", { operation, hint: `no answer within ${this.#timeout} ms` });
    const work = async (ending: AbortSignal): Promise<T> => {
      try {
        return await this.#send(send, ending);
      } catch (error) {
        throw withoutSecrets(error, operation);
      }
    };
    return withDeadline(work, { signal, timeout: this.#timeout, late, drop: wipePlaintext });
  }

  async #send<T>(send: Send<T>, abortSignal: AbortSignal): Promise<T> {
    const client = this.#client ?? (await this.#connection.client());
    if (this.#client !== undefined && !this.#insecure) await requirePrivate(client);
    const tokens = await this.#tokens();
    abortSignal.throwIfAborted();
    return send(client, tokens, { abortSignal });
  }

  async #tokens(): Promise<{ GrantTokens?: string[] }> {
    const given = this.#grantTokens;
    if (given === undefined) return {};
    let tokens: readonly string[];
    try {
      tokens = typeof given === "function" ? await given() : given;
    } catch {
      throw grantTokensError("the function for grant tokens threw");
    }
    const GrantTokens = checkGrantTokens(tokens, grantTokensError);
    return GrantTokens.length === 0 ? {} : { GrantTokens };
  }
}

function grantTokensError(hint: string): AwsKmsError {
  return new AwsKmsError("GrantTokensError", { hint });
}

/** Wipes the data key in an answer that nobody waits for any longer. */
export function wipePlaintext(answer: object): void {
  const plaintext: unknown = Reflect.get(answer, "Plaintext");
  if (plaintext instanceof Uint8Array) plaintext.fill(0);
}
