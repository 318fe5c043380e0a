/** A server that goes away with the test, and a caller of it that has no client in between. */
import { onTestFinished } from "vitest";
import {
  startTransitServer,
  type TransitServer,
  type TransitServerOptions,
} from "../../src/transit/index.ts";

export async function open(options?: TransitServerOptions): Promise<TransitServer> {
  const server = await startTransitServer(options);
  onTestFinished(() => server.close());
  return server;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `data`, `warnings`, `errors`, … */
  readonly body: Record<string, unknown>;
  readonly data: Record<string, unknown>;
}

export async function call(
  server: TransitServer,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = { "x-vault-token": server.rootToken },
): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method,
    headers,
    redirect: "manual",
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get("content-type") === "application/json" && text !== "";
  const parsed = (json ? JSON.parse(text) : {}) as Record<string, unknown>;
  const data = (parsed["data"] ?? {}) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, text, body: parsed, data };
}

export const post = (server: TransitServer, path: string, body: unknown = {}): Promise<Answer> =>
  call(server, "POST", path, body);

export const base64 = (text: string): string => Buffer.from(text).toString("base64");
