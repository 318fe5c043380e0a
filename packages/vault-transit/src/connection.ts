/**
 * The adapter's own client: `node-vault` on {@link Transport}, made at the first call.
 *
 * `node-vault` gives the routes and the headers. What it would take from the environment is set here, so
 * that the configuration is complete.
 *
 * @module
 */
import { ownClient, type OwnClient } from "@env/core/driver";
import type NodeVault from "node-vault";
import { VaultTransitError } from "./errors.ts";
import type { CheckedConnection } from "./options.ts";
import { Transport, type TransportRequest, type TransportResponse } from "./transport.ts";

/** One request, with the token to send, if any. */
export interface Send {
  readonly method: "read" | "write";
  /** The path after `/v1/`. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

export class Connection {
  readonly #client: OwnClient<NodeVault.client>;
  readonly #transport: Transport;

  constructor(options: CheckedConnection) {
    const transport = new Transport(options);
    this.#transport = transport;
    this.#client = ownClient(
      () => connect(options, transport),
      () => undefined,
    );
  }

  /** @throws {@link VaultTransitError} `ClientMissing` */
  async connect(): Promise<void> {
    await this.#client.get();
  }

  async send({ method, path, body, token, signal }: Send): Promise<unknown> {
    const client = await this.#client.get();
    signal.throwIfAborted();
    // `node-vault` reads it before the call returns, so concurrent calls may have different tokens.
    client.token = token ?? "";
    return method === "read"
      ? client.read(path, { signal })
      : client.write(path, body ?? {}, { signal });
  }

  close(): void {
    this.#transport.close();
  }
}

async function connect(
  { address, namespace }: CheckedConnection,
  transport: Transport,
): Promise<NodeVault.client> {
  let create: typeof NodeVault;
  try {
    create = (await import("node-vault")).default;
  } catch {
    throw new VaultTransitError("ClientMissing", { hint: "install node-vault" });
  }
  let hooked = false;
  const client = create({
    endpoint: address,
    apiVersion: "v1",
    noCustomHTTPVerbs: true,
    debug: () => undefined, // It would print data keys.
    "request-promise": {
      defaults: () => {
        hooked = true;
        return (request: TransportRequest): Promise<TransportResponse> => transport.send(request);
      },
    },
  });
  if (!hooked) {
    throw new VaultTransitError("ClientMissing", {
      hint: "this version of node-vault takes no transport; install node-vault 0.12",
    });
  }
  // Else they would be VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX.
  return Object.assign(client, { token: "", namespace, pathPrefix: "" });
}
