import { transitFaults, type TransitPolicyRule } from "@env/test-servers/transit";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { doctor, parseVaultTransitUri, type DoctorReport } from "../src/index.ts";
import { testServer, tokenFor, withoutConfiguration } from "./support/server.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

const update = (path: string): TransitPolicyRule => ({
  path: `transit/${path}/first`,
  capabilities: ["update"],
});
const read: TransitPolicyRule = { path: "transit/keys/first", capabilities: ["read"] };

const may = ({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport) => [
  mayGenerate,
  mayWrap,
  mayUnwrap,
  mayRewrap,
];
const problems = (report: DoctorReport) =>
  report.problems.map(({ check, code }) => `${check} ${code.replace("ERR_ENVELOPE_KMS_", "")}`);

it("finds nothing wrong where nothing is", async () => {
  const server = await testServer();
  server.root("POST", "transit/keys/first/rotate");
  vi.stubEnv("VAULT_TOKEN", server.rootToken);
  const report = await doctor(parseVaultTransitUri(`vault-transit:${server.url}/transit/first`));
  expect(report).toEqual({
    provider: "vault-transit",
    keyId: "transit/first",
    label: "transit/first",
    reachable: true,
    mayGenerate: true,
    mayWrap: true,
    mayUnwrap: true,
    mayRewrap: true,
    keyVersion: "2",
    latencyMs: expect.any(Number),
    problems: [],
  });
  await server.disconnected();
});

describe.each(["derived", "aad"] as const)("in mode %s", (mode) => {
  const derived = mode === "derived";

  it.each([
    ["writes", [read, update("datakey/plaintext"), update("encrypt")], [true, true, false, false]],
    ["reads", [read, update("decrypt")], [false, false, true, false]],
    ["may do nothing", [read], [false, false, false, false]],
  ] as const)("tells what one may do who %s", async (_, rules, expected) => {
    const server = await testServer({ derived });
    const auth = { token: tokenFor(server, rules) };
    const report = await doctor({ address: server.url, auth, key: "first", mode });
    expect(may(report)).toEqual(expected);
    const checks = ["generate", "wrap", "unwrap", "rewrap"].filter((__, at) => !expected[at]);
    expect(problems(report)).toEqual(checks.map((check) => `${check} ACCESS_DENIED`));
    expect(report.problems[0]?.message).toMatch(/; allow update on transit\/\w+(\/\w+)?\/first$/);
  });

  it("tells a missing key, and makes none", async () => {
    const server = await testServer({ derived });
    const auth = { token: server.rootToken };
    const report = await doctor({ address: server.url, auth, key: "typo", mode });
    expect(may(report)).toEqual([false, false, false, false]);
    expect(problems(report)).toEqual(
      ["key", "generate", "wrap", "unwrap", "rewrap"].map((check) => `${check} KEY_NOT_FOUND`),
    );
    expect(server.root("GET", "transit/keys/typo").status).toBe(404);
  });
});

it("tells what one may do who rewraps only, by a ciphertext that is none", async () => {
  const server = await testServer();
  const auth = { token: tokenFor(server, [update("rewrap")]) };
  const report = await doctor({ address: server.url, auth, key: "first" });
  expect(may(report)).toEqual([false, false, false, true]);
  expect(problems(report)).toEqual([
    "key ACCESS_DENIED",
    "generate ACCESS_DENIED",
    "wrap ACCESS_DENIED",
    "unwrap ACCESS_DENIED",
  ]);
});

it.each(["derived", "aad"] as const)(
  "makes no key where its description is out of reach: %s",
  async (mode) => {
    const server = await testServer();
    const auth = {
      token: tokenFor(server, [
        { path: "transit/*", capabilities: ["create", "update"] },
        { path: "transit/keys/*", capabilities: ["deny"] },
      ]),
    };
    const report = await doctor({ address: server.url, auth, key: "typo", mode });
    expect(may(report)).toEqual([false, false, false, false]);
    expect(problems(report).slice(1)).toEqual(
      ["generate", "wrap", "unwrap", "rewrap"].map((check) => `${check} KEY_NOT_FOUND`),
    );
    expect(server.root("GET", "transit/keys/typo").status).toBe(404);
  },
);

it("tells that one may unwrap where the first version is retired", async () => {
  const server = await testServer();
  server.root("POST", "transit/keys/first/rotate");
  server.root("POST", "transit/keys/first/config", { min_decryption_version: 2 });
  const auth = { token: server.rootToken };
  const report = await doctor({ address: server.url, auth, key: "first" });
  expect(may(report)).toEqual([true, true, true, true]);
});

it("asks for all of alsoUnwrap", async () => {
  const server = await testServer();
  server.createKey("old", { derived: true });
  const all = ["datakey/plaintext", "encrypt", "decrypt", "rewrap"].map((path) => update(path));
  const options = { address: server.url, key: "first", alsoUnwrap: ["transit/old"] };
  const without = await doctor({ ...options, auth: { token: tokenFor(server, [read, ...all]) } });
  expect(may(without)).toEqual([true, true, false, false]);
  expect(without.problems[0]?.message).toContain("allow update on transit/decrypt/old");
  const unmoved = [read, update("datakey/plaintext"), update("encrypt"), update("decrypt")];
  const old = { path: "transit/decrypt/old", capabilities: ["update"] as const };
  const within = await doctor({ ...options, auth: { token: tokenFor(server, [...unmoved, old]) } });
  expect(may(within)).toEqual([true, true, true, false]);
  expect(within.problems.at(-1)?.message).toContain("allow update on transit/rewrap/first");
  const withOld = await doctor({ ...options, auth: { token: server.rootToken } });
  expect(may(withOld)).toEqual([true, true, true, true]);
});

it("tells a key that is not fit, or not safe", async () => {
  const server = await testServer();
  server.createKey("plain", { exportable: true, allowPlaintextBackup: true });
  const auth = { token: server.rootToken };
  const report = await doctor({ address: server.url, auth, key: "plain" });
  expect(may(report)).toEqual([false, false, false, false]);
  expect(problems(report).slice(0, 4)).toEqual([
    "key KEY_STATE",
    "key KEY_STATE",
    "key KEY_STATE",
    "generate KEY_STATE",
  ]);
  server.createKey("convergent", { derived: true, convergent: true });
  const convergent = await doctor({ address: server.url, auth, key: "convergent" });
  expect(convergent.problems).toEqual([
    {
      check: "key",
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      message: expect.stringContaining("the key is convergent"),
    },
  ]);
  server.root("DELETE", "transit/keys/first/soft-delete");
  const deleted = await doctor({ address: server.url, auth, key: "first" });
  expect(may(deleted)).toEqual([false, false, false, false]);
  expect(deleted.problems[0]).toEqual({
    check: "key",
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    message: "the key is soft-deleted; restore it",
  });
});

it("cannot tell where Vault does not answer, or answers nothing of use", async () => {
  const server = await testServer();
  const options = { address: server.url, auth: { token: () => server.rootToken }, key: "first" };
  server.fail(transitFaults.sealed);
  const sealed = await doctor(options);
  expect(sealed.reachable).toBe(true);
  expect(may(sealed)).toEqual([undefined, undefined, undefined, undefined]);
  server.fail(transitFaults.html);
  const page = await doctor(options);
  expect(page).toMatchObject({ reachable: false, latencyMs: undefined });
  expect(problems(page)).toEqual(["reach UNAVAILABLE"]);
  await server.close();
  expect(problems(await doctor(options))).toEqual(["reach UNAVAILABLE"]);
});

it("throws for misuse before any call, and the signal's reason", async () => {
  const server = await testServer();
  const options = { address: server.url, auth: { token: server.rootToken }, key: "first" };
  const reserved = { context: { "env:format": "2" } };
  expect(await rejection(doctor(options, reserved))).toMatchObject({
    code: "ERR_ENVELOPE_INVALID_CONTEXT",
  });
  expect(await rejection(doctor({ ...options, key: "a/b" }))).toBeInstanceOf(TypeError);
  expect(await rejection(doctor(options, { contxt: {} } as object))).toEqual(
    new TypeError('unknown option "contxt"'),
  );
  const reason = new Error("the caller has left");
  expect(await rejection(doctor(options, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(server.calls).toEqual([]);
});
