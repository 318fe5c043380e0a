/**
 * Two KMSs: a message is wrapped by both, and either of them opens it. With `minWrapped: 1` writing
 * goes on while one is down, and a later rewrap adds what is missing.
 *
 * The Vault here is a test server on this machine, so that it can be made to fail.
 *
 * @module
 */
import { startTransitServer, transitFaults } from "@env/conformance/transit-server";
import { memoryCmk } from "@env/core/testing";
import { Envelope, inspect } from "@env/core";
import { vaultTransit } from "@env/vault-transit";

await using vault = await startTransitServer({ flavour: "vault" });
vault.createKey("orders", { derived: true });
await using first = vaultTransit({
  address: vault.url,
  auth: { token: vault.rootToken },
  key: "orders",
});
const second = memoryCmk();
await using envelope = new Envelope({ cmks: [first, second], minWrapped: 1 });
const context = { tenant: "acme" };
const wrappedBy = (message: string): string =>
  inspect(message)
    .entries?.map(({ provider }) => provider)
    .join(", ") ?? "";

const before = await envelope.encryptText("hello", { context });
console.log(`both are up: wrapped by ${wrappedBy(before)}`);

vault.fail(transitFaults.sealed);
const during = await envelope.encryptText("hello again", { context });
console.log(`Vault is sealed: wrapped by ${wrappedBy(during)}`);
console.log(`the first message opens: ${await envelope.decryptText(before, { context })}`);

vault.fail(undefined);
const { message: after, entries } = await envelope.rewrap(during, { context });
console.log(`Vault is back: wrapped by ${wrappedBy(after)}`);
for (const { provider, action } of entries) console.log(`  ${provider}: ${action}`);
