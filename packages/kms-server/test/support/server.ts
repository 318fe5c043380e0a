/** Servers on free ports of this machine, and clients of AWS for them. */
import { KMS, type KMSClientConfig } from "@aws-sdk/client-kms";
import type { Keystore, KmsClient } from "@env/kms";
import { tempKeystore } from "../../../kms/test/support/keystore.ts";
import { onTestFinished } from "vitest";
import { createKmsServer, type KmsServer, type KmsServerOptions } from "../../src/index.ts";

export interface Started {
  readonly server: KmsServer;
  readonly url: string;
  readonly keystore: Keystore;
  /** The account's root, in process. */
  readonly owner: KmsClient;
}

/** A server over a new keystore, or the one given, that ends with the test. */
export async function startedServer(
  options: KmsServerOptions = {},
  given?: Keystore,
): Promise<Started> {
  const keystore = given ?? (await tempKeystore()).keystore;
  const server = createKmsServer(keystore, { port: 0, ...options });
  const url = await server.listen();
  onTestFinished(() => server.close());
  return { server, url, keystore, owner: keystore.as() };
}

/** Credentials as the SDK wants them. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A server whose callers sign, and an access key of the account's root. */
export async function strictServer(
  options: KmsServerOptions = {},
  given?: Keystore,
): Promise<Started & { readonly credentials: Credentials }> {
  const started = await startedServer({ auth: "strict", ...options }, given);
  return { ...started, credentials: await started.keystore.iam.accessKeys.create("root") };
}

/** The SDK's client, which tries each call once. */
export function sdk(url: string, config: KMSClientConfig = {}): KMS {
  const client = new KMS({
    endpoint: url,
    region: "local",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
    ...config,
  });
  onTestFinished(() => client.destroy());
  return client;
}

/** The operations that a client calls from now on. */
export function commandsOf({
  middlewareStack,
}: {
  readonly middlewareStack: Pick<KMS["middlewareStack"], "add">;
}): ReadonlySet<string> {
  const called = new Set<string>();
  middlewareStack.add(
    (next, { commandName = "" }) =>
      (args) => {
        called.add(commandName.replace(/Command$/, ""));
        return next(args);
      },
    { step: "initialize" },
  );
  return called;
}

/** A request of the protocol without a signature. */
export function post(
  url: string,
  operation: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `TrentService.${operation}`,
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
