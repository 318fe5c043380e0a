/**
 * The HTTP side: reads requests, writes answers, and misbehaves as a fault demands.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Answer } from "./answer.ts";
import type { TransitFault } from "./faults.ts";

/** Source: OpenBao, listener's max_request_size */
const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

/** A certificate and its private key in PEM; with `ca`, clients must present a certificate from it. */
export interface TransitTls {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

export interface HttpRequest {
  readonly method: string;
  /** The path and the query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  /** `undefined` if it was too long. */
  readonly body: string | undefined;
}

/** The outcome of a request. */
export interface Outcome {
  readonly answer: Answer;
  readonly fault: TransitFault | undefined;
}

export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #gone = new Set<() => void>();
  readonly #delays = new Set<NodeJS.Timeout>();
  readonly #scheme: string;

  constructor(serve: (request: HttpRequest) => Outcome, tls: TransitTls | undefined) {
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(serve, request, response).catch(() => response.destroy());
    };
    this.#scheme = tls === undefined ? "http" : "https";
    this.#server =
      tls === undefined
        ? createServer(handle)
        : createTlsServer({ ...tls, requestCert: tls.ca !== undefined }, handle);
    this.#server.keepAliveTimeout = 0; // What a client leaves open stays open.
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined); // Of clients that leave.
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size > 0) return;
        for (const gone of this.#gone) gone();
        this.#gone.clear();
      });
    });
  }

  async open(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return `${this.#scheme}://127.0.0.1:${port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Resolves when no connection is open. */
  disconnected(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#gone.add(resolve);
    });
  }

  /** Ends all connections and accepts no others. */
  async close(): Promise<void> {
    for (const delay of this.#delays) clearTimeout(delay);
    this.#delays.clear();
    const closed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.disconnected();
  }

  async #handle(
    serve: (request: HttpRequest) => Outcome,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { method = "", url = "", headers } = request;
    const body = await readBody(request);
    const { answer, fault } = serve({ method, url, headers, body });
    switch (fault?.kind) {
      case "stall":
        if (fault.midBody === true) begin(response);
        return;
      case "drop":
        if (fault.midBody !== true) response.destroy();
        else begin(response).write("", () => response.destroy());
        return;
      case "slow": {
        const delay = setTimeout(() => {
          this.#delays.delete(delay);
          send(response, answer);
        }, fault.milliseconds);
        this.#delays.add(delay);
        return;
      }
      case "answer": {
        const { status, body: text, type = "application/json", headers: more } = fault;
        response.writeHead(status, { "cache-control": "no-store", "content-type": type, ...more });
        response.end(text);
        return;
      }
      case "standby":
        response.writeHead(fault.status ?? 307, { location: `${fault.leader}${url}` });
        response.end();
        return;
      case "alter":
      case undefined:
        send(response, answer);
    }
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, {
    "cache-control": "no-store",
    ...(body !== undefined && { "content-type": "application/json" }),
  });
  response.end(body === undefined ? undefined : `${JSON.stringify(body)}\n`);
}

function begin(response: ServerResponse): ServerResponse {
  response.writeHead(200, { "content-type": "application/json", "content-length": 999 });
  response.write('{"data":{"');
  return response;
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  return bytes <= MAX_REQUEST_BYTES ? Buffer.concat(chunks).toString() : undefined;
}
