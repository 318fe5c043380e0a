import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  gcpKmsDenial,
  gcpKmsFaults,
  startGcpKmsServer,
  type Message,
} from "../../src/gcp-kms/index.ts";
import { refusal, testServer } from "./support/client.ts";

const plaintext = randomBytes(32);

describe("a fault", () => {
  it.each([
    ["throttled", 8],
    ["unavailable", 14],
    ["unauthenticated", 16],
  ] as const)("answers that it is %s", async (fault, code) => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsFaults[fault]);
    expect((await refusal(call("Encrypt", { name, plaintext })))[0]).toBe(code);
    server.fail(undefined);
    await call("Encrypt", { name, plaintext });
  });

  it("denies a permission in Google's words", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsDenial("cloudkms.cryptoKeyVersions.useToEncrypt", name));
    expect(await refusal(call("Encrypt", { name, plaintext }))).toEqual([
      7,
      `Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '${name}' (or it may not exist).`,
    ]);
  });

  it("stalls: the call came, and its deadline passes", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsFaults.stall);
    expect((await refusal(call("Encrypt", { name, plaintext }, 100)))[0]).toBe(4);
    expect(server.calls).toHaveLength(1);
  });

  it("resets the connection", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsFaults.reset);
    const [code, details] = await refusal(call("Encrypt", { name, plaintext }));
    expect([code, details]).toEqual([14, expect.stringContaining("ECONNRESET")]);
    await server.disconnected();
  });

  it("gives wrong checksums, unverified ones, another name, a short plaintext", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const right = await call("Encrypt", { name, plaintext });
    const { ciphertext } = right;
    server.fail(gcpKmsFaults.corruptCrc32c);
    expect(await call("Encrypt", { name, plaintext })).toMatchObject({
      ciphertextCrc32c: { value: "1" },
    });
    expect(await call("Decrypt", { name, ciphertext })).toMatchObject({
      plaintext,
      plaintextCrc32c: { value: "1" },
    });
    server.fail(gcpKmsFaults.otherName);
    expect((await call("Encrypt", { name, plaintext }))["name"]).not.toContain(name);
    server.fail(gcpKmsFaults.shortPlaintext);
    expect((await call("Decrypt", { name, ciphertext }))["plaintext"]).toHaveLength(31);
    server.fail(gcpKmsFaults.unverified);
    const plaintextCrc32c = { value: "0" };
    expect((await refusal(call("Encrypt", { name, plaintext, plaintextCrc32c })))[0]).toBe(3);
    expect(await call("Encrypt", { name, plaintext })).toMatchObject({
      verifiedPlaintextCrc32c: false,
    });
  });

  it("is of the methods that are named", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsFaults.throttled, ["Decrypt"]);
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    expect((await refusal(call("Decrypt", { name, ciphertext })))[0]).toBe(8);
  });
});

it("keeps the calls that came, and says when the next one does", async () => {
  const { server, call } = await testServer();
  const name = server.createKey();
  const next = server.nextCall();
  await call("Encrypt", { name, plaintext });
  await next;
  expect(server.calls).toMatchObject([
    { method: "Encrypt", request: { name, plaintext }, routing: undefined },
  ]);
});

it("answers with the project's id where it was called with its number", async () => {
  const { server, call } = await testServer({ projects: { "111122223333": "test-project" } });
  const name = server.createKey();
  const byNumber = name.replace("test-project", "111122223333");
  const other = name.replace("test-project", "999999999999");
  expect(await call("GetCryptoKey", { name: byNumber })).toMatchObject({ name });
  const { ciphertext } = await call("Encrypt", { name: byNumber, plaintext });
  expect(await call("Decrypt", { name, ciphertext })).toMatchObject({ plaintext });
  expect((await refusal(call("GetCryptoKey", { name: other })))[0]).toBe(5);
});

it("serves no method that it does not know", async () => {
  const { call } = await testServer();
  expect((await refusal(call("ListImportJobs", { parent: "x" })))[0]).toBe(12);
});

it("makes keys where it is told to, rings and all", async () => {
  await using server = await startGcpKmsServer();
  const name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  expect(server.createKey({ name })).toBe(name);
  expect(() => server.createKey({ name })).toThrow("already exists");
  expect(() => server.createKey({ name: "k" })).toThrow("does not match a known format");
  expect(server.createKey()).not.toBe(server.createKey());
});

it("is gone once closed, with its connections", async () => {
  const { server, call } = await testServer();
  const name = server.createKey();
  await call("Encrypt", { name, plaintext });
  expect(server.connections).toBe(1);
  await server.close();
  expect(server.connections).toBe(0);
  expect((await refusal(call("Encrypt", { name, plaintext })))[0]).toBe(14);
  await server.close();
});

describe("REST", () => {
  async function rest(port: number, path: string, body?: Message, method = body ? "POST" : "GET") {
    const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Message };
  }

  it("is the same service, in JSON, base64 or base64url", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const bytes = Buffer.from("fbfffefbfffe", "hex");
    const aad = Buffer.from("?>?>").toString("base64url");
    const encrypted = await rest(server.restPort, `${name}:encrypt`, {
      plaintext: bytes.toString("base64url"),
      additionalAuthenticatedData: aad,
      plaintextCrc32c: "1",
    });
    expect(encrypted).toMatchObject({
      status: 400,
      body: { error: { code: 400, status: "INVALID_ARGUMENT" } },
    });
    const made = await rest(server.restPort, `${name}:encrypt`, {
      plaintext: bytes.toString("base64"),
      additionalAuthenticatedData: aad,
    });
    expect(made).toMatchObject({
      status: 200,
      body: { name: `${name}/cryptoKeyVersions/1`, protectionLevel: "SOFTWARE" },
    });
    expect(made.body["ciphertextCrc32c"]).toMatch(/^[0-9]+$/);
    const ciphertext = String(made.body["ciphertext"]);
    const opened = await rest(server.restPort, `${name}:decrypt`, {
      ciphertext,
      additionalAuthenticatedData: aad,
    });
    expect(opened.body).toMatchObject({ plaintext: bytes.toString("base64"), usedPrimary: true });
    const overGrpc = await call("Decrypt", {
      name,
      ciphertext: Buffer.from(ciphertext, "base64"),
      additionalAuthenticatedData: Buffer.from("?>?>"),
    });
    expect(overGrpc["plaintext"]).toEqual(bytes);
  });

  it("makes keys and versions, and tells of them", async () => {
    const { server } = await testServer();
    const { restPort } = server;
    const location = "projects/p/locations/global";
    const ring = `${location}/keyRings/r`;
    const key = `${ring}/cryptoKeys/k`;
    await rest(restPort, `${location}/keyRings?keyRingId=r`, {});
    const made = await rest(restPort, `${ring}/cryptoKeys?cryptoKeyId=k`, {
      purpose: "ENCRYPT_DECRYPT",
    });
    expect(made.body).toMatchObject({
      name: key,
      createTime: expect.stringMatching(/^20.*Z$/),
      destroyScheduledDuration: "2592000s",
      primary: { name: `${key}/cryptoKeyVersions/1` },
    });
    expect(await rest(restPort, key)).toEqual({ status: 200, body: made.body });
    await rest(restPort, `${key}/cryptoKeyVersions`, {});
    await rest(restPort, `${key}:updatePrimaryVersion`, { cryptoKeyVersionId: "2" });
    const first = `${key}/cryptoKeyVersions/1`;
    const disabled = await rest(
      restPort,
      `${first}?updateMask=state`,
      { state: "DISABLED" },
      "PATCH",
    );
    expect(disabled.body).toMatchObject({ name: first, state: "DISABLED" });
    expect((await rest(restPort, `${first}:destroy`, {})).body).toMatchObject({
      state: "DESTROY_SCHEDULED",
      destroyTime: expect.stringMatching(/^20.*Z$/),
    });
    expect((await rest(restPort, `${first}:restore`, {})).body).toMatchObject({
      state: "DISABLED",
    });
    expect((await rest(restPort, first)).body).toMatchObject({ state: "DISABLED" });
    expect((await rest(restPort, ring)).body).toMatchObject({ name: ring });
    for (const [path, list] of [
      [`${location}/keyRings`, "keyRings"],
      [`${ring}/cryptoKeys`, "cryptoKeys"],
      [`${key}/cryptoKeyVersions`, "cryptoKeyVersions"],
    ] as const) {
      const { body } = await rest(restPort, path);
      expect(body[list]).toHaveLength(Number(body["totalSize"]));
    }
    const random = await rest(restPort, `${location}:generateRandomBytes`, {
      lengthBytes: 9,
      protectionLevel: "HSM",
    });
    expect(random.body["data"]).toHaveLength(12);
  });

  it("answers what it does not know or cannot read as the service would", async () => {
    const { server } = await testServer();
    expect(await rest(server.restPort, "projects/p:setIamPolicy", {})).toMatchObject({
      status: 404,
      body: { error: { status: "NOT_FOUND" } },
    });
    const response = await fetch(`http://127.0.0.1:${server.restPort}/v1/x:encrypt`, {
      method: "POST",
      body: "{",
    });
    expect(response.status).toBe(400);
    await response.body?.cancel();
  });

  it("has the faults too", async () => {
    const { server } = await testServer();
    const name = server.createKey();
    server.fail(gcpKmsFaults.throttled);
    expect(await rest(server.restPort, name)).toMatchObject({
      status: 429,
      body: { error: { code: 429, status: "RESOURCE_EXHAUSTED" } },
    });
    server.fail(gcpKmsFaults.reset);
    await expect(rest(server.restPort, name)).rejects.toThrow("terminated");
    server.fail(gcpKmsFaults.stall);
    const arrived = server.nextCall();
    const stalled = fetch(`http://127.0.0.1:${server.restPort}/v1/${name}`);
    await arrived;
    await server.close();
    await expect(stalled).rejects.toThrow("fetch failed");
  });
});

it("keeps the last thousand calls", async () => {
  const { server, call } = await testServer();
  for (let i = 0; i <= 1000; i++) await refusal(call("GetCryptoKey", { name: `number ${i}` }));
  expect(server.calls).toHaveLength(1000);
  expect(server.calls[0]?.request).toMatchObject({ name: "number 1" });
});
