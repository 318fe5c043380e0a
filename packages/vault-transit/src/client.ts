/**
 * The part of a Vault client this package calls, as a type of its own: a client of `node-vault` fits,
 * and so does a ten-line fake.
 *
 * @module
 */

interface SendOptions {
  /** How a call is ended early. `node-vault` as it comes takes no notice of it. */
  readonly signal: AbortSignal;
}

export interface VaultTransitClient {
  /** `POST /v1/<path>`. Gives the body of the answer. */
  write(
    path: string,
    data: Readonly<Record<string, unknown>>,
    options: SendOptions,
  ): Promise<unknown>;
  /** `GET /v1/<path>`. */
  read(path: string, options: SendOptions): Promise<unknown>;
}

/** The methods, for a check that what was passed is such a client. */
export const clientMethods: readonly (keyof VaultTransitClient)[] = ["write", "read"];
