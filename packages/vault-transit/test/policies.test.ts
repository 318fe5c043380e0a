/**
 * The policies of README.md: each does what its title says, and nothing else. Run against the test server
 * and, where `VAULT_ADDR` and `ENVELOPE_LIVE_VAULT_POLICIES=1` say so, against a server whose
 * `VAULT_TOKEN` may mount an engine and write policies. What is made there is removed.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { encodeEncryptionContext, type Cmk, type Context, type Entry } from "@env/core";
import { startTransitServer } from "@env/test-servers/transit";
import { rejection } from "@env/testkit/refusal";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { vaultTransit, type VaultTransitMode } from "../src/index.ts";
import { printed, roles, type Role } from "./support/policies.ts";

const denied = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
const tenant: Context = { tenant: "acme" };
const other: Context = { tenant: "other" };
const base64 = (context: Context): string =>
  Buffer.from(encodeEncryptionContext({ ...context, "env:format": "1" })).toString("base64");

it("are printed in README.md as they are tested", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, block] = /```hcl\n([^]*?)```/.exec(readme) ?? [];
  expect(block).toBe(printed());
});

/** A server with a mount of its own at `transit`, seen by its root. */
interface Server {
  readonly address: string;
  /** Any request as root; gives `data`, throws for a refusal. */
  root(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  /** A token with this policy and no other. */
  token(hcl: string): Promise<string>;
  readonly mount: string;
  close(): Promise<void>;
}

async function ask(
  address: string,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; data: Record<string, unknown> }> {
  const response = await fetch(`${address}/v1/${path}`, {
    method,
    headers: { "x-vault-token": token },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  const data = (answer["data"] ?? answer["auth"] ?? {}) as Record<string, unknown>;
  return { status: response.status, data };
}

async function testServer(): Promise<Server> {
  const server = await startTransitServer();
  return {
    address: server.url,
    mount: "transit",
    root: async (method, path, body) =>
      (await ask(server.url, server.rootToken, method, path, body)).data,
    async token(hcl) {
      const name = randomUUID();
      server.setPolicy(name, hcl);
      return server.createToken({ policies: [name] });
    },
    close: () => server.close(),
  };
}

const { VAULT_ADDR = "", VAULT_TOKEN = "" } = process.env;
const live = VAULT_ADDR !== "" && process.env["ENVELOPE_LIVE_VAULT_POLICIES"] === "1";
if (!live) {
  console.log(
    "policies not run against Vault: set VAULT_ADDR, VAULT_TOKEN and ENVELOPE_LIVE_VAULT_POLICIES=1",
  );
}

async function liveServer(): Promise<Server> {
  const mount = `env-${randomUUID()}`;
  const policies: string[] = [];
  const root: Server["root"] = async (method, path, body) => {
    const { status, data } = await ask(VAULT_ADDR, VAULT_TOKEN, method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status}`);
    return data;
  };
  await root("POST", `sys/mounts/${mount}`, { type: "transit" });
  return {
    address: VAULT_ADDR,
    mount,
    root,
    async token(hcl) {
      const name = randomUUID();
      policies.push(name);
      const policy = hcl.replaceAll('"transit/', `"${mount}/`);
      await root("PUT", `sys/policies/acl/${name}`, { policy });
      const created = await root("POST", "auth/token/create", { policies: [name], ttl: "10m" });
      return String(created["client_token"]);
    },
    async close() {
      for (const name of policies) await root("DELETE", `sys/policies/acl/${name}`);
      await root("DELETE", `sys/mounts/${mount}`);
    },
  };
}

const servers: [string, () => Promise<Server>][] = [["the test server", testServer]];
if (live) servers.push(["Vault", liveServer]);

describe.each(servers)("on %s", (_, start) => {
  let server: Server;
  const cmks: Cmk[] = [];

  beforeAll(async () => {
    server = await start();
    await server.root("POST", `${server.mount}/keys/orders`, { derived: true });
    await server.root("POST", `${server.mount}/keys/plain`, {});
    await server.root("POST", `${server.mount}/keys/other`, { derived: true });
  });
  afterAll(async () => {
    for (const cmk of cmks) await cmk.close();
    await server.close();
  });

  const keyOf = (mode: VaultTransitMode): string => (mode === "derived" ? "orders" : "plain");

  function open(token: string, mode: VaultTransitMode): Cmk {
    const { address, mount } = server;
    const cmk = vaultTransit({ address, mount, auth: { token }, key: keyOf(mode), mode });
    cmks.push(cmk);
    return cmk;
  }

  /** Of the role: the policy says `orders`, whichever mode that key is for here. */
  async function tokenOf({ hcl }: Role, mode: VaultTransitMode): Promise<string> {
    return server.token(hcl.replaceAll("/orders", `/${keyOf(mode)}`));
  }

  async function writer(mode: VaultTransitMode): Promise<Cmk> {
    const paths = ["datakey/plaintext", "encrypt", "decrypt", "keys"];
    const hcl = paths.map(
      (path) => `path "transit/${path}/*" { capabilities = ["update", "read"] }`,
    );
    return open(await server.token(hcl.join("\n")), mode);
  }

  function roleNamed(title: string): Role {
    const found = roles(base64(tenant)).find((role) => role.title.startsWith(title));
    if (found === undefined) throw new Error(`no role ${title}`);
    return found;
  }

  const calls = {
    generate: (cmk: Cmk, _entry: Entry, context: Context) => cmk.generateDataKey({ context }),
    wrap: async (cmk: Cmk, _entry: Entry, context: Context) => {
      const { dataKey } = await (await writer("derived")).generateDataKey({ context });
      return cmk.wrapDataKey(dataKey, { context });
    },
    unwrap: (cmk: Cmk, entry: Entry, context: Context) => cmk.unwrapDataKey(entry, { context }),
    rewrap: (cmk: Cmk, entry: Entry, context: Context) => cmk.rewrapEntry(entry, { context }),
  };
  type Call = keyof typeof calls;

  it.each<[string, VaultTransitMode, readonly Call[]]>([
    ["writes, and cannot read (mode derived)", "derived", ["generate"]],
    ["writes where this CMK is not the first", "derived", ["wrap"]],
    ["writes (mode aad)", "aad", ["generate", "wrap"]],
    ["reads (mode derived)", "derived", ["unwrap"]],
    ["reads (mode aad)", "aad", ["unwrap"]],
    ["reads the messages of one context (mode derived)", "derived", ["unwrap"]],
    ["reads the messages of one context (mode aad)", "aad", ["unwrap"]],
    ["moves to a new version", "derived", ["rewrap"]],
    ["operates the key", "derived", []],
  ])("the role that %s does that, and nothing else", async (title, mode, may) => {
    const { entry } = await (await writer(mode)).generateDataKey({ context: tenant });
    const cmk = open(await tokenOf(roleNamed(title), mode), mode);
    for (const name of Object.keys(calls) as Call[]) {
      const call = calls[name](cmk, entry, tenant);
      if (may.includes(name)) await expect(call, name).resolves.toBeDefined();
      else expect(await rejection(call), name).toMatchObject({ code: denied });
    }
  });

  it("every role is kept to what it sends, to its key, and from the rest of Transit", async () => {
    for (const role of roles(base64(tenant))) {
      const mode = role.mode === "aad" ? "aad" : "derived";
      const token = await tokenOf(role, mode);
      const key = keyOf(mode);
      const { entry } = await (await writer(mode)).generateDataKey({ context: tenant });
      const ciphertext = Buffer.from(entry.wrapped).toString();
      const binding = mode === "aad" ? "associated_data" : "context";
      const bound = { [binding]: base64(tenant) };
      const item = { ciphertext, plaintext: "AAAA", ...bound };
      for (const path of ["encrypt", "decrypt", "rewrap", "datakey/plaintext"]) {
        for (const body of [
          { batch_input: [item] },
          { ...bound, batch_input: [item] },
          { ...bound, ciphertext, plaintext: "AAAA", nonce: "AAAA" },
          { ciphertext, plaintext: "AAAA" },
          { ...item, context: base64(tenant), associated_data: base64(tenant) },
          { ...item, key_version: 1 },
        ]) {
          const answer = await ask(
            server.address,
            token,
            "POST",
            `${server.mount}/${path}/${key}`,
            body,
          );
          expect([role.title, path, body, answer.status]).toEqual([role.title, path, body, 403]);
        }
        const elsewhere = await ask(
          server.address,
          token,
          "POST",
          `${server.mount}/${path}/other`,
          item,
        );
        expect(elsewhere.status).toBe(403);
      }
      for (const [method, path] of [
        ["POST", "keys/made-by-nobody"],
        ["DELETE", `keys/${key}`],
        ["GET", `export/encryption-key/${key}`],
        ["GET", `backup/${key}`],
        ["GET", "keys?list=true"],
        ["POST", "config/keys"],
      ] as const) {
        const body = method === "POST" ? {} : undefined;
        const { status } = await ask(
          server.address,
          token,
          method,
          `${server.mount}/${path}`,
          body,
        );
        expect([path, status]).toEqual([path, 403]);
      }
    }
  });

  it.each(["derived", "aad"] as const)(
    "the role for one context opens that context's messages, and no other's: %s",
    async (mode) => {
      const cmk = await writer(mode);
      const [own, foreign] = [
        await cmk.generateDataKey({ context: tenant }),
        await cmk.generateDataKey({ context: other }),
      ];
      const token = await tokenOf(
        roleNamed(`reads the messages of one context (mode ${mode})`),
        mode,
      );
      const reader = open(token, mode);
      const opened = await reader.unwrapDataKey(own.entry, { context: tenant });
      expect(opened.equals(own.dataKey)).toBe(true);
      expect(
        await rejection(reader.unwrapDataKey(foreign.entry, { context: other })),
      ).toMatchObject({
        code: denied,
      });
      const binding = mode === "aad" ? "associated_data" : "context";
      const ciphertext = Buffer.from(foreign.entry.wrapped).toString();
      const theirs = { ciphertext, [binding]: base64(other) };
      for (const body of [
        theirs,
        { batch_input: [theirs] },
        { [binding]: base64(tenant), batch_input: [theirs] },
        { ciphertext, context: base64(other), associated_data: base64(other) },
        { ciphertext },
        { ciphertext, [binding.toUpperCase()]: base64(other), [binding]: base64(tenant) },
      ]) {
        const path = `${server.mount}/decrypt/${keyOf(mode)}`;
        const { status, data } = await ask(server.address, token, "POST", path, body);
        expect([body, data["plaintext"], data["batch_results"]]).toEqual([
          body,
          undefined,
          undefined,
        ]);
        expect(status).toBeGreaterThanOrEqual(400);
      }
    },
  );

  it("the role that operates the key retires a version, to the last step", async () => {
    const token = await tokenOf(roleNamed("operates the key"), "derived");
    const operate = async (path: string, body: object): Promise<number> =>
      (await ask(server.address, token, "POST", `${server.mount}/keys/orders/${path}`, body))
        .status;
    for (const [path, body] of [
      ["rotate", {}],
      ["config", { min_decryption_version: 2 }],
      ["config", { min_encryption_version: 2 }],
      ["trim", { min_available_version: 2 }],
    ] as const) {
      expect([path, await operate(path, body)]).toEqual([path, 200]);
    }
    for (const name of ["exportable", "allow_plaintext_backup", "deletion_allowed"]) {
      expect(await operate("config", { [name]: true })).toBe(403);
    }
  });
});
