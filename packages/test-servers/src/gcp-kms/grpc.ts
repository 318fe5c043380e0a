/**
 * The gRPC interface, from the description that `@google-cloud/kms` ships.
 *
 * @module
 */
import { createRequire } from "node:module";
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { fromJSON, type ServiceDefinition } from "@grpc/proto-loader";
import { Listener } from "../listener.ts";
import { methods, type Message } from "./methods.ts";
import type { Dispatch } from "./outcome.ts";

/** A listener, not open yet. */
export function grpcListener(dispatch: Dispatch): Listener {
  const server = new Server();
  const answer = (
    method: string,
    call: ServerUnaryCall<Message, Message>,
    callback: sendUnaryData<Message>,
  ): void => {
    const routing = call.metadata.get("x-goog-request-params")[0];
    const outcome = dispatch(method, call.request, routing?.toString());
    if (outcome.kind === "answer") callback(null, outcome.answer);
    else if (outcome.kind === "status") {
      callback({ code: status[outcome.status], details: outcome.message });
    } else if (outcome.kind === "reset") {
      call.sendMetadata(new Metadata());
      const port = Number(call.getPeer().replace(/^.*:/, ""));
      // After the headers have left.
      setImmediate(() => listener.from(port)?.resetAndDestroy());
    }
  };
  const implementation = Object.fromEntries(
    Object.keys(methods).map((method) => [
      method,
      (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) =>
        answer(method, call, callback),
    ]),
  );
  server.addService(keyManagementService(), implementation);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = new Listener((socket) => injector.injectConnection(socket));
  return listener;
}

let service: ServiceDefinition | undefined;

function keyManagementService(): ServiceDefinition {
  service ??= loadService();
  return service;
}

function loadService(): ServiceDefinition {
  const require = createRequire(import.meta.url);
  const definition = fromJSON(require("@google-cloud/kms/build/protos/protos.json"), {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  })["google.cloud.kms.v1.KeyManagementService"];
  if (definition === undefined || "format" in definition) {
    throw new Error("@google-cloud/kms ships no description of KeyManagementService");
  }
  return definition;
}
