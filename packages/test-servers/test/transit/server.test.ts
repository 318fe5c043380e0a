import { describe, expect, it } from "vitest";
import { decodeBase64 } from "../../src/transit/base64.ts";
import { startTransitServer, transitFaults } from "../../src/transit/index.ts";
import { base64, call, open, post } from "./support.ts";

const plaintext = base64("x");

describe("an answer", () => {
  it("has Vault's envelope", async () => {
    const server = await open();
    server.createKey("k");
    const { body, headers } = await post(server, "transit/encrypt/k", { plaintext });
    expect(body).toMatchObject({
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      lease_id: "",
      renewable: false,
      lease_duration: 0,
      wrap_info: null,
      warnings: null,
      auth: null,
    });
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it("warns of parameters that it does not know, and of those the path has", async () => {
    const server = await open();
    server.createKey("k");
    const body = { plaintext, name: "other", zeta: 1, alpha: 2 };
    expect((await post(server, "transit/encrypt/k", body)).body["warnings"]).toEqual([
      "Endpoint ignored these unrecognized parameters: [alpha zeta]",
      "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
    ]);
  });

  it.each([
    ["GET", "other/keys/k", 404, 'no handler for route "other/keys/k". route entry not found.'],
    ["GET", "transit/none/k", 404, "1 error occurred:\n\t* unsupported path\n\n"],
    ["GET", "transit/keys/-k", 404, "1 error occurred:\n\t* unsupported path\n\n"],
    ["GET", "transit/encrypt/k", 405, "1 error occurred:\n\t* unsupported operation\n\n"],
    ["PATCH", "transit/keys/k", 405, "1 error occurred:\n\t* unsupported operation\n\n"],
  ])("refuses %s %s", async (method, path, status, problem) => {
    const server = await open();
    expect(await call(server, method, path)).toMatchObject({ status, body: { errors: [problem] } });
  });

  it("refuses what is no JSON, and what is too long", async () => {
    const server = await open();
    server.createKey("k");
    expect((await call(server, "POST", "transit/encrypt/k", "{")).status).toBe(400);
    const long = JSON.stringify({ plaintext: "A".repeat(33 * 1024 * 1024) });
    expect(await call(server, "PUT", "transit/encrypt/k", long)).toMatchObject({
      status: 413,
      body: { errors: ["http: request body too large"] },
    });
  });

  it("is given to anybody who asks for health, and lists mounts to root", async () => {
    const server = await open({ mounts: ["transit", "eng/keys"] });
    const health = await call(server, "GET", "sys/health", undefined, {});
    expect(health).toMatchObject({ status: 200, body: { initialized: true, sealed: false } });
    expect(Object.keys((await call(server, "GET", "sys/mounts")).data)).toEqual([
      "transit/",
      "eng/keys/",
    ]);
  });
});

describe("faults", () => {
  it.each([
    ["sealed", 503, "Vault is sealed"],
    ["noLeader", 503, "no active Vault instance found"],
    ["notActive", 500, "local node not active but active cluster node not found"],
    ["rateLimited", 429, "rate limit quota exceeded"],
    ["inconsistent", 412, "required index state not present"],
    ["html", 200, "<html>"],
  ] as const)("answer as they should: %s", async (name, status, text) => {
    const server = await open();
    server.fail(transitFaults[name]);
    const answer = await call(server, "GET", "transit/keys/k");
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(text);
    server.fail(undefined);
    expect((await call(server, "GET", "sys/health")).status).toBe(200);
  });

  it("send to the leader, path and all", async () => {
    const server = await open();
    server.fail({ kind: "standby", leader: "https://leader:8200" });
    const answer = await call(server, "GET", "transit/keys/k?x=1");
    expect(answer.status).toBe(307);
    expect(answer.headers.get("location")).toBe("https://leader:8200/v1/transit/keys/k?x=1");
  });

  it("are for the paths that they are meant for", async () => {
    const server = await open();
    server.createKey("k");
    server.fail(transitFaults.sealed, ["transit/decrypt/"]);
    expect((await call(server, "GET", "transit/keys/k")).status).toBe(200);
    expect((await post(server, "transit/decrypt/k", {})).status).toBe(503);
  });

  it("alter, delay and drop", async () => {
    const server = await open();
    server.createKey("k");
    server.fail({ kind: "alter", alter: (body) => ({ ...body, warnings: ["hello"] }) });
    expect((await call(server, "GET", "transit/keys/k")).body["warnings"]).toEqual(["hello"]);
    server.fail({ kind: "slow", milliseconds: 1 });
    expect((await call(server, "GET", "transit/keys/k")).status).toBe(200);
    server.fail(transitFaults.oversized);
    expect((await call(server, "GET", "transit/keys/k")).text.length).toBeGreaterThan(4_000_000);
    for (const midBody of [false, true]) {
      server.fail({ kind: "drop", midBody });
      await expect(call(server, "GET", "transit/keys/k")).rejects.toThrow(TypeError);
    }
  });

  it("have no effect on keys", async () => {
    const server = await open();
    server.createKey("k");
    server.fail(transitFaults.internal);
    await post(server, "transit/keys/k/rotate");
    server.fail(undefined);
    expect((await call(server, "GET", "transit/keys/k")).data["latest_version"]).toBe(1);
  });
});

it("keeps what came, without secrets", async () => {
  const server = await open();
  server.createKey("k");
  await post(server, "transit/encrypt/k", { plaintext });
  await post(server, "transit/encrypt/k", { batch_input: [{ plaintext }] });
  await call(server, "POST", "auth/approle/login", { role_id: "r", secret_id: "s" }, {});
  expect(server.calls.map(({ body }) => body)).toEqual([
    { plaintext: "(left out)" },
    { batch_input: [{ plaintext: "(left out)" }] },
    { role_id: "r", secret_id: "(left out)" },
  ]);
});

it("keeps the last thousand requests", async () => {
  const server = await open();
  for (let i = 0; i <= 1000; i++) await call(server, "GET", `number/${i}`, undefined, {});
  expect(server.calls).toHaveLength(1000);
  expect(server.calls[0]?.path).toBe("number/1");
});

it("ends what hangs when it closes, and is gone", async () => {
  const server = await startTransitServer();
  server.fail({ kind: "stall" });
  const arrived = server.nextCall();
  const hanging = call(server, "GET", "transit/keys/k").catch((error: unknown) => error);
  await arrived;
  expect(server.connections).toBe(1);
  await server.close();
  await server.disconnected();
  expect(await hanging).toBeInstanceOf(TypeError);
});

it.each([
  ["", ""],
  ["QQ==", "A"],
  ["QR==", "A"],
  ["Q\nQ=\r\n=", "A"],
  ["QUI=", "AB"],
  ["QUJD", "ABC"],
])("decodes base64 as Go does: %j", (text, decoded) => {
  expect(Buffer.from(decodeBase64(text) as Uint8Array).toString()).toBe(decoded);
});

it.each([
  ["!", 0],
  ["QUJD!", 4],
  ["QUI", 0],
  ["QUJDQ", 4],
  ["Q===", 1],
  ["QQ=A", 2],
  ["QQ==Q", 4],
  ["=", 0],
])("names the byte that is no base64 as Go does: %j", (text, at) => {
  expect(decodeBase64(text)).toBe(`illegal base64 data at input byte ${at}`);
});
