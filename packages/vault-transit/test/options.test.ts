import { documentedOptions } from "@env/testkit/options-table";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { vaultTransit, type VaultTransitOptions } from "../src/index.ts";
import { table } from "../src/options.ts";
import { withoutConfiguration } from "./support/server.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

const address = "https://vault.internal:8200";
const client = { read: async () => ({}), write: async () => ({}) };

it.each<[string, object]>([
  ["key must be a name", {}],
  ['unknown option "token"', { address, key: "k", token: "SECRET" }],
  ["key must be a name", { address }],
  ["key must be a name", { address, key: "../SECRET" }],
  ["key must be a name", { address, key: "a/b" }],
  ["key must be a name", { address, key: "a-" }],
  ["key must be a name", { address, key: "a\n" }],
  ["mount must be the path", { address, key: "k", mount: "a/../b" }],
  ["mount must be the path", { address, key: "k", mount: "/transit" }],
  ["namespace must be names", { address, key: "k", namespace: "a/" }],
  ["are too long together", { address, key: "k".repeat(600) }],
  ["mode must be derived or aad", { address, key: "k", mode: "convergent" }],
  ["timeout must be", { address, key: "k", timeout: "1000" }],
  ["alsoUnwrap must list labels", { address, key: "k", alsoUnwrap: ["old"] }],
  ["alsoUnwrap must list labels", { address, key: "k", namespace: "a", alsoUnwrap: ["b/t/k"] }],
  ["alsoUnwrap must list labels", { address, key: "k", alsoUnwrap: "transit/old" }],
  ["address is missing", { key: "k" }],
  ["address must be a URL", { key: "k", address: "vault" }],
  ["address must be https", { key: "k", address: "http://vault.internal" }],
  ["address must be an origin without a path", { key: "k", address: `${address}/v1` }],
  ["without credentials", { key: "k", address: "https://SECRET@v" }],
  ["redirectTo must be a list", { address, key: "k", redirectTo: address }],
  ["redirectTo must be https", { address, key: "k", redirectTo: ["http://127.0.0.1"] }],
  ["auth must be one of", { address, key: "k", auth: {} }],
  ["auth must be one of", { address, key: "k", auth: { token: "a", kubernetes: { role: "r" } } }],
  ["auth must be one of", { address, key: "k", auth: { password: "SECRET" } }],
  ["auth.token must be", { address, key: "k", auth: { token: "" } }],
  ["auth.appRole must have", { address, key: "k", auth: { appRole: { roleId: "SECRET" } } }],
  [
    "auth.appRole.mount must be",
    { address, key: "k", auth: { appRole: { roleId: "r", secretId: "SECRET", mount: ".." } } },
  ],
  [
    "auth.appRole has an unknown member",
    { address, key: "k", auth: { appRole: { roleId: "r", secretId: "s", SECRET: "m" } } },
  ],
  [
    "auth.kubernetes has an unknown member",
    { address, key: "k", auth: { kubernetes: { role: "r", jwt: "SECRET" } } },
  ],
  ["insecure must be a boolean", { address, key: "k", insecure: 1 }],
  ["address must be https", { key: "k", address: "ftp://vault.internal", insecure: true }],
  ["auth.kubernetes must have", { address, key: "k", auth: { kubernetes: {} } }],
  ["jwtFile must be", { address, key: "k", auth: { kubernetes: { role: "r", jwtFile: "" } } }],
  [
    "auth.kubernetes.mount must be",
    { address, key: "k", auth: { kubernetes: { role: "r", mount: "/" } } },
  ],
  ["unknown option tls.", { address, key: "k", tls: { rejectUnauthorized: false } }],
  ["tls.ca must be text", { address, key: "k", tls: { ca: 1 } }],
  ["tls.cert and tls.key go together", { address, key: "k", tls: { cert: "SECRET" } }],
  ["tls is for an https address", { address: "http://127.0.0.1", key: "k", tls: { ca: "c" } }],
  ["client must have the methods", { client: { read: () => undefined }, key: "k" }],
  ["pass either, not both", { client, key: "k", address }],
])("are refused where they are written: %s", (problem, options) => {
  const make = () => vaultTransit(options as VaultTransitOptions);
  expect(make).toThrow(TypeError);
  expect(make).toThrow(problem);
  expect(make).not.toThrow("SECRET");
});

it.each([0, 1.5, 2 ** 31, NaN])("are out of range: a timeout of %s", (timeout) => {
  const make = () => vaultTransit({ address, key: "k", timeout });
  expect(make).toThrow(RangeError);
  expect(make).toThrow("timeout must be");
});

it.each<[object]>([
  [{ client, key: "k" }],
  [{ address: "http://vault.internal", key: "k", redirectTo: ["http://v"], insecure: true }],
  [{ address: "http://localhost:8200", key: "a.b-c_D9", mount: "a/b", namespace: "n" }],
  [{ address: "http://[::1]:8200/", key: "k", redirectTo: ["http://127.0.0.1:1"] }],
  [{ address, key: "k", tls: { ca: "c", cert: "c", key: "k", passphrase: "p", serverName: "s" } }],
  [{ address, key: "k", auth: { token: () => "t" } }],
])("are taken: %o", (options) => {
  expect(vaultTransit(options as VaultTransitOptions).provider).toBe("vault-transit");
});

it("are all in the README", () => {
  const documented = documentedOptions(new URL("../README.md", import.meta.url));
  const known = [...Object.keys({ ...table.key, ...table.connection }), "client"];
  expect(documented.toSorted()).toEqual(known.toSorted());
});
