import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { describe, expect, it } from "vitest";
import { auditRecords } from "../../../kms/test/support/keystore.ts";
import { createKmsServer, localCertificate } from "../../src/index.ts";
import {
  builtPages,
  cookieFrom,
  sessionFrom,
  signedFetch,
  signedHeaders,
  startedConsole,
} from "../support/console.ts";
import { startedServer, strictServer } from "../support/server.ts";

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

describe("without the option", () => {
  it("there is no console, and none of its calls", async () => {
    const { url, credentials } = await strictServer();
    expect((await fetch(`${url}/console/`)).status).toBe(404);
    expect((await fetch(`${url}/console/session`, { method: "PUT" })).status).toBe(404);
    const response = await signedFetch({
      url,
      credentials,
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "EnvelopeConsole.LintKeyPolicy",
      },
      body: '{"Policy":"{}"}',
    });
    expect(await response.json()).toMatchObject({ __type: "UnknownOperationException" });
  });
});

describe("the pages", () => {
  it("are sent with a policy that allows nothing but the server's own files", async () => {
    const { url } = await startedConsole();
    const paths = ["/console", "/console/", "/console/assets/index-a1.js", "/console/session"];
    for (const path of paths) {
      const { headers } = await fetch(url + path);
      expect(headers.get("content-security-policy")).toBe(CSP);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.has("access-control-allow-origin")).toBe(false);
    }
  });

  it("are the index wherever there is no file, except among the assets", async () => {
    const { url } = await startedConsole();
    const index = await (await fetch(`${url}/console/`)).text();
    const deep = await fetch(`${url}/console/keys/arn:aws:kms:local:0:key/1?tab=policy`);
    expect(deep.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await deep.text()).toBe(index);
    for (const path of ["assets/gone.js", "assets/..%2findex.html"]) {
      expect((await fetch(`${url}/console/${path}`)).status).toBe(404);
    }
    expect(await (await fetch(`${url}/console/secret.txt`)).text()).toBe(index);
    expect((await fetch(`${url}/console/`, { method: "POST" })).status).toBe(405);
  });

  it("are revalidated by a strong ETag, and compressed where that is asked for", async () => {
    const { url } = await startedConsole();
    const path = `${url}/console/assets/index-a1.js`;
    const plain = await fetch(path, { headers: { "accept-encoding": "identity" } });
    const zipped = await fetch(path, { headers: { "accept-encoding": "gzip" } });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(await zipped.text()).toBe(await plain.text());
    const tags = [plain, zipped].map(({ headers }) => headers.get("etag") ?? "");
    expect(new Set(tags).size).toBe(2);
    expect(tags.every((tag) => /^"[\w-]{43}(-gzip)?"$/.test(tag))).toBe(true);
    expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const again = await fetch(path, {
      headers: { "accept-encoding": "gzip", "if-none-match": tags[1] ?? "" },
    });
    expect(again.status).toBe(304);
    const head = await fetch(path, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await fetch(`${url}/console/`)).headers.get("cache-control")).toBe("no-cache");
  });

  it("must be there when the server starts", async () => {
    const { keystore } = await startedServer();
    const made = (folder: string) => () => createKmsServer(keystore, { console: { folder } });
    expect(made("/nowhere")).toThrow(/console.folder \/nowhere does not have .* it cannot be read/);
    expect(made(import.meta.dirname)).toThrow(/it has no index.html: build the console first/);
    const folder = builtPages();
    expect(() => createKmsServer(keystore, { console: { folder, idleTimeout: 1 } })).toThrow(
      RangeError,
    );
    const misspelt: object = { folder, idle: 1 };
    expect(() => createKmsServer(keystore, { console: misspelt as { folder: string } })).toThrow(
      TypeError,
    );
  });
});

describe("a session", () => {
  it("begins with one signed request, and gives credentials that work", async () => {
    const page = await startedConsole();
    const response = await page.signIn();
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const session = await sessionFrom(response);
    const { port } = new URL(page.url);
    expect(response.headers.get("set-cookie")).toMatch(
      new RegExp(
        `^envelope-console-${port}=\\w{20}\\.[\\w-]{43}; Path=/; HttpOnly; SameSite=Strict$`,
      ),
    );
    expect(session).toMatchObject({
      principal: "arn:aws:iam::000000000000:root",
      accountId: "000000000000",
      region: "local",
      idleTimeout: 900_000,
    });
    expect(JSON.stringify(session)).not.toContain(page.credentials.secretAccessKey);
    const credentials = session.credentials ?? page.credentials;
    expect(credentials).not.toBe(page.credentials);
    const listed = await signedFetch({
      url: page.url,
      credentials,
      headers: {
        origin: page.url,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "TrentService.ListKeys",
      },
      body: "{}",
    });
    expect(await listed.json()).toEqual({ Keys: [], Truncated: false });
    const records = (await auditRecords(page.keystore)).map(
      ({ eventName, eventSource, userIdentity: { type } }) => [eventName, eventSource, type],
    );
    expect(records.slice(-3)).toEqual([
      ["GetSessionToken", "sts.amazonaws.com", "Root"],
      ["ConsoleLogin", "envelope", "Root"],
      ["ListKeys", "kms.amazonaws.com", "Root"],
    ]);
  });

  it("has a cookie for TLS alone where TLS is used", async () => {
    const { keystore } = await startedServer();
    const { caFile, ...tls } = localCertificate(`${keystore.path}.tls`, []);
    const page = await startedConsole({ tls: { certFile: tls.certFile, keyFile: tls.keyFile } });
    const url = `${page.url}/console/session`;
    const headers = await signedHeaders({ url, service: "sts", credentials: page.credentials });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const ca = readFileSync(caFile);
      request(url, { method: "POST", headers, ca }, resolve).on("error", reject).end();
    });
    response.resume();
    expect(response.headers["set-cookie"]?.[0]).toMatch(
      /^__Host-envelope-console-[0-9]+=\w{20}\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
  });

  it("is continued by its cookie, and renewed with the token as well", async () => {
    const page = await startedConsole();
    const begun = await page.signIn();
    const first = await sessionFrom(begun);
    const cookie = cookieFrom(begun);
    const found = await sessionFrom(await page.session("GET", { cookie }));
    expect(found).toEqual({ ...first, credentials: undefined });
    const answer = await page.session("PUT", { cookie, "x-console-token": first.token });
    const renewed = await sessionFrom(answer);
    expect(renewed.expires).toBe(first.expires);
    expect(renewed.token).not.toBe(first.token);
    expect(renewed.credentials?.accessKeyId).not.toBe(first.credentials?.accessKeyId);
    expect(cookieFrom(answer)).not.toBe(cookie);
    // What was before the renewal is worthless.
    expect((await page.session("GET", { cookie })).status).toBe(401);
    const stale = { cookie: cookieFrom(answer), "x-console-token": first.token };
    expect((await page.session("PUT", stale)).status).toBe(403);
    expect((await page.session("GET", { cookie: cookieFrom(answer) })).status).toBe(200);
  });

  it("ends for good, and its cookie is cleared", async () => {
    const page = await startedConsole();
    const begun = await page.signIn();
    const cookie = cookieFrom(begun);
    const { token } = await sessionFrom(begun);
    expect((await page.session("DELETE", { cookie })).status).toBe(403);
    const ended = await page.session("DELETE", { cookie, "x-console-token": token });
    expect(ended.status).toBe(204);
    expect(ended.headers.get("set-cookie")).toMatch(/^envelope-console-[0-9]+=; .*Max-Age=0$/);
    expect((await page.session("GET", { cookie })).status).toBe(401);
    expect((await auditRecords(page.keystore)).at(-1)?.eventName).toBe("ConsoleLogout");
  });

  it("ends once its access key is inactive", async () => {
    const page = await startedConsole();
    const begun = await page.signIn();
    const cookie = cookieFrom(begun);
    const { token } = await sessionFrom(begun);
    const { accessKeyId } = page.credentials;
    await page.keystore.iam.accessKeys.setActive(accessKeyId, false);
    expect((await page.session("PUT", { cookie, "x-console-token": token })).status).toBe(401);
    await page.keystore.iam.accessKeys.setActive(accessKeyId, true);
    expect((await page.session("GET", { cookie })).status).toBe(401);
  });

  it.each([
    ["another site", { "sec-fetch-site": "cross-site" }],
    ["another port of this host", { "sec-fetch-site": "same-site" }],
    ["an address that somebody typed", { "sec-fetch-site": "none" }],
    ["another origin", { origin: "http://evil.test" }],
    ["no origin in particular", { origin: "null" }],
  ])("is not for requests from %s", async (_, headers) => {
    const page = await startedConsole();
    const begun = await page.signIn();
    const cookie = cookieFrom(begun);
    const { token } = await sessionFrom(begun);
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await page.session(method, { cookie, "x-console-token": token, ...headers });
      expect(answer.status).toBe(403);
    }
    expect((await page.signIn(page.credentials, headers)).status).toBe(403);
    expect((await page.session("GET", { cookie })).status).toBe(200);
  });

  it("is not one for a cookie that is made up, absent, or there twice", async () => {
    const page = await startedConsole();
    const cookie = cookieFrom(await page.signIn());
    const name = cookie.split("=")[0] ?? "";
    const wrong = ["", `${name}=`, `${name}=${"A".repeat(43)}`, `${cookie}; ${name}=other`];
    for (const one of wrong) expect((await page.session("GET", { cookie: one })).status).toBe(401);
    expect((await page.session("GET", { cookie: `a=b; ${cookie}; c=d` })).status).toBe(200);
    expect((await page.session("PATCH", { cookie })).status).toBe(405);
  });
});

describe("signing in", () => {
  it("needs the secret access key, and a failure is recorded as an attempt of its owner", async () => {
    const page = await startedConsole();
    expect((await page.session("POST")).status).toBe(401);
    const wrong = { ...page.credentials, secretAccessKey: "0".repeat(40) };
    expect((await page.signIn(wrong)).status).toBe(401);
    const unknown = { accessKeyId: "AKIAAAAAAAAAAAAAAAAA", secretAccessKey: "0".repeat(40) };
    const refused = await page.signIn(unknown);
    expect(await refused.json()).toEqual({
      message: "The security token included in the request is invalid.",
    });
    const attempts = (await auditRecords(page.keystore)).slice(-2);
    expect(attempts).toMatchObject([
      {
        eventName: "ConsoleLogin",
        errorCode: "InvalidSignatureException",
        userIdentity: { type: "Root" },
      },
      { errorCode: "UnrecognizedClientException", userIdentity: { type: "Unknown" } },
    ]);
  });

  it("takes no signature for another service, and no temporary credentials", async () => {
    const page = await startedConsole();
    const url = `${page.url}/console/session`;
    const { credentials } = page;
    expect((await signedFetch({ url, credentials, service: "kms" })).status).toBe(401);
    const { credentials: temporary = credentials } = await sessionFrom(await page.signIn());
    const answer = await page.signIn(temporary);
    expect([answer.status, await answer.json()]).toEqual([
      401,
      { message: "Cannot call GetSessionToken with session credentials" },
    ]);
  });

  it("is limited for each address", async () => {
    const page = await startedConsole();
    const answers = await Promise.all(Array.from({ length: 20 }, () => page.session("POST")));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(10);
    expect(statuses).toContain(429);
  });

  it("works on a server that believes other callers, and has to be proven there", async () => {
    const page = await startedConsole({ auth: "lenient" });
    const wrong = { ...page.credentials, secretAccessKey: "0".repeat(40) };
    expect((await page.signIn(wrong)).status).toBe(401);
    const { credentials = wrong } = await sessionFrom(await page.signIn());
    const call = (key: typeof wrong): Promise<Response> =>
      signedFetch({
        url: page.url,
        credentials: key,
        headers: {
          origin: page.url,
          "content-type": "application/x-amz-json-1.1",
          "x-amz-target": "TrentService.ListKeys",
        },
        body: "{}",
      });
    expect((await call(credentials)).status).toBe(200);
    expect(await (await call(wrong)).json()).toMatchObject({ __type: "InvalidSignatureException" });
  });
});
