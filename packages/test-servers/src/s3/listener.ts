/**
 * The HTTP side: reads requests, checks who sends them, writes answers, and fails as a hook demands.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Listener } from "../listener.ts";
import { decodeBody } from "./body.ts";
import { answer, errorAnswer, type Answer } from "./answer.ts";
import type { Call, Site } from "./call.ts";
import { S3Error } from "./error.ts";
import type { S3Fault, S3Hook, S3Request } from "./faults.ts";
import { operationOf, perform } from "./operations.ts";
import type { Headers } from "./properties.ts";
import { verifySignature, type S3Credentials } from "./signature.ts";

/** A record that is filled in while the request is served. */
type Recorded = { -readonly [Field in keyof S3Request]: S3Request[Field] };

export interface Service {
  readonly site: Site;
  readonly credentials: S3Credentials;
  /** Keeps the record of a request that arrived. */
  record(request: S3Request): void;
  readonly hook: S3Hook | undefined;
}

/** The request ended because a fault says so. */
class Interrupted extends Error {}

/** A listener, not open yet. */
export function s3Listener(service: Service): Listener {
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    serve(service, request, response).catch((error: unknown) => {
      // The client left, or a fault interrupted it. Anything else is a mistake in this server.
      if (error instanceof Interrupted || request.destroyed) return;
      response.destroy(error instanceof Error ? error : undefined);
      throw error;
    });
  });
  server.keepAliveTimeout = 0; // What a client leaves open stays open.
  return new Listener((socket) => server.emit("connection", socket));
}

async function serve(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Of clients that leave.
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  const { method = "" } = request;
  const headers = headersOf(request);
  const { path, query } = addressOf(request);
  const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  const recorded: Recorded = {
    operation: operationOf({ method, bucket, key, query, headers }),
    method,
    bucket,
    key,
    query: Object.fromEntries(query),
    range: headers["range"],
    headers,
    received: 0,
    status: undefined,
    sent: 0,
  };
  service.record(recorded);
  const fault = (await service.hook?.(recorded)) ?? undefined;
  interrupt(fault, "arrived", request);
  const raw = await receive(request, recorded, fault);

  const requestId = randomBytes(8).toString("hex").toUpperCase();
  let result: Answer;
  try {
    if (fault?.kind === "answer" && fault.at !== "handled") throw new S3Error(fault.code);
    const signer = verifySignature({ method, path, query, headers }, service.credentials);
    if (recorded.operation === undefined) throw new S3Error("MethodNotAllowed");
    const { body, trailers } = decodeBody(headers, raw, signer);
    checkFraming(headers);
    const call: Call = {
      site: service.site,
      bucket,
      key,
      query,
      headers: { ...fromQuery(query), ...headers, ...trailers },
      body,
    };
    result = perform(recorded.operation, call);
    if (fault?.kind === "answer") throw new S3Error(fault.code);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    result = errorAnswer(error, requestId);
    if (fault?.kind === "answer" && fault.status !== undefined) {
      result = { ...result, status: fault.status };
    }
  }
  interrupt(fault, "handled", request);
  recorded.status = result.status;
  send(response, requestId, method === "HEAD" ? withoutBody(result) : result, recorded, fault);
}

/** @throws Interrupted if the fault is for this moment. */
function interrupt(
  fault: S3Fault | undefined,
  moment: "arrived" | "receiving" | "handled" | "sending",
  request: IncomingMessage,
): void {
  if (fault === undefined || fault.kind === "answer" || fault.at !== moment) return;
  if (fault.kind === "reset") request.socket.resetAndDestroy();
  throw new Interrupted();
}

async function receive(
  request: IncomingMessage,
  recorded: Recorded,
  fault: S3Fault | undefined,
): Promise<Buffer> {
  const limit = fault?.kind !== "answer" && fault?.at === "receiving" ? fault.bytes : Infinity;
  // Where the length is known, the body is copied once, into the buffer that is kept.
  const length = Number(request.headers["content-length"] ?? NaN);
  const whole = Number.isNaN(length) ? undefined : Buffer.allocUnsafeSlow(length);
  const chunks: Buffer[] = [];
  // Not an iterator: one would close the connection that is to hang.
  await new Promise<void>((resolve, reject) => {
    if (request.destroyed) reject(new Interrupted()); // While the hook waited.
    request.on("data", (chunk: Buffer) => {
      whole?.set(chunk, recorded.received);
      if (whole === undefined) chunks.push(chunk);
      recorded.received += chunk.length;
      if (recorded.received < limit) return;
      request.pause();
      try {
        interrupt(fault, "receiving", request);
      } catch (error) {
        reject(error instanceof Error ? error : new Interrupted());
      }
    });
    request.on("end", resolve);
    request.on("error", reject);
    request.on("close", () => {
      if (!request.complete) reject(new Interrupted());
    });
  });
  return whole ?? Buffer.concat(chunks);
}

function send(
  response: ServerResponse,
  requestId: string,
  { status, headers, body }: Answer,
  recorded: Recorded,
  fault: S3Fault | undefined,
): void {
  const length = body.reduce((sum, piece) => sum + piece.length, 0);
  response.sendDate = true;
  response.writeHead(status, {
    "x-amz-request-id": requestId,
    "x-amz-id-2": "host",
    server: "AmazonS3",
    ...(status !== 204 && status !== 304 && { "content-length": String(length) }),
    ...headers,
  });
  const cut = fault !== undefined && fault.kind !== "answer" && fault.at === "sending";
  let left = cut ? fault.bytes : Infinity;
  for (const piece of body) {
    const part = piece.subarray(0, left);
    if (part.length > 0) response.write(part);
    recorded.sent += part.length;
    left -= part.length;
  }
  if (!cut) {
    response.end();
    return;
  }
  response.flushHeaders();
  if (fault.kind === "reset") {
    // What was written must have left before the reset, which discards what is still here.
    response.write("", () => setImmediate(() => response.socket?.resetAndDestroy()));
  }
}

function withoutBody({ status, headers, body }: Answer): Answer {
  const length = body.reduce((sum, piece) => sum + piece.length, 0);
  const own = length > 0 ? { "content-length": String(length) } : {};
  return answer(status, { ...own, ...headers });
}

/** Not a URL, which would take `..` in a key for a folder. What is not well encoded stays as it is. */
function addressOf({ url = "/" }: IncomingMessage): {
  readonly path: string;
  readonly query: URLSearchParams;
} {
  const [, raw = "", search] = /^([^?]*)(.*)$/s.exec(url) ?? [];
  const query = new URLSearchParams(search);
  try {
    return { path: decodeURIComponent(raw), query };
  } catch {
    return { path: raw, query };
  }
}

function headersOf({ headers }: IncomingMessage): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(",") : (value ?? ""),
    ]),
  );
}

/**
 * The headers that a presigned URL carries in its query. A checksum there counts for nothing, as it does with S3:
 * the SDK's is that of an empty body.
 *
 * Source: https://github.com/localstack/localstack/issues/12169
 */
function fromQuery(query: URLSearchParams): Headers {
  const named = [...query]
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => /^x-amz-(?!sdk-checksum-|checksum-(?:crc|sha))/.test(name));
  return Object.fromEntries(named);
}

/** S3 does not take bodies of unknown length. */
function checkFraming(headers: Headers): void {
  if (headers["transfer-encoding"] === undefined) return;
  if (headers["x-amz-decoded-content-length"] !== undefined) return;
  throw new S3Error("NotImplemented", undefined, { Header: "Transfer-Encoding" });
}
