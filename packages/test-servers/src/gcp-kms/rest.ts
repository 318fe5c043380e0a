/**
 * The REST interface.
 *
 * Source: the google.api.http options in google/cloud/kms/v1/service.proto
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { fromJson, isMessage, toJson } from "./json.ts";
import { Listener } from "../listener.ts";
import type { Message } from "./methods.ts";
import type { Dispatch, Outcome } from "./outcome.ts";
import { httpStatus } from "./status.ts";

interface Route {
  readonly method: string;
  readonly verb: "GET" | "POST" | "PATCH";
  /** Path after `/v1/`; the group is the resource. */
  readonly path: RegExp;
  /** Makes the message of resource, query and body. */
  readonly request: (resource: string, query: URLSearchParams, body: Message) => Message;
}

const named = (name: string, _: URLSearchParams, body: Message): Message => ({ ...body, name });
const inside = (parent: string): Message => ({ parent });

const routes: readonly Route[] = [
  route("Encrypt", "POST", "(.+):encrypt", named),
  route("Decrypt", "POST", "(.+):decrypt", named),
  route("UpdateCryptoKeyPrimaryVersion", "POST", "(.+):updatePrimaryVersion", named),
  route("DestroyCryptoKeyVersion", "POST", "(.+):destroy", named),
  route("RestoreCryptoKeyVersion", "POST", "(.+):restore", named),
  route("GenerateRandomBytes", "POST", "(.+):generateRandomBytes", (location, _, body) => ({
    ...body,
    location,
  })),
  route("CreateKeyRing", "POST", "(.+)/keyRings", (parent, query) => ({
    parent,
    keyRingId: query.get("keyRingId"),
  })),
  route("CreateCryptoKey", "POST", "(.+)/cryptoKeys", (parent, query, cryptoKey) => ({
    parent,
    cryptoKey,
    cryptoKeyId: query.get("cryptoKeyId"),
    skipInitialVersionCreation: query.get("skipInitialVersionCreation") === "true",
  })),
  route("CreateCryptoKeyVersion", "POST", "(.+)/cryptoKeyVersions", inside),
  route("UpdateCryptoKeyVersion", "PATCH", "(.+/cryptoKeyVersions/[0-9]+)", (name, _, body) => ({
    cryptoKeyVersion: { ...body, name },
  })),
  route("ListKeyRings", "GET", "(.+)/keyRings", inside),
  route("ListCryptoKeys", "GET", "(.+)/cryptoKeys", inside),
  route("ListCryptoKeyVersions", "GET", "(.+)/cryptoKeyVersions", inside),
  route("GetCryptoKeyVersion", "GET", "(.+/cryptoKeyVersions/[^/]+)", named),
  route("GetCryptoKey", "GET", "(.+/cryptoKeys/[^/]+)", named),
  route("GetKeyRing", "GET", "(.+/keyRings/[^/]+)", named),
];

/** A listener, not open yet. */
export function restListener(dispatch: Dispatch): Listener {
  const server = createServer((request, response) => {
    outcomeOf(request, dispatch).then(
      (outcome) => answer(response, outcome),
      () => response.destroy(), // The client left while it was sending.
    );
  });
  return new Listener((socket) => server.emit("connection", socket));
}

async function outcomeOf(request: IncomingMessage, dispatch: Dispatch): Promise<Outcome> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  let body: unknown;
  try {
    body = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return {
      kind: "status",
      status: "INVALID_ARGUMENT",
      message: "Invalid JSON payload received.",
    };
  }
  const call = routed(request.method, url, fromJson(isMessage(body) ? body : {}));
  if (call === undefined) {
    return { kind: "status", status: "NOT_FOUND", message: "The requested URL was not found." };
  }
  return dispatch(call.method, call.request);
}

function answer(response: ServerResponse, outcome: Outcome): void {
  const type = { "content-type": "application/json; charset=UTF-8" };
  if (outcome.kind === "answer") {
    response.writeHead(200, type).end(JSON.stringify(toJson(outcome.answer)));
  } else if (outcome.kind === "status") {
    const { status, message } = outcome;
    const code = httpStatus[status];
    response.writeHead(code, type).end(JSON.stringify({ error: { code, message, status } }));
  } else if (outcome.kind === "reset") {
    response.writeHead(200, { ...type, "content-length": 1000 }).write("{");
    setImmediate(() => response.socket?.resetAndDestroy());
  }
}

function routed(
  verb: string | undefined,
  url: URL,
  body: Message,
): { readonly method: string; readonly request: Message } | undefined {
  const path = decodeURIComponent(url.pathname);
  for (const each of routes) {
    const resource = verb === each.verb ? each.path.exec(path)?.[1] : undefined;
    if (resource !== undefined) {
      return { method: each.method, request: each.request(resource, url.searchParams, body) };
    }
  }
  return undefined;
}

function route(
  method: string,
  verb: Route["verb"],
  path: string,
  request: Route["request"],
): Route {
  return { method, verb, path: new RegExp(`^/v1/${path}$`), request };
}
