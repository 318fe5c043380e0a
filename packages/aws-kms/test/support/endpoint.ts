/**
 * The server of `@env/kms-server`, behind a proxy that remembers requests and does on request what no correct server does:
 * answers late, half, wrongly or not at all.
 *
 * @module
 */
import {
  Agent,
  createServer,
  request as send,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { KMS } from "@aws-sdk/client-kms";
import type { KmsClient } from "@env/kms";
import { onTestFinished } from "vitest";
import { sdk, startedServer } from "../../../kms-server/test/support/server.ts";

/** A request as it was sent. Blobs are base64. */
interface SentRequest {
  readonly operation: string;
  readonly body: Record<string, unknown>;
  readonly userAgent: string;
}

type Body = Record<string, unknown>;

export type Fault =
  /** An answer of another status and body; `type` is the content type. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly type?: string;
    }
  /** What the server answered, altered. */
  | { readonly kind: "alter"; readonly alter: (answer: Body, operation: string) => Body }
  /** The first bytes of the answer, then the connection breaks. */
  | { readonly kind: "reset" }
  /** Nothing is answered, or a body begun and not gone on with. */
  | { readonly kind: "stall"; readonly midBody?: boolean };

const KEPT_REQUESTS = 1000;

export interface Endpoint {
  readonly url: string;
  /** The root of the account, in process. */
  readonly root: KmsClient;
  /** The last 1000, the oldest first. */
  readonly requests: readonly SentRequest[];
  /** The number of connections that are open. */
  readonly connections: () => number;
  /** Fulfilled when the next request has been read. */
  nextRequest(): Promise<void>;
  /** Fulfilled when no connection is open. */
  disconnected(): Promise<void>;
  /** Fails all requests from now on, or those of some operations; `undefined` ends it. */
  fail(fault: Fault | undefined, operations?: readonly string[]): void;
  newKey(alias?: string): Promise<string>;
  /** Makes a grant for a key, and gives its token. */
  newGrantToken(keyId: string): Promise<string>;
  /** Stops listening and breaks all connections. */
  cut(): Promise<void>;
}

/** The answer that AWS KMS gives for an error. */
export function awsError(type: string, message?: string, status = 400): Fault {
  // Access denied is the one whose member has a capital letter.
  const member = type === "AccessDeniedException" ? "Message" : "message";
  const body = JSON.stringify({ __type: type, ...(message && { [member]: message }) });
  return { kind: "answer", status, body };
}

/** Starts a server that ends with the test. Its callers are believed: they are the root of the account. */
export async function startEndpoint(): Promise<Endpoint> {
  const { url: behind, owner: root } = await startedServer();
  const agent = new Agent({ keepAlive: true });
  const requests: SentRequest[] = [];
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let fault: Fault | undefined;
  let faulty: readonly string[] | undefined;

  const server = createServer((request, response) => {
    void serve(request, response);
  });
  server.keepAliveTimeout = 0; // What a client leaves open stays open.
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const sent = sentRequest(request, body);
    requests.push(sent);
    if (requests.length > KEPT_REQUESTS) requests.shift();
    const active = faulty?.includes(sent.operation) === false ? undefined : fault;
    for (const wake of waiting.splice(0)) wake();
    if (active?.kind === "stall") {
      if (active.midBody === true) begin(response);
      return;
    }
    if (active?.kind === "reset") {
      begin(response);
      response.write("", () => response.destroy());
      return;
    }
    if (active?.kind === "answer") {
      const { status, body: text, type = "application/x-amz-json-1.1" } = active;
      response.writeHead(status, {
        "content-type": type,
        "x-amzn-requestid": "11111111-2222-4333-8444-555555555555",
      });
      response.end(text);
      return;
    }
    const { method, headers } = request;
    const onward = send(behind, { method, headers, agent }, (answer) => {
      void pass(answer, response, active, sent.operation);
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }

  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  async function cut(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  onTestFinished(async () => {
    if (server.listening) await cut();
    agent.destroy();
  });

  return {
    url: `http://127.0.0.1:${port}`,
    root,
    requests,
    connections: () => sockets.size,
    async disconnected() {
      await Promise.all([...sockets].map(untilClosed));
    },
    nextRequest: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
      }),
    fail(next, operations) {
      fault = next;
      faulty = operations;
    },
    async newKey(alias) {
      const { KeyMetadata } = await root.createKey();
      if (alias !== undefined) {
        await root.createAlias({ AliasName: alias, TargetKeyId: KeyMetadata.KeyId });
      }
      return KeyMetadata.Arn;
    },
    async newGrantToken(KeyId) {
      const { principal: GranteePrincipal } = root;
      const Operations = ["DescribeKey"];
      return (await root.createGrant({ KeyId, GranteePrincipal, Operations })).GrantToken;
    },
    cut,
  };
}

/** The same, and a client for it. */
export async function testEndpoint(): Promise<{ endpoint: Endpoint; client: KMS }> {
  const endpoint = await startEndpoint();
  return { endpoint, client: sdk(endpoint.url) };
}

/** Whether or not there was an error before. */
function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("close", () => resolve());
  });
}

function begin(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-amz-json-1.1", "content-length": 999 });
  response.write('{"Plaintext":"');
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sentRequest({ headers }: IncomingMessage, body: Buffer): SentRequest {
  return {
    operation: String(headers["x-amz-target"]).slice("TrentService.".length),
    body: JSON.parse(body.toString()) as Body,
    userAgent: String(headers["user-agent"]),
  };
}

async function pass(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
  operation: string,
): Promise<void> {
  const body = await read(answer);
  const { "content-length": _, ...headers } = answer.headers;
  response.writeHead(answer.statusCode ?? 500, headers);
  if (fault?.kind !== "alter") response.end(body);
  else response.end(JSON.stringify(fault.alter(JSON.parse(body.toString()) as Body, operation)));
}
