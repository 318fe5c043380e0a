/**
 * Calls to Acme KMS: each has a deadline, ends when the caller aborts, and fails with an error that can be logged.
 *
 * @module
 */
import { ClientCalls, ownClient } from "@env/core/driver";
import type { AcmeKmsClient } from "./client.ts";
import { AcmeKmsError, withoutSecrets } from "./errors.ts";
import type { Settings } from "./options.ts";

export class Calls extends ClientCalls<AcmeKmsClient> {
  constructor({ client, timeout }: Settings) {
    super({
      client,
      own: ownClient(connect, () => undefined),
      // A client over the network must refuse plain HTTP here.
      requirePrivate: () => undefined,
      timeout,
      late: (facts) => new AcmeKmsError("TimeoutError", facts),
      failed: withoutSecrets,
    });
  }

  /**
   * @param signal - The caller's; its reason is thrown unchanged.
   * @throws {@link AcmeKmsError}, `TimeoutError` past the deadline.
   */
  call<T extends object>(
    operation: string,
    signal: AbortSignal | undefined,
    send: (client: AcmeKmsClient, options: { signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    return this.run(operation, signal, (client, ending) => send(client, { signal: ending }));
  }
}

/** Makes the SDK's client, from `connection` of the settings. The SDK is a peer dependency and is imported here. */
async function connect(): Promise<AcmeKmsClient> {
  throw new AcmeKmsError("Unavailable", { hint: "pass a client: this adapter makes none yet" });
}
