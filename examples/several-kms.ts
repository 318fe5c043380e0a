/**
 * Two KMSs: a message is wrapped by both, and either of them opens it. With `minWrapped: 1` writing
 * goes on while one is down, and a later rewrap adds what is missing.
 *
 * The KMSs here are in memory, so that one can be made to fail. Put any two CMKs in their place.
 *
 * @module
 */
import { Cmk, Envelope, inspect } from "@env/core";
import { memoryCmk, MemoryKms } from "@env/core/testing";

const vault = new MemoryKms({ provider: "vault-transit" });
const key = vault.createKey("orders");
const first = new Cmk(vault.driver(key));
const second = memoryCmk();
await using envelope = new Envelope({ cmks: [first, second], minWrapped: 1 });
const context = { tenant: "acme" };
const wrappedBy = (message: string): string =>
  inspect(message)
    .entries?.map(({ provider }) => provider)
    .join(", ") ?? "";

const before = await envelope.encryptText("hello", { context });
console.log(`both are up: wrapped by ${wrappedBy(before)}`);

vault.fail(key, "ERR_ENVELOPE_KMS_UNAVAILABLE");
const during = await envelope.encryptText("hello again", { context });
console.log(`Vault is sealed: wrapped by ${wrappedBy(during)}`);
console.log(`the first message opens: ${await envelope.decryptText(before, { context })}`);

vault.fail(key, undefined);
const { message: after, entries } = await envelope.rewrap(during, { context });
console.log(`Vault is back: wrapped by ${wrappedBy(after)}`);
for (const { provider, action } of entries) console.log(`  ${provider}: ${action}`);
