/** That the context is bound, or the key refused: also where its description may not be read. */
import type { TransitPolicyRule, TransitServer } from "@env/conformance/transit-server";
import { isEnvelopeError, type Cmk } from "@env/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { vaultTransit, type VaultTransitMode } from "../src/index.ts";
import { rejection, testServer, tokenFor } from "./support/server.ts";

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

it("makes no key of a mistyped name", async () => {
  const server = await testServer();
  for (const mode of ["derived", "aad"] as const) {
    const options = { address: server.url, auth: { token: server.rootToken }, key: "typo", mode };
    const cmk = vaultTransit(options);
    onTestFinished(() => cmk.close());
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    });
  }
  expect(server.root("GET", "transit/keys/typo").status).toBe(404);
});
