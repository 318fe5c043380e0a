/** A server with a console, and a browser as far as its requests go. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { SignatureV4 } from "@smithy/signature-v4";
import type { ConsoleCalls, ConsoleSession, KmsServerOptions } from "../../src/index.ts";
import { strictServer, type Credentials, type Started } from "./server.ts";
import { Sha256 } from "./signing.ts";

/** A folder as Vite makes it. */
export function builtPages(): string {
  const folder = tempFolder();
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>console</title>");
  writeFileSync(join(folder, "assets", "index-a1.js"), "export {};".repeat(100));
  writeFileSync(join(folder, "secret.txt"), "not an asset");
  return folder;
}

export interface SignedFetch {
  readonly url: string;
  readonly method?: string;
  readonly service?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly credentials: Credentials & { readonly sessionToken?: string };
}

export async function signedFetch(request: SignedFetch): Promise<Response> {
  const { url, method = "POST", body = "" } = request;
  const headers = await signedHeaders(request);
  return fetch(url, { method, headers, ...(body === "" ? {} : { body }) });
}

export async function signedHeaders({
  url,
  method = "POST",
  service = "kms",
  headers = {},
  body = "",
  credentials,
}: SignedFetch): Promise<Record<string, string>> {
  const { host, hostname, pathname, protocol } = new URL(url);
  const sha256 = Sha256 as never;
  const signer = new SignatureV4({ service, region: "local", credentials, sha256 });
  const request = { method, protocol, hostname, path: pathname, query: {}, body };
  return (await signer.sign({ ...request, headers: { host, ...headers } })).headers;
}

export interface Page extends Started {
  readonly credentials: Credentials;
  /** Asks for the session. */
  session(method: string, headers?: Record<string, string>): Promise<Response>;
  signIn(key?: Credentials, headers?: Record<string, string>): Promise<Response>;
}

export async function startedConsole(options: Partial<KmsServerOptions> = {}): Promise<Page> {
  const started = await strictServer({ console: { folder: builtPages() }, ...options });
  const url = `${started.url}/console/session`;
  return {
    ...started,
    session: (method, headers = {}) => fetch(url, { method, headers }),
    signIn: (credentials = started.credentials, headers = {}) =>
      signedFetch({ url, service: "sts", credentials, headers }),
  };
}

/** The cookie of an answer as a browser sends it back. */
export function cookieFrom(response: Response): string {
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

export async function sessionFrom(response: Response): Promise<ConsoleSession> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The server's types say so.
  return (await response.json()) as ConsoleSession;
}

/** A call of the console's own, by somebody. */
export async function own(
  url: string,
  credentials: SignedFetch["credentials"],
  name: keyof ConsoleCalls,
  request: unknown,
): Promise<{ readonly status: number; readonly answer: Record<string, unknown> }> {
  const response = await signedFetch({
    url,
    credentials,
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `EnvelopeConsole.${name}`,
    },
    body: JSON.stringify(request),
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}
