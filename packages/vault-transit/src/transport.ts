/**
 * HTTP to Vault: what `node-vault` sends its requests through, in place of its own client.
 *
 * That client follows redirects to any host, with the token and the data key; takes no signal; reads an
 * environment variable that turns certificate checks off; and throws errors that contain the request.
 * Here, redirects lead only to listed origins, answers have a limit, and errors contain nothing of the request.
 *
 * @module
 */
import * as http from "node:http";
import * as https from "node:https";
import { readAnswer } from "@env/core/driver";
import { VaultTransitError } from "./errors.ts";
import type { CheckedConnection } from "./options.ts";

/** Enough for a key with a thousand versions; answers with data keys have less than one KiB. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** Below what load balancers and Vault itself wait, so that no connection is found dead. */
const IDLE_MS = 4000;
const MAX_SOCKETS = 64;

/** A request from `node-vault`. */
export interface TransportRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly signal?: AbortSignal;
}

/** A response for `node-vault`. */
export interface TransportResponse {
  readonly statusCode: number;
  /** The parsed body; `undefined` if there is none. */
  readonly body: unknown;
  readonly request: { readonly path: string };
}

interface Exchange {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

export class Transport {
  readonly #agent: http.Agent;
  readonly #redirectTo: ReadonlySet<string>;

  constructor({
    address,
    tls,
    redirectTo,
  }: Pick<CheckedConnection, "address" | "tls" | "redirectTo">) {
    const pool = { keepAlive: true, timeout: IDLE_MS, maxSockets: MAX_SOCKETS };
    const { serverName, ...files } = tls;
    const given = Object.entries(files).filter(([, value]) => value !== undefined);
    this.#agent = address.startsWith("https:")
      ? new https.Agent({
          ...pool,
          ...Object.fromEntries(given),
          ...(serverName !== undefined && { servername: serverName }),
          // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED would change the default.
          rejectUnauthorized: true,
          minVersion: "TLSv1.2",
        })
      : new http.Agent(pool);
    this.#redirectTo = new Set(redirectTo);
  }

  /**
   * @throws {@link VaultTransitError} `Redirected`, `UnreadableAnswer`; Node's errors of sockets and TLS.
   */
  async send(request: TransportRequest): Promise<TransportResponse> {
    const url = new URL(request.uri);
    let answer = await this.#exchange(url, request);
    if (answer.status === 307) {
      answer = await this.#exchange(this.#leader(url, answer.location), request);
    }
    const { status, text } = answer;
    if (status >= 300 && status < 400) {
      throw new VaultTransitError("Redirected", { httpStatus: status });
    }
    return { statusCode: status, body: parse(answer, text), request: { path: url.pathname } };
  }

  /** Ends the connections that are kept open. */
  close(): void {
    this.#agent.destroy();
  }

  /** Returns where a standby sends its callers: the same path of a listed origin. */
  #leader(from: URL, location: string | undefined): URL {
    const to = location !== undefined && URL.canParse(location) ? new URL(location) : undefined;
    const same = to?.pathname === from.pathname && to.search === from.search && to.username === "";
    if (to !== undefined && same && this.#redirectTo.has(to.origin)) return to;
    throw new VaultTransitError("Redirected", { httpStatus: 307 });
  }

  #exchange(url: URL, { method, headers = {}, json, signal }: TransportRequest): Promise<Exchange> {
    const body =
      json === undefined || json === true ? undefined : Buffer.from(JSON.stringify(json));
    const { request } = url.protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        agent: this.#agent,
        method,
        headers: {
          ...headers,
          accept: "application/json",
          "user-agent": "env-vault-transit",
          "x-vault-request": "true", // Agents and proxies of Vault ask for it.
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": body.length,
          }),
        },
        ...(signal !== undefined && { signal }),
      });
      sent.once("error", reject);
      sent.once("response", (response) => {
        read(response).then(resolve, reject);
      });
      sent.end(body);
    });
  }
}

async function read(response: http.IncomingMessage): Promise<Exchange> {
  const { statusCode: status = 0, headers } = response;
  const body = await readAnswer(response, MAX_ANSWER_BYTES, () => {
    const hint = `the answer has more than ${MAX_ANSWER_BYTES} bytes`;
    return new VaultTransitError("UnreadableAnswer", { httpStatus: status, hint });
  });
  return { status, location: headers.location, text: Buffer.from(body).toString() };
}

function parse({ status }: Exchange, text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // This is a load balancer's page; its status says enough.
    if (status === 429 || status >= 500) return undefined;
    throw new VaultTransitError("UnreadableAnswer", { httpStatus: status });
  }
}
