/**
 * The part of a Vault client that this package calls, as a type of its own. A client of `node-vault` fits it,
 * and so does a fake of ten lines.
 *
 * @module
 */

interface SendOptions {
  /** Ends a call early. `node-vault` ignores it, unless its transport is replaced. */
  readonly signal: AbortSignal;
}

export interface VaultTransitClient {
  /** Sends `POST /v1/<path>`. Returns the body of the answer. */
  write(
    path: string,
    data: Readonly<Record<string, unknown>>,
    options: SendOptions,
  ): Promise<unknown>;
  /** Sends `GET /v1/<path>`. Returns the body of the answer. */
  read(path: string, options: SendOptions): Promise<unknown>;
}

/** The methods by which a client is recognized. */
export const clientMethods: readonly (keyof VaultTransitClient)[] = ["write", "read"];
