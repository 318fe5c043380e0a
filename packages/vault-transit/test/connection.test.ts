/**
 * The contract with `node-vault`: every request goes through the transport of this package, and what
 * that client would do by itself reaches nobody. It fails where a version stops taking a transport.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { vaultTransit, type VaultTransitConnection } from "../src/index.ts";
import { testServer, withoutConfiguration } from "./support/server.ts";

const context = { tenant: "acme" };

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

function open(
  options: VaultTransitConnection & { key?: string; namespace?: string; insecure?: boolean },
) {
  const cmk = vaultTransit({ key: "first", ...options });
  onTestFinished(() => cmk.close());
  return cmk;
}

describe("requests", () => {
  it("are sent by the transport, not by node-vault's own client", async () => {
    const server = await testServer();
    await open({ address: server.url, auth: { token: server.rootToken } }).generateDataKey({
      context,
    });
    expect(server.calls.map(({ method, path, userAgent }) => [method, path, userAgent])).toEqual([
      ["GET", "auth/token/lookup-self", "env-vault-transit"],
      ["GET", "transit/keys/first", "env-vault-transit"],
      ["POST", "transit/datakey/plaintext/first", "env-vault-transit"],
    ]);
  });

  it("take nothing from the environment that is configured", async () => {
    const server = await testServer({ namespaces: ["other"] });
    vi.stubEnv("VAULT_ADDR", "https://127.0.0.1:1");
    vi.stubEnv("VAULT_TOKEN", "SECRET");
    vi.stubEnv("VAULT_NAMESPACE", "other");
    vi.stubEnv("VAULT_PREFIX", "/other");
    vi.stubEnv("http_proxy", "http://127.0.0.1:1");
    await open({ address: server.url, auth: { token: server.rootToken } }).generateDataKey({
      context,
    });
    expect(server.calls.map(({ path }) => path)).toContain("transit/datakey/plaintext/first");
    expect(server.calls.every(({ token }) => token === server.rootToken)).toBe(true);
  });

  it("go to VAULT_ADDR with VAULT_TOKEN where nothing else is said", async () => {
    const server = await testServer();
    vi.stubEnv("VAULT_ADDR", server.url);
    vi.stubEnv("VAULT_TOKEN", server.rootToken);
    await open({}).generateDataKey({ context });
    expect(server.calls.at(-1)).toMatchObject({ token: server.rootToken });
  });

  // Requirements: E8
  it("carry the namespace, and so does the label", async () => {
    const server = await testServer({ namespaces: ["team/a"] });
    server.createKey("orders", { derived: true, namespace: "team/a" });
    const cmk = open({
      address: server.url,
      auth: { token: server.rootToken },
      key: "orders",
      namespace: "team/a",
    });
    const { entry } = await cmk.generateDataKey({ context });
    expect(entry.keyId).toBe("team/a/transit/orders");
    expect(server.calls.at(-1)?.path).toBe("team/a/transit/datakey/plaintext/orders");
    await expect(cmk.unwrapDataKey(entry, { context })).resolves.toBeDefined();
  });
});

it("prints nothing where node-vault would print data keys", async () => {
  const server = await testServer();
  const program = `
    const { vaultTransit } = await import("@env/vault-transit");
    const cmk = vaultTransit({ address: process.argv[1], key: "first" });
    await cmk.generateDataKey({ context: {} });
    await cmk.close();
  `;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@env/source", "--input-type=module", "--eval", program, server.url],
    {
      cwd: import.meta.dirname,
      env: { PATH: "", DEBUG: "*", DEBUG_COLORS: "no", VAULT_TOKEN: server.rootToken },
    },
  );
  expect(stdout).toBe("");
  expect(stderr).not.toMatch(/vault|plaintext|datakey/i);
  expect(server.calls.length).toBe(3);
});

it("is told that the namespace is missing, by a login too", async () => {
  const server = await testServer({ namespaces: ["team"] });
  server.addAppRole({ roleId: "role", secretId: "secret" });
  for (const auth of [{ token: "none" }, { appRole: { roleId: "role", secretId: "secret" } }]) {
    const cmk = open({ address: server.url, auth, key: "orders", namespace: "team/typo" });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
      cause: { name: "NamespaceNotFound", hint: "check namespace" },
    });
  }
});

describe("a redirect of a standby", () => {
  it("is followed to an origin that is listed, with the token and the body", async () => {
    const [standby, leader] = [await testServer(), await testServer()];
    standby.fail({ kind: "standby", leader: leader.url });
    const auth = { token: leader.rootToken };
    const cmk = open({ address: standby.url, auth, redirectTo: [leader.url] });
    const { entry } = await cmk.generateDataKey({ context });
    await expect(cmk.unwrapDataKey(entry, { context })).resolves.toBeDefined();
    expect(leader.calls.map(({ path }) => path)).toEqual([
      "auth/token/lookup-self",
      "transit/keys/first",
      "transit/datakey/plaintext/first",
      "transit/decrypt/first",
    ]);
    expect(leader.calls.every(({ token }) => token === leader.rootToken)).toBe(true);
  });

  it("is followed once", async () => {
    const [standby, other] = [await testServer(), await testServer()];
    standby.fail({ kind: "standby", leader: other.url });
    other.fail({ kind: "standby", leader: standby.url });
    const auth = { token: () => standby.rootToken };
    const cmk = open({ address: standby.url, auth, redirectTo: [other.url, standby.url] });
    const error = await rejection(cmk.generateDataKey({ context }));
    expect(error.cause).toMatchObject({ name: "Redirected", httpStatus: 307 });
    expect([standby.calls.length, other.calls.length]).toEqual([1, 1]);
  });

  it.each([
    ["with another status", "", 302, true],
    ["to another path", "/v1/sys/seal?", 307, true],
    ["to an origin that is not listed", "", 307, false],
  ])("is not followed %s", async (_, path, status, listed) => {
    const [standby, leader] = [await testServer(), await testServer()];
    standby.fail({ kind: "standby", leader: `${leader.url}${path}`, status });
    const auth = { token: () => leader.rootToken };
    const cmk = open({ address: standby.url, auth, redirectTo: listed ? [leader.url] : [] });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      cause: { name: "Redirected", httpStatus: status },
    });
    expect(leader.calls).toEqual([]);
  });
});

describe("TLS", () => {
  const pem = (name: string): string =>
    readFileSync(new URL(`support/tls/${name}.pem`, import.meta.url), "utf8");

  it("trusts the authority that is named, and shows a certificate", async () => {
    const tls = { cert: pem("server"), key: pem("server-key"), ca: pem("ca") };
    const server = await testServer({ tls });
    const cmk = open({
      address: server.url,
      auth: { token: server.rootToken },
      tls: { ca: pem("ca"), cert: pem("client"), key: pem("client-key") },
    });
    await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
  });

  it.each([
    ["VAULT_SKIP_VERIFY", "true", false, "TlsFailure"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0", false, "InsecureTransport"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0", true, "TlsFailure"],
  ])("is not weakened by %s=%s, insecure %s: %s", async (variable, value, insecure, name) => {
    vi.stubEnv(variable, value);
    const server = await testServer({ tls: { cert: pem("server"), key: pem("server-key") } });
    const cmk = open({ address: server.url, auth: { token: server.rootToken }, insecure });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ERROR",
      cause: { name },
    });
    expect(server.calls).toEqual([]);
  });

  it("is told to be missing where the port speaks HTTP", async () => {
    const server = await testServer();
    const address = server.url.replace("http:", "https:");
    const cmk = open({ address, auth: { token: server.rootToken } });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ERROR",
      cause: { name: "TlsFailure", hint: expect.stringContaining("no TLS at that port") },
    });
  });

  it("asks for the name that is configured", async () => {
    const server = await testServer({ tls: { cert: pem("server"), key: pem("server-key") } });
    const address = server.url;
    const auth = { token: server.rootToken };
    const right = open({ address, auth, tls: { ca: pem("ca"), serverName: "localhost" } });
    await expect(right.generateDataKey({ context })).resolves.toBeDefined();
    const wrong = open({ address, auth, tls: { ca: pem("ca"), serverName: "vault.example" } });
    expect((await rejection(wrong.generateDataKey({ context }))).cause).toMatchObject({
      name: "TlsFailure",
    });
  });
});
