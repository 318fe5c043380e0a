import NodeVault from "node-vault";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { clientMethods, type VaultTransitClient } from "../src/client.ts";
import { vaultTransit } from "../src/index.ts";
import { rejection, testServer, withoutConfiguration } from "./support/server.ts";

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
