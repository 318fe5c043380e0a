import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transitFaults, type TransitServer } from "@env/test-servers/transit";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { vaultTransit, type VaultAuth } from "../src/index.ts";
import { testServer, withoutConfiguration } from "./support/server.ts";

const context = {};
const everything = { policies: ["root"] };

beforeEach(() => {
  withoutConfiguration();
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

function open(server: TransitServer, auth: VaultAuth) {
  const cmk = vaultTransit({ address: server.url, auth, key: "first" });
  onTestFinished(() => cmk.close());
  return () => cmk.generateDataKey({ context });
}

/** What was asked about tokens, in order. */
function logins(server: TransitServer): string[] {
  return server.calls.map(({ path }) => path).filter((path) => path.startsWith("auth/"));
}

/** Both clocks: the server's and this process's. */
function pass(server: TransitServer, seconds: number): void {
  server.advance(seconds);
  vi.advanceTimersByTime(seconds * 1000);
}

describe("a token", () => {
  it("is looked up once, and renewed from two thirds of its life on", async () => {
    const server = await testServer();
    const call = open(server, { token: server.createToken({ ...everything, ttl: 90 }) });
    await call();
    pass(server, 50);
    await call();
    expect(logins(server)).toEqual(["auth/token/lookup-self"]);
    pass(server, 11);
    await call();
    pass(server, 50);
    await call();
    expect(logins(server)).toEqual(["auth/token/lookup-self", "auth/token/renew-self"]);
  });

  it("that never expires is not renewed, and neither is one that cannot be", async () => {
    for (const token of [
      (server: TransitServer) => server.rootToken,
      (server: TransitServer) => server.createToken({ ...everything, ttl: 90, renewable: false }),
    ]) {
      const server = await testServer();
      const call = open(server, { token: token(server) });
      await call();
      pass(server, 80);
      await call();
      expect(logins(server)).toEqual(["auth/token/lookup-self"]);
    }
  });

  it("that expired is access denied, with what to look at", async () => {
    const server = await testServer();
    const call = open(server, { token: server.createToken({ ...everything, ttl: 90 }) });
    await call();
    pass(server, 91);
    expect(await rejection(call())).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      cause: { name: "AccessDenied" },
    });
  });

  it("that may not be looked up is used all the same", async () => {
    const server = await testServer();
    server.fail({ kind: "answer", status: 403, body: '{"errors":["permission denied"]}' }, [
      "auth/",
    ]);
    const call = open(server, { token: server.rootToken });
    await expect(call()).resolves.toBeDefined();
  });

  it("that cannot be renewed just now is used on", async () => {
    const server = await testServer();
    const call = open(server, { token: server.createToken({ ...everything, ttl: 90 }) });
    await call();
    pass(server, 70);
    server.fail(transitFaults.internal, ["auth/"]);
    await call();
    server.fail(undefined);
    pass(server, 15);
    await call();
    expect(logins(server)).toEqual([
      "auth/token/lookup-self",
      "auth/token/renew-self",
      "auth/token/renew-self",
    ]);
    pass(server, 50);
    await expect(call()).resolves.toBeDefined();
  });

  it("whose first look-up met an outage is looked up again, and renewed", async () => {
    const server = await testServer();
    const call = open(server, { token: server.createToken({ ...everything, ttl: 6 }) });
    server.fail(transitFaults.sealed, ["auth/"]);
    await call();
    server.fail(undefined);
    for (let i = 0; i < 14; i++) {
      pass(server, 1);
      await call();
    }
    expect(logins(server).slice(0, 3)).toEqual([
      "auth/token/lookup-self",
      "auth/token/lookup-self",
      "auth/token/renew-self",
    ]);
  });

  it("that may not be looked up is looked up again ever more rarely", async () => {
    const server = await testServer();
    const call = open(server, { token: server.rootToken });
    server.fail({ kind: "answer", status: 403, body: '{"errors":["permission denied"]}' }, [
      "auth/",
    ]);
    for (let i = 0; i < 130; i++) {
      await call();
      pass(server, 1);
    }
    // At first, after pauses of 1, 2, 4, 8, 16 and 32 seconds, and then of a minute.
    expect(logins(server)).toHaveLength(8);
  });

  it("that should have expired is looked up again: somebody else may have renewed it", async () => {
    const server = await testServer();
    const token = server.createToken({ ...everything, ttl: 90 });
    const call = open(server, { token });
    await call();
    pass(server, 80);
    const headers = { "x-vault-token": token };
    await fetch(`${server.url}/v1/auth/token/renew-self`, { method: "POST", headers });
    server.calls.length = 0;
    pass(server, 60);
    await call();
    pass(server, 20);
    await call();
    expect(logins(server)).toEqual(["auth/token/lookup-self", "auth/token/renew-self"]);
  });

  it("may come from a function, which is asked before every call", async () => {
    const server = await testServer();
    const token = vi.fn<() => string>(() => server.rootToken);
    const call = open(server, { token });
    await call();
    await call();
    expect(token).toHaveBeenCalledTimes(3); // Once for the key's description.
    expect(logins(server)).toEqual([]);
  });

  it.each([
    [
      "throws",
      () => Promise.reject(new Error("SECRET")),
      "the function that gives it threw an error",
    ],
    ["gives none", () => "", "pass auth, or set VAULT_TOKEN"],
    ["gives what no header takes", () => "a\r\nX: b", "the value given is not a valid token"],
  ])("is missing where the function %s", async (_, token, hint) => {
    const server = await testServer();
    const error = await rejection(open(server, { token })());
    expect(error).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      cause: { name: "TokenMissing", hint },
    });
    expect(server.calls).toEqual([]);
  });
});

describe("AppRole", () => {
  const role = { roleId: "role", secretId: "SECRET id" };
  const auth = { appRole: role };

  it("logs in once for all who wait", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything });
    const call = open(server, auth);
    await Promise.all([call(), call(), call()]);
    await call();
    expect(logins(server)).toEqual(["auth/approle/login"]);
  });

  it("renews, and logs in anew where the lease gets shorter", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything, ttl: 90, maxTtl: 180 });
    const call = open(server, auth);
    for (const seconds of [0, 70, 70]) {
      pass(server, seconds);
      await call();
    }
    expect(logins(server)).toEqual([
      "auth/approle/login",
      "auth/token/renew-self",
      "auth/token/renew-self",
      "auth/approle/login",
    ]);
  });

  it("logs in for nothing but a refused token", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, policies: ["writer"] });
    server.setPolicy("writer", [
      { path: "transit/datakey/plaintext/first", capabilities: ["update"] },
    ]);
    const call = open(server, auth);
    await call(); // Its key's description is denied.
    server.fail(transitFaults.internal);
    await rejection(call());
    expect(logins(server)).toEqual(["auth/approle/login"]);
  });

  it("logs in anew where the token expired while nobody called", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything, ttl: 90 });
    const call = open(server, auth);
    await call();
    pass(server, 1000);
    await Promise.all([call(), call(), call()]);
    expect(logins(server)).toEqual(["auth/approle/login", "auth/approle/login"]);
  });

  it("logs in once where Vault refuses the token, and once a minute at most", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything });
    const call = open(server, auth);
    await call();
    server.revokeToken(server.calls.at(-1)?.token ?? "");
    await expect(call()).resolves.toBeDefined();
    expect(logins(server)).toHaveLength(2);
    const denied = {
      kind: "answer",
      status: 403,
      body: '{"errors":["permission denied"]}',
    } as const;
    server.fail(denied, ["transit/"]);
    for (const logged of [2, 2]) {
      expect((await rejection(call())).cause).toMatchObject({ name: "AccessDenied" });
      expect(logins(server)).toHaveLength(logged);
    }
    pass(server, 61);
    await rejection(call());
    expect(logins(server)).toHaveLength(3);
  });

  it("asks a function for the secret id at each login, and shows neither", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything, ttl: 90 });
    const secretId = vi.fn<() => string>(() => role.secretId);
    const call = open(server, { appRole: { roleId: "role", secretId } });
    await call();
    pass(server, 100);
    await call();
    expect(secretId).toHaveBeenCalledTimes(2);
  });

  it.each([
    ["of a wrong secret id", { roleId: "role", secretId: "SECRET other" }, "LoginFailed"],
    [
      "of a secret id that cannot be had",
      { roleId: "role", secretId: () => Promise.reject(new Error("SECRET")) },
      "TokenMissing",
    ],
  ])("is access denied because %s", async (_, appRole, name) => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything });
    const error = await rejection(open(server, { appRole })());
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED", cause: { name } });
    expect(JSON.stringify([error.message, (error.cause as Error).message])).not.toContain("SECRET");
  });

  it("is unavailable where the login is", async () => {
    const server = await testServer();
    server.addAppRole({ ...role, ...everything });
    server.fail(transitFaults.sealed);
    expect(await rejection(open(server, auth)())).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      cause: { name: "Sealed", operation: "login" },
    });
  });

  it("refuses an answer without a token", async () => {
    const server = await testServer();
    server.fail({ kind: "answer", status: 200, body: '{"auth":null}' });
    expect((await rejection(open(server, auth)())).cause).toMatchObject({ name: "InvalidAnswer" });
  });
});

describe("Kubernetes", () => {
  it("reads the service account's token at each login, since it is replaced", async () => {
    const jwtFile = join(tempFolder(), "token");
    const server = await testServer();
    for (const jwt of ["first", "second"]) {
      server.addKubernetesRole({ role: "app", jwt, mount: "k8s", ...everything, ttl: 90 });
    }
    const call = open(server, { kubernetes: { role: "app", jwtFile, mount: "k8s" } });
    for (const jwt of ["first\n", "second\n"]) {
      writeFileSync(jwtFile, jwt);
      await call();
      pass(server, 100);
    }
    expect(logins(server)).toEqual(["auth/k8s/login", "auth/k8s/login"]);
    writeFileSync(jwtFile, "third");
    expect((await rejection(call())).cause).toMatchObject({ name: "LoginFailed", httpStatus: 403 });
    rmSync(jwtFile);
    expect((await rejection(call())).cause).toMatchObject({ name: "TokenMissing" });
  });
});
