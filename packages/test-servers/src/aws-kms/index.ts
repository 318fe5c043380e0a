/**
 * The AWS KMS wire protocol over a keystore of `@env/kms`, as little of it as the tests need: JSON 1.1,
 * no signatures. The answers are the keystore's; the server adds switches for what goes wrong on the
 * way.
 *
 * Source: the service model of AWS KMS (`TrentService`, json 1.1)
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeystore, type KmsClient } from "@env/kms";

export { sdkClient } from "./client.ts";

/** A request as it was sent. Blobs are base64. */
interface SentRequest {
  readonly operation: string;
  readonly body: Record<string, unknown>;
  readonly userAgent: string;
}

type Body = Record<string, unknown>;

export type AwsKmsFault =
  /** An answer of another status and body; `type` is the content type. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly type?: string;
    }
  /** What the keystore answered, altered. */
  | { readonly kind: "alter"; readonly alter: (answer: Body, operation: string) => Body }
  /** The first bytes of the answer, then the connection breaks. */
  | { readonly kind: "reset" }
  /** Nothing is answered, or a body begun and not gone on with. */
  | { readonly kind: "stall"; readonly midBody?: boolean };

const KEPT_REQUESTS = 1000;

export interface AwsKmsServer extends AsyncDisposable {
  readonly url: string;
  /** Whose keys these are, without permission checks. */
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
  fail(fault: AwsKmsFault | undefined, operations?: readonly string[]): void;
  newKey(alias?: string): Promise<string>;
  /** Stops listening and breaks all connections. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

/** The answer that AWS KMS gives for an error. */
export function awsError(type: string, message?: string, status = 400): AwsKmsFault {
  // Access denied is the one whose member has a capital letter.
  const member = type === "AccessDeniedException" ? "Message" : "message";
  const body = JSON.stringify({ __type: type, ...(message && { [member]: message }) });
  return { kind: "answer", status, body };
}

export async function startAwsKmsServer(): Promise<AwsKmsServer> {
  const folder = mkdtempSync(join(tmpdir(), "aws-kms-"));
  const path = join(folder, "test.kms");
  const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
  const root = keystore.as();
  const requests: SentRequest[] = [];
  const sockets = new Set<Socket>();
  let waiting: (() => void)[] = [];
  let fault: AwsKmsFault | undefined;
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
    const sent = await read(request);
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
      const { status, body, type } = active;
      send(response, status, body, type);
      return;
    }
    try {
      const answer = await answerOf(root, sent);
      const altered = active?.kind === "alter" ? active.alter(answer, sent.operation) : answer;
      send(response, 200, JSON.stringify(altered));
    } catch (error) {
      const { name, message } = error as Error;
      const { status, body } = awsError(name, message) as AwsKmsFault & { kind: "answer" };
      send(response, status, body);
    }
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

  async function close(): Promise<void> {
    if (server.listening) await cut();
    waiting = [];
    keystore.close();
    rmSync(folder, { recursive: true });
  }

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
    cut,
    close,
    [Symbol.asyncDispose]: close,
  };
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

function send(response: ServerResponse, status: number, body: string, type?: string): void {
  response.writeHead(status, {
    "content-type": type ?? "application/x-amz-json-1.1",
    "x-amzn-requestid": "11111111-2222-4333-8444-555555555555",
  });
  response.end(body);
}

async function read(request: IncomingMessage): Promise<SentRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const target = String(request.headers["x-amz-target"]);
  return {
    operation: target.slice("TrentService.".length),
    body: JSON.parse(Buffer.concat(chunks).toString()) as Body,
    userAgent: String(request.headers["user-agent"]),
  };
}

const blobs = ["Plaintext", "CiphertextBlob"];

/** What the keystore answers. */
async function answerOf(root: KmsClient, { operation, body }: SentRequest): Promise<Body> {
  // A grant token adds permissions to a caller who has them all here.
  const { GrantTokens: _, DryRunModifiers, ...input } = body;
  for (const name of blobs) {
    if (typeof input[name] === "string") input[name] = new Uint8Array(fromBase64(input[name]));
  }
  if (DryRunModifiers !== undefined) input["CiphertextBlob"] = await anyCiphertext(root, input);
  const method = `${operation.slice(0, 1).toLowerCase()}${operation.slice(1)}` as keyof KmsClient;
  const call = root[method] as unknown as (request: Body) => Promise<Body>;
  return forJson(await call.call(root, input));
}

/** The keystore has no dry run without a ciphertext: it gets one of the key in question. */
async function anyCiphertext(root: KmsClient, input: Body): Promise<Uint8Array> {
  const { CiphertextBlob } = await root.encrypt({
    KeyId: (input["KeyId"] ?? input["SourceKeyId"]) as string,
    EncryptionContext: (input["EncryptionContext"] ?? input["SourceEncryptionContext"]) as {},
    Plaintext: new Uint8Array(1),
  });
  return CiphertextBlob;
}

/** Bytes as base64, dates as seconds. */
function forJson(answer: Body): Body {
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => {
      if (value instanceof Uint8Array) return [name, Buffer.from(value).toString("base64")];
      if (value instanceof Date) return [name, value.getTime() / 1000];
      const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
      return [name, isMap ? forJson(value as Body) : value];
    }),
  );
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, "base64");
}
