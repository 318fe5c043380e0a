/** Against local keystores and servers that fail. Every KMS together: tools/test/backends/config-check.test.ts. */
import { existsSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { openKeystore } from "@env/kms";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Waiting } from "../../src/commands/config-waiting.ts";
import { main } from "../../src/main.ts";
import { capture, ended, project, run, start, type Ran } from "../support/command.ts";

const token = "hvs.SECRET-of-the-environment";

beforeEach(() => {
  vi.stubEnv("VAULT_TOKEN", token);
  vi.stubEnv("ENVELOPE_ENVIRONMENT", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.doUnmock("node-vault");
});

const unreachable = "vault-transit:http://127.0.0.1:1/transit/orders";

const gcp = "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k?endpoint=http://127.0.0.1:1";

/** A keystore with `alias/app`, and `check` with a configuration of one's own beside it. */
async function keystore(): Promise<{
  readonly folder: string;
  readonly path: string;
  readonly configure: (environments: object) => void;
  readonly check: (environment: object, ...args: readonly string[]) => Promise<Ran>;
}> {
  const { folder, path } = await project();
  const config = path("other.json");
  const configure = (environments: object): void =>
    writeFileSync(config, JSON.stringify({ environments }));
  return {
    folder,
    path: path("dev.kms"),
    configure,
    check(environment, ...args) {
      configure({ production: environment, staging: environment });
      const always = args.includes("--environment") ? [] : ["--environment", "production"];
      return run(["config", "check", "--config", config, ...always, ...args]);
    },
  };
}

/** The URI of a key where a server takes connections and says nothing. */
async function silent(): Promise<{ readonly uri: string; readonly asked: Promise<void> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
  const asked = new Promise<void>((resolve) => void server.once("connection", () => resolve()));
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  return { uri: `gcp-kms:${key}?endpoint=${endpoint}`, asked };
}

const local = "local-file:./dev.kms?key=alias/app";
const answer = ({ stdout }: Ran): Answer => JSON.parse(stdout.toString()) as Answer;
interface Answer {
  readonly ok: boolean;
  readonly cmks: readonly [{ readonly label: string | null }, ...object[]];
  readonly problems: readonly object[];
}

it("finds all well, and leaves nothing open", async () => {
  const { check, path } = await keystore();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { code, stdout, stderr } = await check({ cmks: [local] });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.toString()).toMatch(
    /^CMK {2}PROVIDER .*\n1 {4}local-file {2}alias\/app( +yes){5} +1 +[0-9.]+ ms\n\nproduction: no problems\ncrypto: node \(OpenSSL .*\)\n$/,
  );
  expect(vi.getTimerCount()).toBe(0);
  // SQLite removes its log when the last connection closes.
  expect(existsSync(`${path}-wal`)).toBe(false);
});

it("is one line of JSON, whose shape stays", async () => {
  const { check, folder } = await keystore();
  const ran = await check({ cmks: [local, unreachable] }, "--json");
  expect(ran.code).toBe(9);
  expect(ran.stdout.toString().split("\n")).toHaveLength(2);
  expect(answer(ran)).toEqual({
    config: join(folder, "other.json"),
    environment: "production",
    ok: false,
    cmks: [
      {
        provider: "local-file",
        keyId: "alias/app",
        label: expect.stringMatching(/^[0-9a-f-]{36}$/),
        reachable: true,
        mayGenerate: true,
        mayWrap: true,
        mayUnwrap: true,
        mayRewrap: true,
        keyVersion: "1",
        latencyMs: expect.any(Number),
        problems: [],
      },
      {
        provider: "vault-transit",
        keyId: "transit/orders",
        label: "transit/orders",
        reachable: false,
        mayGenerate: null,
        mayWrap: null,
        mayUnwrap: null,
        mayRewrap: null,
        keyVersion: null,
        latencyMs: null,
        problems: [
          {
            check: "reach",
            code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
            message: expect.stringMatching(/; check the address and the network, or try again$/),
          },
        ],
      },
    ],
    problems: [
      {
        check: "minWrapped",
        message:
          "a message must be wrapped by 2 of 2 CMKs, but only 1 can wrap, so nothing can be encrypted; fix the others, or lower minWrapped",
      },
    ],
    crypto: { name: "node", version: `OpenSSL ${process.versions.openssl}`, problem: null },
  });
});

it("checks what --cmk names, and answers by the exit code alone with --quiet", async () => {
  const { path } = await keystore();
  const cmk = `local-file:${path}?key=alias/app`;
  const ran = await run(["config", "check", "--cmk", cmk, "--json"]);
  expect(answer(ran)).toMatchObject({ config: null, environment: "command line", ok: true });
  const bad = await run(["config", "check", "--cmk", unreachable, "--quiet"]);
  expect({ ...bad, stdout: bad.stdout.toString() }).toEqual({ code: 9, stdout: "", stderr: "" });
});

it("waits for those that have not answered", async () => {
  const answered = vi.spyOn(Waiting.prototype, "answered");
  onTestFinished(() => answered.mockRestore());
  const { check } = await keystore();
  await check({ cmks: [local, unreachable] });
  expect(answered.mock.calls.flat().toSorted()).toEqual(["local-file", "vault-transit"]);
});

it("refuses a context that the format refuses, before anything is opened", async () => {
  const { check } = await keystore();
  const context = ["--context", "env:format=2"];
  const { code, stdout, stderr } = await check({ cmks: [local] }, ...context);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("env:format");
});

it("tells a disabled key, what that means for each use, and the next step", async () => {
  const { check, path } = await keystore();
  using opened = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  const client = opened.as();
  const { KeyMetadata } = await client.describeKey({ KeyId: "alias/app" });
  await client.disableKey({ KeyId: KeyMetadata.KeyId });
  const { code, stdout, stderr } = await check({ cmks: [local] });
  expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
  expect(stdout.toString()).toContain(
    "  key: the key is in state Disabled; enable it, or cancel its deletion (ERR_ENVELOPE_KMS_KEY_STATE)\n",
  );
});

it("tells where it looked for a keystore that is not there, and goes on", async () => {
  const { check, folder } = await keystore();
  const missing = "local-file:./no/such.kms?key=alias/app";
  const { code, stdout } = await check({ cmks: [missing, local], minWrapped: 1 });
  expect(code).toBe(9);
  expect(stdout.toString()).toMatch(/\n2 {4}local-file {2}alias\/app( +yes){5}/);
  expect(stdout.toString()).toMatch(
    new RegExp(`open: keystore ${folder}/no/such.kms: .* \\(ERR_ENVELOPE_KEYSTORE_IO\\)`),
  );
  expect(stdout.toString()).not.toContain("minWrapped");
});

describe("what cannot work", () => {
  it("tells which environments there are", async () => {
    const { check } = await keystore();
    const { code, stdout, stderr } = await check({ cmks: [local] }, "--environment", "prod");
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toContain('no environment "prod"; it has production, staging');
  });

  it("two names of one key", async () => {
    const { check } = await keystore();
    const [{ label }] = answer(await check({ cmks: [local] }, "--json")).cmks;
    const { code, stdout } = await check({ cmks: [local, `local-file:./dev.kms?key=${label}`] });
    expect(code).toBe(6);
    const problem = `CMKs 1 and 2 are the same key (${label}); remove one of them`;
    expect(stdout.toString()).toContain(`\nconfiguration\n  same key: ${problem}\n`);
  });

  it("a URI twice, out of reach", async () => {
    const { check } = await keystore();
    const { code, stdout, stderr } = await check({ cmks: [gcp, gcp] });
    expect(code).toBe(6);
    expect(stdout.toString()).toMatch(/\nconfiguration\n.*CMKs 1 and 2 are the same key; remove/);
    expect(stdout.toString()).not.toContain("a message must be wrapped");
    expect(stderr).toMatch(/^error: .*CMKs 1 and 2 are the same key; remove/);
  });

  // These are refused before a CMK is opened, so there is nothing to report of one.
  it.each([
    ["more wraps than CMKs", { cmks: [local], minWrapped: 2 }, /minWrapped must be an integer/],
    [
      "impossible limits",
      { cmks: [local], dataKeyCache: { maxAge: 0, maxMessages: 1, maxBytes: 1 } },
      /dataKeyCache.maxAge must be an integer from 1/,
    ],
  ])("%s", async (_, environment, problem) => {
    const { check } = await keystore();
    const { code, stdout, stderr } = await check(environment);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^error: .*${problem.source}`));
  });

  it("a package that is missing, with its name once, while the others are asked", async () => {
    vi.doMock("node-vault", () => {
      throw new Error("not found");
    });
    const { check } = await keystore();
    const ran = await check({ cmks: [unreachable, local] }, "--json");
    expect(ran.code).toBe(6);
    const message = expect.stringMatching(/install node-vault(?!.*install node-vault)/);
    expect(answer(ran)).toMatchObject({
      ok: false,
      cmks: [
        { provider: "vault-transit", keyId: null, problems: [{ check: "open", message }] },
        { mayUnwrap: true, problems: [] },
      ],
    });
    expect(JSON.parse(ran.stderr)).toMatchObject({
      error: { code: "ERR_ENVELOPE_CONFIG", exitCode: 6, message },
    });
  });

  it.each([
    "hvs.SECRET",
    "hvs.SECRET:key",
    "vault-transit:https://me:hvs.SECRET@vault/transit/app",
  ])("%s, of which nothing is repeated", async (uri) => {
    const { check } = await keystore();
    const { code, stdout, stderr } = await check({ cmks: [local, uri] });
    expect(code).toBe(6);
    expect(stdout.toString()).toMatch(/\n1 {4}local-file .*yes/);
    expect(stderr).toMatch(/^error: CMK 2: /);
    expect(stdout.toString() + stderr).not.toContain("SECRET");
  });
});

it("shows no token of the environment", async () => {
  const { check } = await keystore();
  const { stdout, stderr } = await check({ cmks: [unreachable] });
  expect(stdout.toString() + stderr).not.toContain(token);
});

it("takes the passphrase of a keystore, and tells a wrong one", async () => {
  const { folder, check } = await keystore();
  vi.stubEnv("ENVELOPE_PASSPHRASE", "correct horse");
  const path = join(folder, "sealed.kms");
  const config = join(folder, "sealed.json");
  const init = ["init", "--keystore", path, "--root", "passphrase", "--config", config];
  const made = await run(init);
  expect(made.code).toBe(0);
  expect((await check({ cmks: ["local-file:./sealed.kms?key=alias/app"] })).code).toBe(0);
  vi.stubEnv("ENVELOPE_PASSPHRASE", "battery staple");
  const { code, stdout } = await check({ cmks: ["local-file:./sealed.kms?key=alias/app"] });
  expect(code).toBe(9);
  expect(stdout.toString()).toContain("(ERR_ENVELOPE_KEYSTORE_ROOT_KEY)");
  expect(stdout.toString()).not.toContain("battery");
});

describe("as a process", () => {
  it("exits after its deadline even if the server keeps the connection open", async () => {
    const { configure, folder } = await keystore();
    const { uri } = await silent();
    configure({ development: { cmks: [uri] } });
    const args = ["config", "check", "--config", "other.json", "--timeout", "0.5", "--json"];
    const { code, stdout, stderr } = await ended(start(args, folder));
    expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
    expect(JSON.parse(stdout.toString())).toMatchObject({
      cmks: [{ problems: [{ check: "reach", code: "ERR_ENVELOPE_KMS_UNAVAILABLE" }] }],
    });
  });

  it("ends at Ctrl-C with nothing said but that", async () => {
    const { configure, folder } = await keystore();
    const { asked, uri } = await silent();
    configure({ development: { cmks: [uri, local] } });
    const child = start(["config", "check", "--config", "other.json"], folder);
    const end = ended(child);
    await asked;
    child.kill("SIGINT");
    const { code, stdout, stderr } = await end;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toBe("error: interrupted\n");
  });
});

it.each([[local], [unreachable]])("ends quietly where nobody reads the table: %s", async (uri) => {
  const { configure, folder } = await keystore();
  configure({ production: { cmks: [uri] } });
  const gone = Object.assign(new Error("EPIPE"), { code: "EPIPE" });
  const stdout = new Writable({ write: (_, __, done) => done(gone) });
  stdout.on("error", () => undefined);
  const stderr = capture();
  const host = { stdin: Readable.from([]), stdout, stderr: stderr.stream };
  const args = ["config", "check", "--config", join(folder, "other.json")];
  const { signal } = new AbortController();
  const code = await main([...args, "--environment", "production"], { ...host, signal });
  expect({ code, stderr: stderr.bytes().toString() }).toEqual({ code: 0, stderr: "" });
});
