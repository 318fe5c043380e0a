import { loadedModules } from "@env/testkit/loaded-modules";
import { expect, it } from "vitest";

const clientModules = async (code: string): Promise<string[]> =>
  (await loadedModules(import.meta.dirname, code)).filter((url) => /node-vault|axios/.test(url));

it("loads nothing of node-vault to be imported, configured and closed", async () => {
  const loaded = await clientModules(`
    const { vaultTransit, vaultTransitDriver, parseVaultTransitUri } = await import("@env/vault-transit");
    const uri = parseVaultTransitUri("vault-transit:https://vault.example/transit/app");
    await vaultTransit(uri).close();
    vaultTransitDriver({ ...uri, timeout: 100 });
  `);
  expect(loaded).toEqual([]);
});

it("loads nothing of node-vault to call a client that was passed in", async () => {
  const loaded = await clientModules(`
    const { vaultTransit } = await import("@env/vault-transit");
    const data = { name: "app", type: "aes256-gcm96", derived: true,
      ciphertext: "vault:v1:" + "A".repeat(80), plaintext: "A".repeat(43) + "=" };
    const client = { read: async () => ({ data }), write: async () => ({ data }) };
    await vaultTransit({ client, key: "app" }).generateDataKey({ context: {} });
  `);
  expect(loaded).toEqual([]);
});

it("loads node-vault for the first call without a client", async () => {
  const loaded = await clientModules(`
    const { openVaultTransit } = await import("@env/vault-transit");
    await (await openVaultTransit("vault-transit:https://vault.example/transit/app")).close();
  `);
  expect(loaded.some((url) => url.includes("node-vault"))).toBe(true);
});
