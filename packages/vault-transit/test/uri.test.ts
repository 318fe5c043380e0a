import { openCmk } from "@env/core";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openVaultTransit, parseVaultTransitUri } from "../src/index.ts";
import { testServer, withoutConfiguration } from "./support/server.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a URI", () => {
  it.each([
    [
      "https://vault.internal:8200/transit/orders",
      { address: "https://vault.internal:8200", mount: "transit", key: "orders" },
    ],
    [
      "http://127.0.0.1:8200/eng/team/transit/o-1.x?mode=aad&namespace=team%2Fa",
      {
        address: "http://127.0.0.1:8200",
        mount: "eng/team/transit",
        key: "o-1.x",
        mode: "aad",
        namespace: "team/a",
      },
    ],
    [
      "https://v/transit/k?kubernetes=app&kubernetesMount=k8s&alsoUnwrap=transit/a&alsoUnwrap=old/b&redirectTo=https://w",
      {
        address: "https://v",
        mount: "transit",
        key: "k",
        auth: { kubernetes: { role: "app", mount: "k8s" } },
        alsoUnwrap: ["transit/a", "old/b"],
        redirectTo: ["https://w"],
      },
    ],
  ])("is read: %s", (uri, options) => {
    expect(parseVaultTransitUri(`vault-transit:${uri}`)).toEqual(options);
  });

  it("may say that it is insecure", () => {
    const uri = "vault-transit:http://vault.internal/transit/k?insecure=true";
    expect(parseVaultTransitUri(uri)).toMatchObject({ insecure: true });
  });

  it("is opened with no option that is misspelt", async () => {
    const misspelt = { timeOut: 1 } as object;
    const error = await rejection(openVaultTransit("vault-transit:https://v/transit/k", misspelt));
    expect(error).toEqual(new TypeError('unknown option "timeOut"'));
  });

  it.each([
    ["vault-transit:https://v/transit/k?insecure=SECRET", "insecure must be true or false"],
    ["aws-kms:key", "it must start with vault-transit:"],
    ["vault-transit:orders", "write the address, the path of the engine and the key"],
    ["vault-transit:https://v", "write the address, the path of the engine and the key"],
    ["vault-transit:https://v/orders", "the path of the engine is missing"],
    ["vault-transit:https://v/transit/", "key must be a name"],
    ["vault-transit:https://v/transit/../sys/seal", "mount must be the path"],
    ["vault-transit:https://v//k", "mount must be the path"],
    ["vault-transit:https://v/transit/a%2Fb", "key must be a name"],
    ["vault-transit:http://vault.internal/transit/k", "address must be https"],
    ["vault-transit:https://SECRET:SECRET@v/transit/k", "without credentials"],
    ["vault-transit:https://v/transit/k?token=SECRET", "it has an unknown parameter"],
    ["vault-transit:https://v/transit/k?mode=SECRET", "mode must be derived or aad"],
    ["vault-transit:https://v/transit/k?mode=aad&mode=aad", "mode is given twice"],
    ["vault-transit:https://v/transit/k?namespace=", "namespace is empty"],
    ["vault-transit:https://v/transit/k?namespace=a//SECRET", "namespace must be names"],
    ["vault-transit:https://v/transit/k?namespace=%E0%A4%A", "malformed percent-encoding"],
    ["vault-transit:https://v/transit/k?alsoUnwrap=SECRET", "alsoUnwrap must list labels"],
    ["vault-transit:https://v/transit/k?redirectTo=http://127.0.0.1", "redirectTo must be https"],
    ["vault-transit:https://v/transit/k?kubernetesMount=k8s", "without kubernetes"],
    ["vault-transit:https://v/transit/k?a=1?b=2", "more than one question mark"],
    ["vault-transit:https://v/transit/k#SECRET", "it has a fragment"],
  ])("is refused without being repeated: %s", (uri, problem) => {
    const error = (() => {
      try {
        return parseVaultTransitUri(uri);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_CONFIG" });
    expect((error as Error).message).toContain(problem);
    expect((error as Error).message).not.toContain("SECRET");
  });
});

describe("openVaultTransit", () => {
  it("opens a CMK by openCmk, and closing it closes its connections", async () => {
    const server = await testServer();
    vi.stubEnv("VAULT_TOKEN", server.rootToken);
    const uri = `vault-transit:${server.url}/transit/first`;
    const cmk = await openCmk(uri, { "vault-transit": openVaultTransit });
    const { entry } = await cmk.generateDataKey({ context: {} });
    expect(entry).toMatchObject({ provider: "vault-transit", keyId: "transit/first" });
    expect(server.connections).toBe(1);
    await cmk.close();
    await server.disconnected();
  });

  it("takes what is no matter of a URI: a login, further keys, a deadline", async () => {
    const server = await testServer();
    server.createKey("old", { derived: true });
    const auth = { token: server.rootToken };
    const old = await openVaultTransit(`vault-transit:${server.url}/transit/old`, { auth });
    onTestFinished(() => old.close());
    const { entry } = await old.generateDataKey({ context: {} });
    const cmk = await openVaultTransit(`vault-transit:${server.url}/transit/first`, {
      auth,
      alsoUnwrap: ["transit/old"],
      timeout: 4000,
    });
    onTestFinished(() => cmk.close());
    const moved = await cmk.rewrapEntry(entry, { context: {} });
    expect(moved).toMatchObject({ changed: true, plaintextSeen: true });
    expect(moved.entry.keyId).toBe("transit/first");
    server.fail({ kind: "stall" });
    expect(await rejection(cmk.unwrapDataKey(entry, { context: {} }))).toMatchObject({
      cause: { hint: "no answer within 4000 ms" },
    });
  });
});
