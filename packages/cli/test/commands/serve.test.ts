import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { project, run, start } from "../support/command.ts";

interface Serving {
  readonly facts: { readonly url: string; readonly console?: string; readonly caFile?: string };
  /** The next line of stdout, as JSON. */
  readonly next: () => Promise<unknown>;
  /** Interrupts the command. @returns Its exit code. */
  readonly stop: () => Promise<unknown>;
}

async function serving(folder: string, ...args: readonly string[]): Promise<Serving> {
  const child = start(["serve", "dev.kms", "--port", "0", "--json", ...args], folder);
  if (child.stdout === null) throw new Error("no stdout");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
  return {
    facts: (await next()) as Serving["facts"],
    next,
    async stop() {
      child.kill("SIGINT");
      const [code] = (await once(child, "close")) as [number | null];
      return code;
    },
  };
}

function listKeys(url: string): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "TrentService.ListKeys",
    },
    body: "{}",
  });
}

describe("envelope serve", () => {
  it("serves a keystore until it is interrupted, and shows each request", async () => {
    const { folder } = await project();
    const { facts, next, stop } = await serving(folder);
    expect(facts).toMatchObject({
      keystore: join(folder, "dev.kms"),
      accountId: "000000000000",
      region: "local",
      auth: "lenient",
    });
    const response = await listKeys(facts.url);
    expect(await response.json()).toMatchObject({ Keys: [{}], Truncated: false });
    expect(await next()).toMatchObject({
      operation: "ListKeys",
      principal: "root",
      status: 200,
      requestId: response.headers.get("x-amzn-requestid"),
    });
    expect(await stop()).toBe(0);
    await expect(listKeys(facts.url)).rejects.toThrow("fetch failed");
  });

  it("makes an authority for TLS, and says where its certificate is", async () => {
    const { folder } = await project();
    const { facts, stop } = await serving(folder, "--tls", "auto", "--tls-name", "kms.test");
    expect(facts).toMatchObject({ caFile: join(folder, "dev.kms.tls", "ca.pem") });
    expect(facts.url).toMatch(/^https:/);
    expect(await stop()).toBe(0);
  });

  it("serves the console where that is asked for, and says what is missing where it is not built", async () => {
    const { folder } = await project();
    const { facts: plain, stop: stopPlain } = await serving(folder);
    expect((await fetch(`${plain.url}/console/`)).status).toBe(404);
    expect(await stopPlain()).toBe(0);
    if (!existsSync(new URL(import.meta.resolve("@env/console/index.html")))) {
      const args = ["serve", join(folder, "dev.kms"), "--port", "0", "--console"];
      const refused = await run(args);
      expect([refused.code, refused.stderr]).toEqual([
        2,
        expect.stringContaining("does not have the files of the console"),
      ]);
      return;
    }
    const { facts, stop } = await serving(folder, "--console");
    expect(facts.console).toBe(`${facts.url}/console/`);
    const page = await fetch(`${facts.console}keys/alias/app`);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).toContain("<script");
    expect(await stop()).toBe(0);
  });

  it("says how to point a client at it", async () => {
    const { path } = await project();
    const signal = AbortSignal.abort();
    const { code, stdout } = await run(["serve", path("dev.kms"), "--port", "0"], { signal });
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(
      /^ {2}export AWS_ENDPOINT_URL_KMS=http:\/\/127\.0\.0\.1:\d+ AWS_REGION=local AWS_DEFAULT_REGION=local$/m,
    );
  });

  it("names the command that makes an access key where callers sign", async () => {
    const { path } = await project();
    const args = ["serve", path("dev.kms"), "--port", "0", "--auth", "strict"];
    const { stdout } = await run(args, { signal: AbortSignal.abort() });
    expect(stdout.toString()).toContain(
      `  eval "$(envelope access-keys create --quiet --keystore ${path("dev.kms")})"`,
    );
  });

  it("says that a port is taken", async () => {
    const { folder } = await project();
    const { facts, stop } = await serving(folder);
    const { port } = new URL(facts.url);
    const { code, stderr } = await run(["serve", join(folder, "dev.kms"), "--port", port]);
    expect({ code, stderr }).toEqual({
      code: 7,
      stderr: `error: cannot serve: listen EADDRINUSE: address already in use 127.0.0.1:${port}\nhint: choose another port with --port\n`,
    });
    await stop();
  });

  it.each([
    [["--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines"],
    [["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together"],
    [["--tls-name", "x"], "--tls-name needs --tls auto"],
    [
      ["--tls", "auto", "--tls-cert", "a", "--tls-key", "b"],
      "--tls auto and --tls-cert exclude each other",
    ],
    [["--port", "70000"], "--port must be a number from 0 to 65535"],
    [["--rate", "0"], "--rate must be a number of calls above 0"],
    [["--jwks", "keys.json"], "expected key=value"],
    [["--auth", "none"], "argument 'none' is invalid"],
  ])("refuses %j", async (args, message) => {
    const { path } = await project();
    const { code, stderr } = await run(["serve", path("dev.kms"), ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it("says which key set it cannot read", async () => {
    const { path, folder } = await project();
    const { code, stderr } = await run([
      "serve",
      path("dev.kms"),
      "--jwks",
      `https://issuer.example=${folder}/none.json`,
    ]);
    expect(code).toBe(7);
    expect(stderr).toContain("cannot serve: ENOENT: no such file or directory");
  });

  it("names the keystore that is not there", async () => {
    const { code, stderr } = await run(["serve", join(tempFolder(), "none.kms")]);
    expect(code).toBe(6);
    expect(stderr).toContain("none.kms: no such file");
  });
});
