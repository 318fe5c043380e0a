/**
 * What goes wrong on the way: each fault has its code, ends in bounded time, shows no secret, and
 * leaves nothing behind.
 */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { KmsFailureCode } from "@env/core/driver";
import {
  context,
  failing,
  operations,
  secretsOf,
  watchRejections,
  type Operation,
  type Setup,
} from "@env/test-servers/failure";
import {
  gcpKmsDenial,
  gcpKmsFaults,
  startGcpKmsServer,
  type GcpKmsFault,
  type GcpKmsServer,
  type GcpStatus,
} from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { gcpKms } from "../src/index.ts";
import { restClient } from "./support/sdk.ts";

const html = "<html><body>SECRET blocked by proxy</body></html>";

const encrypting = ["generate", "wrap"] as const;
const decrypting = ["unwrap", "rewrap"] as const;

interface FaultCase {
  readonly what: string;
  readonly fault: GcpKmsFault;
  readonly code: KmsFailureCode;
  /** Of the cause. */
  readonly name: string;
  /** Calls that the SDK makes, one where it is to see no use in another. Not told where time decides. */
  readonly calls?: number;
  /** Default: all. */
  readonly only?: readonly Operation[];
}

const status = (code: GcpStatus, message = "SECRET"): GcpKmsFault => ({
  kind: "status",
  status: code,
  message,
});
const version = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const state = (name: string): GcpKmsFault =>
  status("FAILED_PRECONDITION", `${version} is not enabled, current state is: ${name}.`);

const faults: readonly FaultCase[] = [
  {
    what: "throttled",
    fault: gcpKmsFaults.throttled,
    code: "ERR_ENVELOPE_KMS_THROTTLED",
    name: "RESOURCE_EXHAUSTED",
    calls: 1,
  },
  {
    what: "unavailable",
    fault: gcpKmsFaults.unavailable,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UNAVAILABLE",
    calls: 2,
  },
  ...(["INTERNAL", "UNKNOWN", "ABORTED", "CANCELLED"] as const).map((name) => ({
    what: `an answer of ${name}`,
    fault: status(name),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE" as const,
    name,
    calls: 1,
  })),
  {
    what: "too late inside of Cloud KMS, which is not repeated",
    fault: status("DEADLINE_EXCEEDED"),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "DEADLINE_EXCEEDED",
    calls: 1,
  },
  {
    what: "a connection reset in the answer",
    fault: gcpKmsFaults.reset,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "UNAVAILABLE",
  },
  {
    what: "no answer",
    fault: gcpKmsFaults.stall,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "TimeoutError",
    calls: 1,
  },
  {
    what: "expired credentials",
    fault: gcpKmsFaults.unauthenticated,
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "UNAUTHENTICATED",
    calls: 1,
  },
  {
    what: "a denied call",
    fault: gcpKmsDenial("cloudkms.cryptoKeyVersions.useToEncrypt", version),
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    name: "PERMISSION_DENIED",
    calls: 1,
  },
  ...["DISABLED", "DESTROY_SCHEDULED", "DESTROYED"].map((name) => ({
    what: `a version that is ${name}`,
    fault: state(name),
    code: "ERR_ENVELOPE_KMS_KEY_STATE" as const,
    name: "FAILED_PRECONDITION",
    calls: 1,
  })),
  {
    what: "a version in the making",
    fault: state("PENDING_GENERATION"),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "FAILED_PRECONDITION",
    calls: 1,
  },
  {
    what: "a missing key",
    fault: status("NOT_FOUND", "CryptoKey SECRET not found."),
    code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    name: "NOT_FOUND",
    calls: 1,
  },
  {
    what: "a key of another purpose",
    fault: status("INVALID_ARGUMENT", "The purpose of the key is SECRET."),
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    name: "WrongPurpose",
    calls: 1,
  },
  {
    what: "a request that is wrong",
    fault: status("INVALID_ARGUMENT"),
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "INVALID_ARGUMENT",
    calls: 1,
    only: encrypting,
  },
  {
    what: "altered bytes",
    fault: status("INVALID_ARGUMENT"),
    code: "ERR_ENVELOPE_KMS_REJECTED",
    name: "DecryptionFailed",
    calls: 1,
    only: decrypting,
  },
  {
    what: "bytes altered on the way there",
    fault: status("INVALID_ARGUMENT", "The checksum in field SECRET did not match the data."),
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "IntegrityMismatch",
    calls: 1,
  },
  {
    what: "bytes altered on the way back",
    fault: gcpKmsFaults.corruptCrc32c,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "IntegrityMismatch",
    calls: 1,
  },
  {
    what: "checksums that did not arrive",
    fault: gcpKmsFaults.unverified,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "IntegrityMismatch",
    calls: 1,
    only: encrypting,
  },
  {
    what: "an answer for another key",
    fault: gcpKmsFaults.otherName,
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "IntegrityMismatch",
    calls: 1,
    only: encrypting,
  },
  {
    what: "an answer without anything",
    fault: { kind: "alter", alter: () => ({}) },
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    name: "IntegrityMismatch",
    calls: 1,
  },
  {
    what: "a method that nobody serves",
    fault: status("UNIMPLEMENTED"),
    code: "ERR_ENVELOPE_KMS_ERROR",
    name: "UNIMPLEMENTED",
    calls: 1,
  },
];

async function open(
  transport: "grpc" | "rest",
  timeout?: number,
): Promise<Setup & { readonly server: GcpKmsServer }> {
  const server = await startGcpKmsServer();
  onTestFinished(() => server.close());
  const key = server.createKey();
  const maxAttempts = 2;
  let cmk: Setup["cmk"];
  if (transport === "rest") {
    const client = restClient(server.restPort);
    onTestFinished(() => client.close());
    cmk = gcpKms({ client, key, maxAttempts, timeout });
  } else {
    cmk = gcpKms({ key, endpoint: server.endpoint, maxAttempts, timeout });
  }
  onTestFinished(() => cmk.close());
  await using writer = gcpKms({ key, endpoint: server.endpoint });
  const { dataKey, entry } = await writer.generateDataKey({ context });
  return {
    server,
    cmk,
    entry,
    secrets: ["SECRET", "U0VDUkVU", ...secretsOf(dataKey, entry)],
  };
}

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  describe.each(faults)("$what", ({ fault, code, name, calls, only = operations }) => {
    it.each(only)(`is ${code}: %s`, async (operation) => {
      const unhandled = watchRejections();
      const setup = await open(transport, fault.kind === "stall" ? 1000 : undefined);
      const { server, cmk } = setup;
      server.fail(fault);
      const sent = server.calls.length;
      const error = await failing(setup, operation);
      expect(error).toMatchObject({ code, cause: { name } });
      if (calls !== undefined) expect(server.calls.length - sent).toBe(calls);
      await cmk.close();
      if (transport === "grpc") await server.disconnected();
      expect(unhandled).not.toHaveBeenCalled();
    });
  });

  it("is refused a connection: unavailable, whatever is called", async () => {
    const setup = await open(transport);
    await setup.server.close();
    for (const operation of operations) {
      const error = await failing(setup, operation);
      expect(error).toMatchObject({
        code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
        retryable: true,
        cause: { name: "UNAVAILABLE" },
      });
    }
  });

  it("refuses an answer whose data key has another length", async () => {
    const setup = await open(transport);
    setup.server.fail(gcpKmsFaults.shortPlaintext);
    // What was wrapped may be no data key: that is no fault of Cloud KMS.
    expect(await failing(setup, "unwrap")).toMatchObject({
      code: "ERR_ENVELOPE_KMS_REJECTED",
    });
  });

  it("ends with the caller's signal, and the call with it", async () => {
    const { server, cmk, entry } = await open(transport);
    server.fail(gcpKmsFaults.stall);
    const controller = new AbortController();
    const reason = new Error("the caller has left");
    const arrived = server.nextCall();
    const call = rejection(cmk.unwrapDataKey(entry, { context, signal: controller.signal }));
    await arrived;
    controller.abort(reason);
    expect(await call).toBe(reason);
  });
});

it("makes as many attempts as it may, and says what the last one met", async () => {
  const server = await startGcpKmsServer();
  onTestFinished(() => server.close());
  server.fail(gcpKmsFaults.unavailable);
  await using cmk = gcpKms({ key: server.createKey(), endpoint: server.endpoint });
  const error = await rejection(cmk.generateDataKey({ context }));
  expect(error).toMatchObject({ cause: { name: "UNAVAILABLE" } });
  expect(server.calls).toHaveLength(3);
});

it("takes no answer of more than 64 KiB", async () => {
  const setup = await open("grpc");
  const padding = Buffer.alloc(64 * 1024, "SECRET");
  setup.server.fail({
    kind: "alter",
    alter: (answer) => ({ ...answer, ciphertext: padding, plaintext: padding }),
  });
  for (const operation of operations) {
    const error = await failing(setup, operation);
    expect(error).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      cause: { name: "UnreadableAnswer" },
    });
  }
});

describe("a proxy", () => {
  const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  const entry = { provider: "gcp-kms", keyId: key, wrapped: new Uint8Array(113) };

  it.each([200, 302, 403, 404, 407, 500, 502])(
    "that answers gRPC with HTML and %i is told as unavailable",
    async (httpStatus) => {
      const sessions = new Set<ServerHttp2Session>();
      const proxy = createHttp2Server().on("session", (session) => sessions.add(session));
      proxy.on("stream", (stream) => {
        stream.respond({ ":status": httpStatus, "content-type": "text/html" });
        stream.end(html);
      });
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      const { port } = proxy.address() as AddressInfo;
      await using cmk = gcpKms({ key, endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1 });
      for (const operation of ["generate", "unwrap"] as const) {
        const error = await failing({ cmk, entry, secrets: ["SECRET"] }, operation);
        expect(error.code).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
        expect(error.cause).toMatchObject({ name: "UnreadableAnswer" });
      }
      await cmk.close();
      for (const session of sessions) session.destroy();
      proxy.close();
    },
  );

  it("that does not speak HTTP/2 is reported as unavailable", async () => {
    const proxy = createHttpServer((_, response) => response.end(html));
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as AddressInfo;
    await using cmk = gcpKms({ key, endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1 });
    const error = await failing({ cmk, entry, secrets: ["SECRET"] }, "generate");
    expect(error.code).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
    proxy.close();
    proxy.closeAllConnections();
  });

  it.each([200, 400, 403, 404, 502])(
    "that answers REST with HTML and %i is told as unavailable",
    async (httpStatus) => {
      const proxy = createHttpServer((_, response) => {
        response.writeHead(httpStatus, { "content-type": "text/html" }).end(html);
      });
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      const { port } = proxy.address() as AddressInfo;
      const client = restClient(port);
      const cmk = gcpKms({ key, client, maxAttempts: 1 });
      for (const operation of ["generate", "unwrap"] as const) {
        const error = await failing({ cmk, entry, secrets: ["SECRET"] }, operation);
        expect(error.code).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
        expect(error.cause).toMatchObject({ name: "UnreadableAnswer" });
      }
      await client.close();
      proxy.close();
      proxy.closeAllConnections();
    },
  );
});
