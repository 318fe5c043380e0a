/**
 * What goes wrong on the way, with a client of the adapter's own: each fault has its code, ends in
 * bounded time, shows no secret, and leaves nothing behind.
 */
import { inspect } from "node:util";
import type { KmsFailureCode } from "@env/core/driver";
import {
  context,
  failing,
  operations,
  secretsOf,
  watchRejections,
  type Setup,
} from "@env/test-servers/failure";
import { transitFaults, type TransitFault, type TransitServer } from "@env/test-servers/transit";
import { rejection } from "@env/testkit/refusal";
import { until } from "@env/testkit/turns";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { vaultTransit, type VaultTransitMode } from "../src/index.ts";
import { testServer, withoutConfiguration } from "./support/server.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

function refusal(status: number, ...errors: string[]): TransitFault {
  return { kind: "answer", status, body: JSON.stringify({ errors }) };
}
function page(status: number): TransitFault {
  return { kind: "answer", status, body: "<html>SECRET</html>", type: "text/html" };
}
function body(value: unknown): TransitFault {
  return { kind: "answer", status: 200, body: JSON.stringify(value) };
}

const faults: readonly [what: string, TransitFault, KmsFailureCode, name: string][] = [
  ["throttled", transitFaults.rateLimited, "ERR_ENVELOPE_KMS_THROTTLED", "Throttled"],
  ["throttled by a load balancer", page(429), "ERR_ENVELOPE_KMS_THROTTLED", "Throttled"],
  ["sealed", transitFaults.sealed, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Sealed"],
  [
    "a sealed namespace",
    refusal(503, "namespace is sealed"),
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Sealed",
  ],
  [
    "a standby without a leader",
    transitFaults.noLeader,
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Unavailable",
  ],
  ["a node not active", transitFaults.notActive, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Unavailable"],
  ["a node behind", transitFaults.inconsistent, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Inconsistent"],
  ["a standby of a second site", refusal(473, ""), "ERR_ENVELOPE_KMS_UNAVAILABLE", "Unavailable"],
  ["an internal error", transitFaults.internal, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Unavailable"],
  ["a page from a load balancer", page(502), "ERR_ENVELOPE_KMS_UNAVAILABLE", "Unavailable"],
  [
    "a standby that sends elsewhere",
    { kind: "standby", leader: "http://127.0.0.1:1" },
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Redirected",
  ],
  [
    "a login page to go to",
    { kind: "standby", leader: "http://127.0.0.1:1", status: 302 },
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Redirected",
  ],
  ["no answer", transitFaults.stall, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Timeout"],
  ["half an answer", { kind: "stall", midBody: true }, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Timeout"],
  ["a connection that ends", transitFaults.drop, "ERR_ENVELOPE_KMS_UNAVAILABLE", "Unreachable"],
  [
    "a connection that ends in the answer",
    { kind: "drop", midBody: true },
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Unreachable",
  ],
  [
    "HTML from a proxy, as success",
    transitFaults.html,
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "UnreadableAnswer",
  ],
  ["HTML from a proxy, forbidden", page(403), "ERR_ENVELOPE_KMS_UNAVAILABLE", "UnreadableAnswer"],
  [
    "more than an answer has",
    transitFaults.oversized,
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "UnreadableAnswer",
  ],
  [
    "JSON cut short",
    { kind: "answer", status: 200, body: '{"data":{"plaintext":"SECRET' },
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "UnreadableAnswer",
  ],
  ["JSON of another service", body(["SECRET"]), "ERR_ENVELOPE_KMS_UNAVAILABLE", "UnreadableAnswer"],
  [
    "an error of another service",
    { kind: "answer", status: 404, body: '{"message":"SECRET"}' },
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "UnreadableAnswer",
  ],
  [
    "denied",
    refusal(403, "1 error occurred:\n\t* permission denied\n\n"),
    "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    "AccessDenied",
  ],
  [
    "an expired token",
    refusal(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
    "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    "AccessDenied",
  ],
  [
    "a missing key",
    refusal(400, "encryption key not found"),
    "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    "KeyNotFound",
  ],
  [
    "a missing mount",
    refusal(404, 'no handler for route "transit/SECRET". route entry not found.'),
    "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    "MountNotFound",
  ],
  [
    "a missing namespace",
    refusal(404, "namespace not found"),
    "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    "NamespaceNotFound",
  ],
  [
    "a mount of another engine",
    {
      kind: "answer",
      status: 404,
      body: JSON.stringify({ request_id: "SECRET", data: null, warnings: ["Invalid path SECRET"] }),
    },
    "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    "MountNotFound",
  ],
  [
    "a locked namespace",
    refusal(503, "API access to this namespace has been locked by an administrator"),
    "ERR_ENVELOPE_KMS_UNAVAILABLE",
    "Locked",
  ],
  [
    "a key of a type without associated data",
    refusal(400, "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048"),
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "KeyUnsuitable",
  ],
  [
    "a soft-deleted key",
    refusal(400, "refusing to use soft-deleted key"),
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "KeyDisabled",
  ],
  [
    "a version that was retired",
    refusal(400, "ciphertext or signature version is disallowed by policy (too old)"),
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "KeyVersionRetired",
  ],
  [
    "a key of another type",
    refusal(400, "message encryption not supported for key type ed25519"),
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "KeyUnsuitable",
  ],
  [
    "altered bytes",
    refusal(400, "cipher: message authentication failed"),
    "ERR_ENVELOPE_KMS_REJECTED",
    "InvalidCiphertext",
  ],
  [
    "altered bytes of another cipher",
    refusal(400, "chacha20poly1305: message authentication failed"),
    "ERR_ENVELOPE_KMS_REJECTED",
    "InvalidCiphertext",
  ],
  [
    "a version to come",
    refusal(400, "invalid ciphertext: version is too new"),
    "ERR_ENVELOPE_KMS_REJECTED",
    "KeyVersionUnknown",
  ],
  ["a request that is wrong", refusal(400, "SECRET"), "ERR_ENVELOPE_KMS_ERROR", "InvalidRequest"],
  [
    "a request that is wrong inside",
    refusal(500, "1 error occurred:\n\t* illegal base64 data at input byte 0\n\n"),
    "ERR_ENVELOPE_KMS_ERROR",
    "InvalidRequest",
  ],
  [
    "a request too long",
    refusal(413, "http: request body too large"),
    "ERR_ENVELOPE_KMS_ERROR",
    "InvalidRequest",
  ],
  ["an answer without anything", body({}), "ERR_ENVELOPE_KMS_ERROR", "InvalidAnswer"],
  ["an answer with nothing in it", body({ data: {} }), "ERR_ENVELOPE_KMS_ERROR", "InvalidAnswer"],
  [
    "an answer of the wrong kinds",
    body({ data: { ciphertext: 1, plaintext: ["SECRET"] } }),
    "ERR_ENVELOPE_KMS_ERROR",
    "InvalidAnswer",
  ],
  [
    "parameters that were ignored",
    {
      kind: "alter",
      alter: (answer) => ({
        ...answer,
        warnings: ["Endpoint ignored these unrecognized parameters: [context]"],
      }),
    },
    "ERR_ENVELOPE_KMS_ERROR",
    "IgnoredParameters",
  ],
];

async function open(
  mode: VaultTransitMode,
  timeout?: number,
): Promise<Setup & { readonly server: TransitServer }> {
  const server = await testServer({ derived: mode === "derived" });
  const options = { address: server.url, auth: { token: server.rootToken }, key: "first", mode };
  const patient = vaultTransit(options);
  const cmk = vaultTransit({ ...options, timeout });
  onTestFinished(() => Promise.all([patient.close(), cmk.close()]).then(() => undefined));
  const { dataKey, entry } = await patient.generateDataKey({ context });
  await patient.close();
  // It has looked at its key. A machine may be too busy for a short deadline at first.
  const rewraps = (): Promise<boolean> =>
    cmk.rewrapEntry(entry, { context }).then(
      () => true,
      () => false,
    );
  await until(rewraps);
  const wrapped = new TextDecoder().decode(entry.wrapped);
  const hidden = ["SECRET", "U0VDUkVU", server.rootToken, wrapped.slice(9, 60)];
  return { server, cmk, entry, secrets: [...hidden, ...secretsOf(dataKey, entry)] };
}

describe.each(["derived", "aad"] as const)("in mode %s", (mode) => {
  describe.each(faults)("%s", (_, fault, code, name) => {
    it.each(operations)(`is ${code}: %s`, async (operation) => {
      const unhandled = watchRejections();
      const setup = await open(mode, fault.kind === "stall" ? 500 : undefined);
      const { server, cmk } = setup;
      server.fail(fault);
      const sent = server.calls.length;
      const error = await failing(setup, operation);
      expect(error).toMatchObject({ code, cause: { name } });
      // Whether the key is still there is asked where creating it may be what is denied.
      const encrypts = operation === "wrap" || (operation === "generate" && mode === "aad");
      expect(server.calls.length - sent).toBe(name === "AccessDenied" && encrypts ? 2 : 1);
      await cmk.close();
      await server.disconnected();
      expect(unhandled).not.toHaveBeenCalled();
    });
  });

  it("refuses an answer whose data key has another length", async () => {
    const setup = await open(mode);
    const plaintext = Buffer.alloc(31).toString("base64");
    setup.server.fail({
      kind: "alter",
      alter: (answer) => ({ ...answer, data: { ...(answer["data"] as object), plaintext } }),
    });
    // What was wrapped may be no data key: that is no fault of Vault.
    expect(await failing(setup, "unwrap")).toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
    if (mode === "aad") return;
    expect(await failing(setup, "generate")).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ERROR",
      cause: { name: "InvalidAnswer" },
    });
  });

  it.each([
    ["of another version than it says", { key_version: 9 }],
    ["without its prefix", { ciphertext: "AAAA" }],
    ["of no version", { ciphertext: `vault:v0:${"A".repeat(80)}` }],
    ["with spare bits", { ciphertext: "vault:v1:AB==" }],
    ["too long for an entry", { ciphertext: `vault:v1:${"AAAA".repeat(1024)}` }],
  ])("is answered with a wrapped key %s: refused", async (_, data) => {
    const setup = await open(mode);
    setup.server.fail({
      kind: "alter",
      alter: (answer) => ({ ...answer, data: { ...(answer["data"] as object), ...data } }),
    });
    expect(await failing(setup, "wrap")).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ERROR",
      cause: { name: "InvalidAnswer" },
    });
  });

  it("is refused a connection: unavailable, whatever is called", async () => {
    const setup = await open(mode);
    await setup.server.close();
    for (const operation of operations) {
      const error = await failing(setup, operation);
      expect(error).toMatchObject({
        code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
        retryable: true,
        // What was open is reset, what is new is refused.
        cause: { code: expect.stringMatching(/^ECONN(?:REFUSED|RESET)$/), name: "Unreachable" },
      });
      for (const secret of setup.secrets) {
        expect(inspect(error, { showHidden: true, depth: 20 })).not.toContain(secret);
      }
    }
  });

  it("is aborted: the signal's reason, and the connection is closed", async () => {
    const { server, cmk, entry } = await open(mode);
    server.fail({ kind: "stall", midBody: true });
    const controller = new AbortController();
    const call = rejection(cmk.unwrapDataKey(entry, { context, signal: controller.signal }));
    await server.nextCall();
    const reason = new Error("the caller has left");
    controller.abort(reason);
    expect(await call).toBe(reason);
    await server.disconnected();
  });
});

it("has no token: access denied, and nothing is sent", async () => {
  const server = await testServer();
  const cmk = vaultTransit({ address: server.url, key: "first" });
  onTestFinished(() => cmk.close());
  expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    cause: { name: "TokenMissing", message: "read: TokenMissing; pass auth, or set VAULT_TOKEN" },
  });
  expect(server.calls).toEqual([]);
});

it("drops what the description of another key would say", async () => {
  const server = await testServer();
  server.fail(
    {
      kind: "alter",
      alter: (answer) => ({ ...answer, data: { ...(answer["data"] as object), name: "other" } }),
    },
    ["transit/keys/"],
  );
  const cmk = vaultTransit({
    address: server.url,
    auth: { token: server.rootToken },
    key: "first",
  });
  onTestFinished(() => cmk.close());
  expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_ERROR",
    cause: { name: "InvalidAnswer", operation: "read" },
  });
});
