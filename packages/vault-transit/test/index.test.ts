import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Runs a module in a process of its own and lists what it loaded of the client. */
async function clientModules(code: string): Promise<readonly string[]> {
  const program = `
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        urls.push(found.url);
        return found;
      },
    });
    ${code}
    console.log(JSON.stringify(urls.filter((url) => /node-vault|axios/.test(url))));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@env/source", "--input-type=module", "--eval", program],
    { cwd: import.meta.dirname, env: { PATH: "" } },
  );
  return JSON.parse(stdout) as readonly string[];
}

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
