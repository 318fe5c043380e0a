/** That the context is bound, or the key refused: also where its description may not be read. */
import { isEnvelopeError, type Cmk } from "@env/core";
import type { TransitPolicyRule, TransitServer } from "@env/test-servers/transit";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { doctor, vaultTransit, type VaultTransitMode } from "../src/index.ts";
import { testServer, tokenFor } from "./support/server.ts";

const context = { tenant: "acme" };
const update = (path: string, more: Partial<TransitPolicyRule> = {}): TransitPolicyRule => ({
  path: `transit/${path}/first`,
  capabilities: ["update"],
  ...more,
});

function open(
  server: TransitServer,
  mode: VaultTransitMode,
  rules?: readonly TransitPolicyRule[],
): Cmk {
  const token = rules === undefined ? server.rootToken : tokenFor(server, rules);
  const cmk = vaultTransit({
    address: server.url,
    auth: { token: () => token },
    key: "first",
    mode,
  });
  onTestFinished(() => cmk.close());
  return cmk;
}

afterEach(() => {
  vi.useRealTimers();
});

/** A minute, after which a key is checked again. */
function minute(): void {
  vi.advanceTimersByTime(60_000);
}

/** Deletes the key, and makes it again without derivation: it would ignore the context. */
function remake(server: TransitServer, versions = 1): void {
  server.root("POST", "transit/keys/first/config", { deletion_allowed: true });
  server.root("DELETE", "transit/keys/first");
  server.createKey("first", { derived: false });
  for (let i = 1; i < versions; i++) server.root("POST", "transit/keys/first/rotate");
}

const paths = (server: TransitServer): string[] =>
  server.calls.map(({ method, path }) => `${method} ${path.replace(/^transit\//, "")}`);

describe("a key whose description may be read", () => {
  it("is looked at once for all who wait", async () => {
    const server = await testServer();
    const cmk = open(server, "derived");
    const call = () => cmk.generateDataKey({ context });
    await Promise.all([call(), call()]);
    await call();
    expect(paths(server).filter((path) => path === "GET keys/first")).toHaveLength(1);
  });

  it.each([
    ["derived", { derived: false }, /derived=true/],
    ["aad", { derived: true }, /use mode derived/],
    ["derived", { type: "ed25519", derived: true }, /authenticated encryption/],
    ["aad", { type: "rsa-2048" }, /authenticated encryption/],
  ] as const)("is refused in mode %s with %o", async (mode, options, hint) => {
    const server = await testServer();
    server.createKey("other", options);
    const cmk = vaultTransit({
      address: server.url,
      auth: { token: server.rootToken },
      key: "other",
      mode,
    });
    onTestFinished(() => cmk.close());
    const error = await rejection(cmk.generateDataKey({ context }));
    expect(error).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      cause: { name: "KeyUnsuitable", hint: expect.stringMatching(hint) },
    });
    expect(paths(server).filter((path) => path.startsWith("POST"))).toEqual([]);
  });

  it("is looked at again after a refusal, so that a new key is noticed", async () => {
    const server = await testServer();
    const cmk = vaultTransit({
      address: server.url,
      auth: { token: server.rootToken },
      key: "late",
    });
    onTestFinished(() => cmk.close());
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    });
    server.createKey("late", { derived: true });
    await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
  });
});

describe("a key whose description is out of reach, in mode derived", () => {
  it.each([
    ["generate", "datakey/plaintext"],
    ["wrap", "encrypt"],
    ["unwrap", "decrypt"],
    ["rewrap", "rewrap"],
  ] as const)("is tried by the operation itself: %s", async (operation, path) => {
    for (const derived of [true, false]) {
      const server = await testServer({ derived });
      const writer = open(server, derived ? "derived" : "aad");
      const { dataKey, entry } = await writer.generateDataKey({ context });
      const token = tokenFor(server, [update(path, { required_parameters: ["context"] })]);
      const cmk = vaultTransit({ address: server.url, auth: { token: () => token }, key: "first" });
      onTestFinished(() => cmk.close());
      const call = () =>
        ({
          generate: () => cmk.generateDataKey({ context }),
          wrap: () => cmk.wrapDataKey(dataKey, { context }),
          unwrap: () => cmk.unwrapDataKey(entry, { context }),
          rewrap: () => cmk.rewrapEntry(entry, { context }),
        })[operation]();
      const before = server.calls.length;
      const outcome: unknown = await call().catch((error: unknown) => error);
      if (!derived) {
        expect(outcome).toMatchObject({
          code: "ERR_ENVELOPE_KMS_KEY_STATE",
          cause: { name: "KeyUnsuitable" },
        });
        continue;
      }
      expect(isEnvelopeError(outcome)).toBe(false);
      const probe = server.calls[before + 1];
      expect(probe?.body).toMatchObject({ context: "" });
      const once = server.calls.length;
      await call();
      // Neither read nor tried again; a rewrap has its verification.
      expect(server.calls.length - once).toBe(1);
    }
  });
});

describe("a key whose description is out of reach, in mode aad", () => {
  it("has to refuse other data once", async () => {
    const server = await testServer({ derived: false });
    const cmk = open(server, "aad", [update("encrypt"), update("decrypt")]);
    await cmk.generateDataKey({ context });
    expect(paths(server)).toEqual([
      "GET keys/first",
      "POST encrypt/first",
      "POST decrypt/first",
      "POST encrypt/first",
    ]);
    await cmk.generateDataKey({ context });
    expect(server.calls).toHaveLength(5);
  });

  it("is used by who may only wrap, on the server's word", async () => {
    const server = await testServer({ derived: false });
    const cmk = open(server, "aad", [
      update("encrypt", { required_parameters: ["associated_data"] }),
    ]);
    await expect(cmk.generateDataKey({ context })).resolves.toBeDefined();
  });

  it("is refused where other data opens it", async () => {
    const server = await testServer({ derived: false });
    const plaintext = Buffer.alloc(32).toString("base64");
    server.fail({ kind: "answer", status: 200, body: JSON.stringify({ data: { plaintext } }) }, [
      "transit/decrypt/",
    ]);
    const cmk = open(server, "aad", [update("encrypt"), update("decrypt")]);
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      cause: { name: "KeyUnsuitable" },
    });
  });

  it("is refused where it derives keys", async () => {
    const server = await testServer({ derived: true });
    const cmk = open(server, "aad", [update("encrypt")]);
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      cause: { name: "ContextRequired" },
    });
  });
});

describe("a key that was made again without derivation", () => {
  const unsuitable = { code: "ERR_ENVELOPE_KMS_KEY_STATE", cause: { name: "KeyUnsuitable" } };
  const roles: readonly [string, readonly TransitPolicyRule[] | undefined][] = [
    ["who may read its description", undefined],
    ["who may not", [update("datakey/plaintext"), update("encrypt"), update("decrypt")]],
  ];

  it.each(roles)("is noticed after a minute by one %s", async (_, rules) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const server = await testServer();
    const cmk = open(server, "derived", rules);
    await cmk.generateDataKey({ context });
    remake(server);
    minute();
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject(unsuitable);
  });

  it.each(roles)("is noticed by its version, before its answer is used: %s", async (_, rules) => {
    const server = await testServer();
    server.root("POST", "transit/keys/first/rotate");
    const cmk = open(server, "derived", rules);
    const { dataKey } = await cmk.generateDataKey({ context });
    remake(server);
    expect(await rejection(cmk.wrapDataKey(dataKey, { context }))).toMatchObject(unsuitable);
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject(unsuitable);
  });

  it.each(roles)("is noticed after it was missing: %s", async (_, rules) => {
    const server = await testServer();
    const cmk = open(server, "derived", rules);
    const { entry } = await cmk.generateDataKey({ context });
    server.root("POST", "transit/keys/first/config", { deletion_allowed: true });
    server.root("DELETE", "transit/keys/first");
    expect(await rejection(cmk.unwrapDataKey(entry, { context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    });
    server.createKey("first", { derived: false });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject(unsuitable);
  });

  it("is noticed where an entry names a version that it has not reached", async () => {
    const server = await testServer();
    server.root("POST", "transit/keys/first/rotate");
    const cmk = open(server, "derived");
    const { entry } = await cmk.generateDataKey({ context });
    remake(server);
    expect(await rejection(cmk.unwrapDataKey(entry, { context }))).toMatchObject({
      cause: { name: "KeyVersionUnknown" },
    });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject(unsuitable);
  });

  it("does not get in the way of a standby that is behind: the key is looked at once more", async () => {
    const server = await testServer();
    server.root("POST", "transit/keys/first/rotate");
    const cmk = open(server, "derived");
    const { entry } = await cmk.generateDataKey({ context });
    server.fail(
      {
        kind: "alter",
        alter: (answer) => ({
          ...answer,
          data: { ...(answer["data"] as object), key_version: 1, ciphertext: v1 },
        }),
      },
      ["transit/datakey/"],
    );
    const v1 = new TextDecoder().decode(entry.wrapped).replace("vault:v2:", "vault:v1:");
    const before = server.calls.length;
    expect((await cmk.generateDataKey({ context })).keyVersion).toBe("1");
    expect(paths(server).slice(before)).toEqual(["POST datakey/plaintext/first", "GET keys/first"]);
  });
});

it("is asked for again once a minute, and not before", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const server = await testServer();
  const cmk = open(server, "derived");
  await cmk.generateDataKey({ context });
  vi.advanceTimersByTime(59_999);
  await cmk.generateDataKey({ context });
  const reads = () => paths(server).filter((path) => path === "GET keys/first");
  expect(reads()).toHaveLength(1);
  vi.advanceTimersByTime(1);
  await cmk.generateDataKey({ context });
  expect(reads()).toHaveLength(2);
});

it("is missing where encrypting is denied because it would create it", async () => {
  const server = await testServer();
  const cmk = open(server, "derived", [
    update("encrypt"),
    { path: "transit/keys/first", capabilities: ["read"] },
  ]);
  const { dataKey } = await open(server, "derived").generateDataKey({ context });
  await cmk.wrapDataKey(dataKey, { context });
  server.root("POST", "transit/keys/first/config", { deletion_allowed: true });
  server.root("DELETE", "transit/keys/first");
  expect(await rejection(cmk.wrapDataKey(dataKey, { context }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  });
});

describe("a role for one context, that may not read the key", () => {
  it.each([
    ["derived", "context"],
    ["aad", "associated_data"],
  ] as const)("is told what to allow: %s", async (mode, name) => {
    const server = await testServer({ derived: mode === "derived" });
    const writer = open(server, mode);
    const { dataKey } = await writer.generateDataKey({ context });
    const value = server.calls.at(-1)?.body[name];
    const rule = update("encrypt", {
      allowed_parameters: { plaintext: [], type: [], [name]: [value] },
    });
    const denied = await rejection(open(server, mode, [rule]).wrapDataKey(dataKey, { context }));
    expect(denied).toMatchObject({
      code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      cause: {
        message:
          "encrypt: AccessDenied (HTTP 403); allow update on transit/encrypt/first, and read on transit/keys/first, by which the key is checked",
      },
    });
    const read = { path: "transit/keys/first", capabilities: ["read"] as const };
    const allowed = open(server, mode, [rule, read]);
    await expect(allowed.wrapDataKey(dataKey, { context })).resolves.toBeDefined();
  });
});

it.each(["rsa-2048", "ed25519", "ecdsa-p256", "hmac"])(
  "is refused in mode aad by its type, where its description is out of reach: %s",
  async (type) => {
    const server = await testServer();
    server.createKey("other", { type });
    const rules = [{ path: "transit/encrypt/other", capabilities: ["update"] as const }];
    const auth = { token: tokenFor(server, rules) };
    const cmk = vaultTransit({ address: server.url, auth, key: "other", mode: "aad" });
    onTestFinished(() => cmk.close());
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      cause: { name: "KeyUnsuitable" },
    });
  },
);

it("is refused in mode derived where it is for RSA, at the first unwrap", async () => {
  const server = await testServer();
  const { entry } = await open(server, "derived").generateDataKey({ context });
  server.createKey("rsa", { type: "rsa-2048" });
  const rules = [{ path: "transit/decrypt/rsa", capabilities: ["update"] as const }];
  const auth = { token: tokenFor(server, rules) };
  const cmk = vaultTransit({ address: server.url, auth, key: "rsa" });
  onTestFinished(() => cmk.close());
  const call = cmk.unwrapDataKey({ ...entry, keyId: "transit/rsa" }, { context });
  expect(await rejection(call)).toMatchObject({
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    cause: { name: "KeyUnsuitable" },
  });
});

describe.each(["derived", "aad"] as const)("a missing key, in mode %s", (mode) => {
  const all = ["create", "update"] as const;
  it.each<[string, readonly TransitPolicyRule[]]>([
    ["encrypt alone", [{ path: "transit/encrypt/*", capabilities: all }]],
    [
      "all but reading",
      [
        { path: "transit/*", capabilities: all },
        { path: "transit/keys/*", capabilities: ["deny"] },
      ],
    ],
    ["everything", [{ path: "*", capabilities: [...all, "read"] }]],
  ])("is made by no call of one who may create it: %s", async (_, rules) => {
    const server = await testServer();
    const { dataKey, entry } = await open(server, "derived").generateDataKey({ context });
    const auth = { token: tokenFor(server, rules) };
    const options = { address: server.url, auth, key: "typo", mode };
    const cmk = vaultTransit(options);
    onTestFinished(() => cmk.close());
    for (const call of [
      () => cmk.generateDataKey({ context }),
      () => cmk.wrapDataKey(dataKey, { context }),
      () => cmk.unwrapDataKey({ ...entry, keyId: "transit/typo" }, { context }),
      () => cmk.rewrapEntry({ ...entry, keyId: "transit/typo" }, { context }),
    ]) {
      const error = await rejection(call());
      expect(error).toMatchObject({
        code: expect.stringMatching(/KEY_NOT_FOUND|ACCESS_DENIED/),
      });
    }
    expect(await doctor(options)).toMatchObject({ mayWrap: false });
    expect(server.root("GET", "transit/keys/typo").status).toBe(404);
    expect(server.root("GET", "transit/keys/first").status).toBe(200);
  });

  it("is not made where it went after it was found sound", async () => {
    const server = await testServer({ derived: mode === "derived" });
    const cmk = open(server, mode, [{ path: "transit/*", capabilities: [...all, "read"] }]);
    const { dataKey } = await cmk.generateDataKey({ context });
    server.root("POST", "transit/keys/first/config", { deletion_allowed: true });
    server.root("DELETE", "transit/keys/first");
    expect(await rejection(cmk.wrapDataKey(dataKey, { context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    });
    expect(server.root("GET", "transit/keys/first").status).toBe(404);
  });
});
