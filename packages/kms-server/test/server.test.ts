import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Keystore } from "@env/kms";
import { describe, expect, it, onTestFinished } from "vitest";
import { createKmsServer, type KmsServerOptions, type LogEntry } from "../src/index.ts";
import { post, sdk, startedServer, strictServer, type Credentials } from "./support/server.ts";

/** A user's access key. */
async function newKey(keystore: Keystore, name: string): Promise<Credentials> {
  const { arn } = await keystore.iam.put({ arn: `arn:aws:iam::000000000000:user/${name}` });
  return keystore.iam.accessKeys.create(arn);
}

/** A connection that is written to by hand. */
async function connection(url: string): Promise<{ socket: Socket; received: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString()));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return { socket, received: () => text };
}

const head = (length: number, ...more: readonly string[]): string =>
  [
    "POST / HTTP/1.1",
    "host: x",
    "content-type: application/x-amz-json-1.1",
    "x-amz-target: TrentService.ListKeys",
    `content-length: ${length}`,
    ...more,
    "",
    "",
  ].join("\r\n");

describe("options", () => {
  it.each<[KmsServerOptions, string]>([
    [{ prot: 1 } as never, 'createKmsServer: unknown option "prot"'],
    [{ limits: { bodybytes: 1 } as never }, 'limits: unknown option "bodybytes"'],
    [{ tls: { cert: "x" } as never }, 'tls: unknown option "cert"'],
    [{ auth: "none" as never }, "auth must be strict or lenient"],
    [{ metrics: "me" as never }, "metrics must be loopback or everybody"],
  ])("refuses %j", async (options, message) => {
    const { keystore } = await startedServer();
    expect(() => createKmsServer(keystore, options)).toThrow(new TypeError(message));
  });

  it.each([
    { port: -1 },
    { port: 1.5 },
    { port: 65_536 },
    { limits: { bodyBytes: 0 } },
    { limits: { requests: Number.NaN } },
  ])("refuses a number out of range: %j", async (options) => {
    const { keystore } = await startedServer();
    expect(() => createKmsServer(keystore, options)).toThrow(RangeError);
  });

  it.each<KmsServerOptions>([
    { host: "0.0.0.0" },
    { host: "::" },
    { host: "192.0.2.1", auth: "strict" },
    { host: "kms.internal", tls: { certFile: "x", keyFile: "y" }, auth: "lenient" },
    { host: "localhost.evil.test" },
  ])("refuses to be reached by others without signatures and TLS: %j", async (options) => {
    const { keystore } = await startedServer();
    expect(() => createKmsServer(keystore, options)).toThrow("can be reached from other machines");
  });
});

describe("lenient callers", () => {
  it("are the root of the account, or the principal of a key that is known", async () => {
    const entries: LogEntry[] = [];
    const { url, keystore } = await startedServer({ log: (entry) => entries.push(entry) });
    const { accessKeyId } = await newKey(keystore, "alice");
    await post(url, "ListKeys", {});
    await sdk(url).listKeys({});
    const alice = { accessKeyId, secretAccessKey: "not hers" };
    const refused = sdk(url, { credentials: alice }).listKeys({});
    await expect(refused).rejects.toMatchObject({ name: "AccessDeniedException" });
    await expect.poll(() => entries).toHaveLength(3);
    expect(entries.map(({ principal }) => principal)).toEqual([
      "root",
      "root",
      "arn:aws:iam::000000000000:user/alice",
    ]);
  });

  it("are not pages in a browser", async () => {
    const { url } = await startedServer();
    const response = await post(url, "ListKeys", {}, { origin: "https://evil.test" });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ __type: "AccessDeniedException" });
  });
});

describe("strict callers", () => {
  it("have to sign", async () => {
    const { url, credentials, keystore } = await strictServer();
    const { accessKeyId } = credentials;
    const response = await post(url, "ListKeys", {});
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ __type: "MissingAuthenticationTokenException" });
    const wrong = sdk(url, { credentials: { accessKeyId, secretAccessKey: "x" } });
    await expect(wrong.listKeys({})).rejects.toMatchObject({ name: "InvalidSignatureException" });
    const unknown = sdk(url, { credentials: { accessKeyId: "AKIDOTHER", secretAccessKey: "x" } });
    const refused = { name: "UnrecognizedClientException" };
    await expect(unknown.listKeys({})).rejects.toMatchObject(refused);
    await sdk(url, { credentials }).listKeys({});
    await keystore.iam.accessKeys.setActive(accessKeyId, false);
    await expect(sdk(url, { credentials }).listKeys({})).rejects.toMatchObject(refused);
  });

  it("may do at each call what their policies allow by then", async () => {
    const { url, keystore } = await strictServer();
    const arn = "arn:aws:iam::000000000000:user/alice";
    const statement = { Effect: "Allow", Action: "kms:ListKeys", Resource: "*" };
    const policy = JSON.stringify({ Version: "2012-10-17", Statement: statement });
    const allow = (texts: readonly string[]): Promise<unknown> =>
      keystore.iam.put({ arn, policies: texts.map((text) => ({ name: "p", text })) });
    await allow([policy]);
    const client = sdk(url, { credentials: await keystore.iam.accessKeys.create(arn) });
    await client.listKeys({});
    await allow([]);
    await expect(client.listKeys({})).rejects.toThrow("not authorized to perform: kms:ListKeys");
    await allow([policy]);
    await client.listKeys({});
  });

  it("learn nothing of operations without a signature", async () => {
    const { url } = await strictServer();
    const response = await post(url, "Nonsense", "{");
    expect(await response.json()).toMatchObject({ __type: "MissingAuthenticationTokenException" });
  });
});

describe("limits", () => {
  it("refuses an announced body that is too large without waiting for it", async () => {
    const { url } = await startedServer();
    const { socket, received } = await connection(url);
    socket.write(head(65_537));
    await once(socket, "close");
    expect(received()).toMatch(/^HTTP\/1\.1 413 /);
    expect(received()).toContain('{"__type":"RequestEntityTooLargeException"');
    expect(received()).toContain("Connection: close");
  });

  it("asks a client that waits to be asked for its body, unless that is too large", async () => {
    const { url } = await startedServer({ limits: { bodyBytes: 100 } });
    const refused = await connection(url);
    refused.socket.write(head(101, "expect: 100-continue"));
    await once(refused.socket, "close");
    expect(refused.received()).toMatch(/^HTTP\/1\.1 413 /);

    const asked = await connection(url);
    asked.socket.write(head(2, "expect: 100-continue", "connection: close"));
    await expect.poll(asked.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    asked.socket.write("{}");
    await once(asked.socket, "close");
    expect(asked.received()).toContain("HTTP/1.1 200 OK\r\n");
  });

  it("refuses a body that turns out to be too large, before its end", async () => {
    const { url } = await startedServer({ limits: { bodyBytes: 100 } });
    const { socket, received } = await connection(url);
    socket.write(head(0).replace("content-length: 0", "transfer-encoding: chunked"));
    socket.write(`65\r\n${"x".repeat(101)}\r\n`);
    await once(socket, "close");
    expect(received()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("answers a body of the largest size", async () => {
    const { url } = await startedServer();
    expect((await post(url, "ListKeys", `{}${" ".repeat(65_534)}`)).status).toBe(200);
  });

  it.each([
    ["headers", { headersTimeout: 50 }, "POST / HTTP/1.1\r\nhost: x\r\n"],
    ["a body", { headersTimeout: 50, requestTimeout: 50 }, head(2)],
  ])("closes a connection that is slow to send %s", async (_, limits, start) => {
    const { url } = await startedServer({ limits });
    const { socket, received } = await connection(url);
    socket.write(start);
    await once(socket, "close");
    expect(received()).toMatch(/^HTTP\/1\.1 408 |^$/);
  });

  it("throttles a client that does not wait for answers, and closes its connection", async () => {
    const { url } = await startedServer();
    const { socket, received } = await connection(url);
    socket.write(`${head(2)}{}`.repeat(40));
    await once(socket, "close");
    const statuses = received().match(/HTTP\/1\.1 [0-9]{3}/g) ?? [];
    expect(statuses.slice(0, 16)).toEqual(Array.from({ length: 16 }, () => "HTTP/1.1 200"));
    expect(statuses.at(-1)).toBe("HTTP/1.1 400");
    expect(received()).toContain('{"__type":"ThrottlingException"');
  });

  it("closes a connection that is idle", async () => {
    const { url } = await startedServer({ limits: { idleTimeout: 50 } });
    const { socket, received } = await connection(url);
    socket.write(`${head(2)}{}`);
    await once(socket, "close");
    expect(received()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("closes connections beyond the limit", async () => {
    const { url } = await startedServer({ limits: { connections: 1 } });
    await connection(url);
    const { socket, received } = await connection(url);
    await once(socket, "close");
    expect(received()).toBe("");
  });

  it("throttles requests beyond those in work", async () => {
    const { url } = await startedServer({ limits: { requests: 1 } });
    const { socket, received } = await connection(url);
    socket.write(head(2));
    const list = async (): Promise<unknown> => (await post(url, "ListKeys", {})).json();
    await expect.poll(list).toMatchObject({ __type: "ThrottlingException" });
    socket.write("{}");
    await expect.poll(received).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("throttles a principal beyond its rate, and no other one", async () => {
    const { url, keystore } = await startedServer({ limits: { callsPerSecond: 0.001 } });
    const keys = { a: await newKey(keystore, "a"), b: await newKey(keystore, "b") };
    const call = async (name: "a" | "b"): Promise<unknown> =>
      sdk(url, { credentials: keys[name] })
        .listKeys({})
        .catch((error: Error) => error.name);
    expect(await call("a")).toBe("AccessDeniedException");
    expect(await call("a")).toBe("ThrottlingException");
    expect(await call("b")).toBe("AccessDeniedException");
  });
});

describe("closing", () => {
  it("answers what is in work, takes nothing new, and settles afterwards", async () => {
    const { url, server } = await startedServer();
    const { socket, received } = await connection(url);
    socket.write(head(2));
    // Its head has been read once the other answer is there.
    await post(url, "ListKeys", {});
    const closed = server.close();
    expect(server.close()).toBe(closed);
    await expect(post(url, "ListKeys", {})).rejects.toThrow("fetch failed");
    socket.write("{}");
    await Promise.all([closed, once(socket, "close")]);
    expect(received()).toMatch(/^HTTP\/1\.1 200 /);
    expect(received()).toContain("Connection: close");
  });

  it("breaks what does not end", async () => {
    const { url, server } = await startedServer({ limits: { closeTimeout: 50 } });
    const { socket } = await connection(url);
    socket.write(head(2));
    await post(url, "ListKeys", {});
    await server.close();
    if (!socket.closed) await once(socket, "close");
    expect(socket.closed).toBe(true);
  });
});

describe("the log", () => {
  it("says who called what and how it ended, and no secret", async () => {
    const entries: LogEntry[] = [];
    const { url, owner, credentials } = await strictServer({ log: (entry) => entries.push(entry) });
    const { KeyMetadata } = await owner.createKey();
    const { KeyId } = KeyMetadata;
    const client = sdk(url, { credentials });
    const EncryptionContext = { tenant: "SECRET tenant" };
    const Plaintext = Buffer.from("SECRET plaintext");
    const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext, EncryptionContext });
    await client.decrypt({ CiphertextBlob }).catch(() => undefined);
    await expect.poll(() => entries).toHaveLength(2);
    expect(entries).toMatchObject([
      {
        operation: "Encrypt",
        principal: "arn:aws:iam::000000000000:root",
        status: 200,
        region: "local",
        sourceIp: "127.0.0.1",
      },
      { operation: "Decrypt", status: 400, error: "InvalidCiphertextException" },
    ]);
    const shown = JSON.stringify(entries);
    const secrets = [Plaintext, CiphertextBlob ?? []].map((bytes) =>
      Buffer.from(bytes).toString("base64"),
    );
    for (const secret of ["SECRET", "Signature", ...secrets]) expect(shown).not.toContain(secret);
  });

  it("shows contexts where it was asked to", async () => {
    const entries: LogEntry[] = [];
    const { url } = await startedServer({ logContexts: true, log: (entry) => entries.push(entry) });
    const EncryptionContext = { tenant: "acme" };
    await post(url, "Encrypt", { KeyId: "alias/none", Plaintext: "AAAA", EncryptionContext });
    await expect.poll(() => entries).toMatchObject([{ encryptionContext: EncryptionContext }]);
  });
});
