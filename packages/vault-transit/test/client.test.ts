import { rejection } from "@env/testkit/refusal";
import NodeVault from "node-vault";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { clientMethods, type VaultTransitClient } from "../src/client.ts";
import { vaultTransit } from "../src/index.ts";
import { testServer, withoutConfiguration } from "./support/server.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

it("is fitted by a client of node-vault, as it comes", async () => {
  const server = await testServer();
  // What the compiler checks here is what users rely on.
  const client: VaultTransitClient = NodeVault({ endpoint: server.url, token: server.rootToken });
  const cmk = vaultTransit({ client, key: "first" });
  const context = { tenant: "acme" };
  const { entry } = await cmk.generateDataKey({ context });
  await expect(cmk.unwrapDataKey(entry, { context })).resolves.toBeDefined();
  const refused = rejection(cmk.unwrapDataKey(entry, { context: {} }));
  expect(await refused).toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
});

it("is refused where it speaks plain HTTP to another machine, or verifies nothing", () => {
  const elsewhere = NodeVault({ endpoint: "http://192.0.2.2:8200" });
  const make = (client: VaultTransitClient, insecure?: boolean) => () =>
    vaultTransit({ client, key: "first", insecure });
  expect(make(elsewhere)).toThrow(TypeError);
  expect(make(elsewhere)).toThrow("the client speaks plain HTTP to another machine");
  expect(make(elsewhere, true)).not.toThrow();
  const client = NodeVault({ endpoint: "https://vault.internal:8200" });
  expect(make(client)).not.toThrow();
  vi.stubEnv("VAULT_SKIP_VERIFY", "true");
  expect(make(client)).toThrow("VAULT_SKIP_VERIFY turns the client's certificate checks off");
  expect(make(client, true)).not.toThrow();
  expect(make({ read: async () => ({}), write: async () => ({}) })).not.toThrow();
});

it("gives up a client that takes no signal", async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const client = { read: never, write: never };
  const cmk = vaultTransit({ client, key: "first", timeout: 20 });
  expect(await rejection(cmk.generateDataKey({ context: {} }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    cause: { name: "Timeout" },
  });
});

it("is checked for every method it has", () => {
  const all: Record<keyof VaultTransitClient, true> = { read: true, write: true };
  expect([...clientMethods].toSorted()).toEqual(Object.keys(all).toSorted());
});
