/** A client that is not the SDK: gRPC with nothing around it. */
import { createRequire } from "node:module";
import { credentials, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { fromJSON, type ServiceDefinition } from "@grpc/proto-loader";
import { onTestFinished } from "vitest";
import {
  startGcpKmsServer,
  type GcpKmsServer,
  type GcpKmsServerOptions,
  type Message,
} from "../../../src/gcp-kms/index.ts";

const protos = createRequire(import.meta.url)("@google-cloud/kms/build/protos/protos.json");
const definition = fromJSON(protos, { longs: String, enums: String, defaults: true })[
  "google.cloud.kms.v1.KeyManagementService"
] as ServiceDefinition;
const KeyManagementService = makeClientConstructor(definition, "KeyManagementService");

export type Call = (method: string, request: Message, deadlineMs?: number) => Promise<Message>;

/** A server that goes away with the test, and a way to call it. */
export async function testServer(
  options: GcpKmsServerOptions = {},
): Promise<{ server: GcpKmsServer; call: Call }> {
  const server = await startGcpKmsServer(options);
  const client = new KeyManagementService(`127.0.0.1:${server.port}`, credentials.createInsecure());
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  const call: Call = (method, request, deadlineMs = 600_000) =>
    new Promise((resolve, reject) => {
      const unary = client[method] as (...parameters: unknown[]) => unknown;
      const deadline = Date.now() + deadlineMs;
      unary.call(client, request, { deadline }, (error: ServiceError | null, answer?: Message) => {
        if (answer === undefined) reject(error);
        else resolve(answer);
      });
    });
  return { server, call };
}

/** Code and text of a refusal. */
export async function refusal(answer: Promise<unknown>): Promise<readonly [number, string]> {
  const error: unknown = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error && "code" in error && "details" in error) {
    return [Number(error.code), String(error.details)];
  }
  throw new Error("it was not refused", { cause: error });
}
