/**
 * The client for those who bring none: `node-vault` on {@link Transport}, made at the first call.
 *
 * Of `node-vault` are the routes and the headers. What it takes from the environment by itself is set
 * here, so that the configuration says it all.
 *
 * @module
 */
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
  readonly #options: CheckedConnection;
  readonly #transport: Transport;
  #client: Promise<NodeVault.client> | undefined;

  constructor(options: CheckedConnection) {
    this.#options = options;
    this.#transport = new Transport(options);
  }

  /** @throws {@link VaultTransitError} `ClientMissing` */
  async connect(): Promise<void> {
    await this.#connected();
  }

  async send({ method, path, body, token, signal }: Send): Promise<unknown> {
    const client = await this.#connected();
    signal.throwIfAborted();
    // Read by `node-vault` before the call returns, so calls side by side may have others.
    client.token = token ?? "";
    return method === "read"
      ? client.read(path, { signal })
      : client.write(path, body ?? {}, { signal });
  }

  close(): void {
    this.#transport.close();
  }

  #connected(): Promise<NodeVault.client> {
    this.#client ??= connect(this.#options, this.#transport).catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
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
