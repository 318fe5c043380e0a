/**
 * Calls to Transit. Each has a token, a deadline, a check that Vault answered, and errors that can be logged.
 *
 * The deadline covers everything that a driver's operation needs, a login included. Waiting ends at the
 * deadline or when the caller aborts, whether or not the client listens. There is only one retry: after a
 * refused token, if a login can get another one.
 *
 * @module
 */
import { boundedCall } from "@env/core/driver";
import { Connection } from "./connection.ts";
import { failures, VaultTransitError, withoutSecrets } from "./errors.ts";
import type { Settings } from "./options.ts";
import { Tokens } from "./tokens.ts";

export type Operation = "encrypt" | "decrypt" | "rewrap" | "datakey" | "read" | "login";
export type Data = Readonly<Record<string, unknown>>;

/** Makes one request within an operation. Returns `data` of the answer. */
export type Request = (
  operation: Operation,
  path: string,
  /** Parameters of a write. If missing, the path is read. */
  body?: Data,
) => Promise<Data>;

export class Calls {
  readonly #client: Settings["client"];
  readonly #connection: Connection | undefined;
  readonly #tokens: Tokens | undefined;
  readonly #timeout: number;
  readonly #insecure: boolean;

  constructor({ client, connection, timeout, insecure }: Settings) {
    this.#client = client;
    this.#timeout = timeout;
    this.#insecure = insecure;
    if (client !== undefined) return;
    const own = new Connection(connection);
    this.#connection = own;
    // All who wait for the token share it, so it has a deadline of its own and nobody's signal ends it.
    this.#tokens = new Tokens(connection.auth, (method, path, body, token) =>
      this.#within("login", undefined, async (signal) => ({
        answer: await own.send({ method, path, body, token, signal }),
      })).then(({ answer }) => answer),
    );
  }

  /** Makes the client. Throws {@link VaultTransitError} `ClientMissing`. */
  async connect(): Promise<void> {
    await this.#connection?.connect();
  }

  /** Closes what was opened here: never a client that was passed in. */
  async close(): Promise<void> {
    this.#connection?.close();
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link VaultTransitError}, `Timeout` past the deadline.
   */
  run<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    work: (request: Request) => Promise<T>,
  ): Promise<T> {
    return this.#within(operation, signal, (ending) =>
      work(async (what, path, body) => {
        try {
          return dataOf(await this.#send(path, body, ending), what);
        } catch (error) {
          throw withoutSecrets(error, what);
        }
      }),
    );
  }

  async #send(path: string, body: Data | undefined, signal: AbortSignal): Promise<unknown> {
    const method = body === undefined ? "read" : "write";
    if (!this.#insecure) failures.requireVerifiedTls();
    if (this.#client !== undefined) {
      signal.throwIfAborted();
      return body === undefined
        ? this.#client.read(path, { signal })
        : this.#client.write(path, body, { signal });
    }
    const token = await this.#tokens?.get();
    try {
      return await this.#connection?.send({ method, path, body, token, signal });
    } catch (error) {
      // A denied description is not a reason to log in: many roles may not read it.
      const denied = method === "write" && withoutSecrets(error, "").name === "AccessDenied";
      if (!denied || token === undefined || this.#tokens?.refused(token) !== true) throw error;
      const next = await this.#tokens.get();
      return this.#connection?.send({ method, path, body, token: next, signal });
    }
  }

  #within<T extends object>(
    operation: Operation,
    signal: AbortSignal | undefined,
    work: (ending: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return boundedCall(work, {
      operation,
      signal,
      timeout: this.#timeout,
      late: (facts) => new VaultTransitError("Timeout", facts),
      failed: withoutSecrets,
    });
  }
}

/** Source: OpenBao sdk/framework/backend.go */
const IGNORED = "Endpoint ignored these unrecognized parameters";

/** Returns the data of an answer. Throws if the answer is not Vault's, or if a parameter was ignored. */
function dataOf(answer: unknown, operation: Operation): Data {
  if (!isData(answer)) {
    throw new VaultTransitError("UnreadableAnswer", { operation });
  }
  const { data, warnings } = answer;
  if (Array.isArray(warnings) && warnings.some((text) => String(text).includes(IGNORED))) {
    throw new VaultTransitError("IgnoredParameters", {
      operation,
      hint: "this server does not know all that was sent, so the context may not be bound",
    });
  }
  if (isData(data)) return data;
  throw failures.invalidAnswer(operation, "it has no data");
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
