import { Cmk, encodeEncryptionContext } from "@env/core";
import type { TransitServer } from "@env/test-servers/transit";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { vaultTransit, vaultTransitDriver, type VaultTransitOptions } from "../src/index.ts";
import { testServer } from "./support/server.ts";

const context = { tenant: "acme" };
const bytes = encodeEncryptionContext({ ...context, "env:format": "1" });
const base64 = Buffer.from(bytes).toString("base64");

function open(server: TransitServer, options: Partial<VaultTransitOptions> = {}): Cmk {
  const cmk = vaultTransit({
    address: server.url,
    auth: { token: () => server.rootToken },
    key: "first",
    ...options,
  } as VaultTransitOptions);
  onTestFinished(() => cmk.close());
  return cmk;
}

const sent = (server: TransitServer) =>
  server.calls
    .filter(({ method }) => method === "POST")
    .map(({ path, body }) => [path.replace("transit/", ""), body]);

const text = (wrapped: Uint8Array): string => Buffer.from(wrapped).toString("latin1");

describe("in mode derived", () => {
  it("sends the context's canonical bytes to every endpoint, and nothing more", async () => {
    const server = await testServer();
    const cmk = open(server);
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    await cmk.wrapDataKey(dataKey, { context });
    await cmk.unwrapDataKey(entry, { context });
    await cmk.rewrapEntry(entry, { context });
    const ciphertext = text(entry.wrapped);
    expect(sent(server)).toEqual([
      ["datakey/plaintext/first", { bits: 256, context: base64 }],
      ["encrypt/first", { plaintext: "(left out)", type: "existing", context: base64 }],
      ["decrypt/first", { ciphertext, context: base64 }],
      ["rewrap/first", { ciphertext, context: base64 }],
    ]);
  });

  it("keeps Vault's own text, which opens there without this package", async () => {
    const server = await testServer();
    const { dataKey, entry } = await open(server).generateDataKey({ context });
    expect(text(entry.wrapped)).toMatch(/^vault:v1:[A-Za-z0-9+/]{80}$/);
    const { body } = server.root("POST", "transit/decrypt/first", {
      ciphertext: text(entry.wrapped),
      context: base64,
    });
    const plaintext = dataKey.use((key) => Buffer.from(key).toString("base64"));
    expect(body).toMatchObject({ data: { plaintext } });
  });

  it("rewraps inside Vault, tells the versions, and leaves what is current", async () => {
    const server = await testServer();
    const cmk = open(server);
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    expect(await cmk.rewrapEntry(entry, { context })).toEqual({
      entry,
      changed: false,
      plaintextSeen: false,
      fromVersion: "1",
      keyVersion: "1",
    });
    server.root("POST", "transit/keys/first/rotate");
    const moved = await cmk.rewrapEntry(entry, { context });
    expect(moved).toMatchObject({
      changed: true,
      plaintextSeen: false,
      fromVersion: "1",
      keyVersion: "2",
    });
    expect(text(moved.entry.wrapped)).toMatch(/^vault:v2:/);
    expect(dataKey.equals(await cmk.unwrapDataKey(moved.entry, { context }))).toBe(true);
    expect(sent(server).map(([path]) => path)).not.toContain("encrypt/first");
  });

  it("tells a retired version, and opens it again where that is taken back", async () => {
    const server = await testServer();
    const cmk = open(server);
    const { entry } = await cmk.generateDataKey({ context });
    server.root("POST", "transit/keys/first/rotate");
    const config = (version: number) =>
      server.root("POST", "transit/keys/first/config", { min_decryption_version: version });
    config(2);
    expect(await rejection(cmk.unwrapDataKey(entry, { context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      cause: { name: "KeyVersionRetired" },
    });
    config(1);
    await expect(cmk.unwrapDataKey(entry, { context })).resolves.toBeDefined();
  });
});

describe("in mode aad", () => {
  it("calls neither datakey nor rewrap, which drop the associated data", async () => {
    const server = await testServer({ derived: false });
    const cmk = open(server, { mode: "aad" });
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    server.root("POST", "transit/keys/first/rotate");
    const moved = await cmk.rewrapEntry(entry, { context });
    expect(moved).toMatchObject({
      changed: true,
      plaintextSeen: true,
      fromVersion: "1",
      keyVersion: "2",
    });
    expect(dataKey.equals(await cmk.unwrapDataKey(moved.entry, { context }))).toBe(true);
    expect(sent(server)[0]).toEqual([
      "encrypt/first",
      { plaintext: "(left out)", type: "existing", associated_data: base64 },
    ]);
    for (const [path, body] of sent(server)) {
      expect(path).toMatch(/^(?:en|de)crypt\//);
      expect(body).toMatchObject({ associated_data: base64 });
    }
  });
});

describe("further keys", () => {
  it.each(["derived", "aad"] as const)("unwrap and are moved away from: %s", async (mode) => {
    const server = await testServer({
      derived: mode === "derived",
      mounts: ["transit", "old/eng"],
    });
    server.createKey("orders", { derived: mode === "derived", mount: "old/eng" });
    const old = open(server, { key: "orders", mount: "old/eng", mode });
    const { dataKey, entry } = await old.generateDataKey({ context });
    expect(entry.keyId).toBe("old/eng/orders");
    const cmk = open(server, { alsoUnwrap: ["old/eng/orders"], mode });
    expect(dataKey.equals(await cmk.unwrapDataKey(entry, { context }))).toBe(true);
    const moved = await cmk.rewrapEntry(entry, { context });
    expect(moved).toMatchObject({ changed: true, plaintextSeen: true });
    expect(moved.entry.keyId).toBe("transit/first");
    expect(await rejection(open(server, { mode }).unwrapDataKey(entry, { context }))).toMatchObject(
      {
        code: "ERR_ENVELOPE_NO_KEY",
      },
    );
  });
});

it("rewraps inside Vault within its key, whichever further keys may unwrap", async () => {
  const server = await testServer();
  server.createKey("old", { derived: true });
  const { dataKey, entry } = await open(server, { key: "old" }).generateDataKey({ context });
  // The second is a CMK that the driver knows nothing about.
  const options = { address: server.url, auth: { token: server.rootToken }, key: "first" };
  const alsoUnwrap = ["transit/old"];
  for (const cmk of [
    open(server, { alsoUnwrap }),
    new Cmk(vaultTransitDriver(options), { alsoUnwrap }),
  ]) {
    const moved = await cmk.rewrapEntry(entry, { context });
    expect(moved).toMatchObject({ changed: true, plaintextSeen: true });
    expect(dataKey.equals(await cmk.unwrapDataKey(moved.entry, { context }))).toBe(true);
    server.root("POST", "transit/keys/first/rotate");
    const before = server.calls.length;
    const within = await cmk.rewrapEntry(moved.entry, { context });
    expect(within).toMatchObject({ changed: true, plaintextSeen: false });
    expect(server.calls.slice(before).map(({ path }) => path)).toEqual([
      "transit/rewrap/first",
      "transit/rewrap/first",
    ]);
    await cmk.close();
  }
});

it.each([
  ["v0, which Vault reads as v1", (ciphertext: string) => ciphertext.replace("v1", "v0")],
  ["a version with a leading zero", (ciphertext: string) => ciphertext.replace("v1", "v01")],
  ["a line break, which Vault skips", (ciphertext: string) => ciphertext.replace(/(.)$/, "\n$1")],
  ["padding where there is none", (ciphertext: string) => `${ciphertext}=`],
  ["bits that do not count", () => "vault:v1:AB=="],
  ["another prefix", (ciphertext: string) => ciphertext.replace("vault", "fault")],
])("refuses %s before anything is sent", async (_, alter) => {
  const server = await testServer();
  const cmk = open(server);
  const { entry } = await cmk.generateDataKey({ context });
  const altered = { ...entry, wrapped: new TextEncoder().encode(alter(text(entry.wrapped))) };
  const before = server.calls.length;
  for (const call of [
    cmk.unwrapDataKey(altered, { context }),
    cmk.rewrapEntry(altered, { context }),
  ]) {
    expect(await rejection(call)).toMatchObject({
      code: "ERR_ENVELOPE_KMS_REJECTED",
      cause: { name: "InvalidCiphertext", httpStatus: undefined },
    });
  }
  expect(server.calls.length).toBe(before);
});
