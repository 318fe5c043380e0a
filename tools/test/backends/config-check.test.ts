/** `envelope config check` against every KMS, each behind its own client and protocol. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { main } from "@env/cli";
import { openKeystore } from "@env/kms";
import { startEndpoint } from "../../../packages/aws-kms/test/support/endpoint.ts";
import { secretAccessKey } from "../../../packages/aws-kms/test/support/environment.ts";
import { gcpKmsDenial, startGcpKmsServer } from "@env/test-servers/gcp-kms";
import { startTransitServer, transitFaults } from "@env/test-servers/transit";
import { tempFolder } from "@env/testkit/folder";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { startLocal } from "./support/backends.ts";
import { withCredentialsFor, withoutConfiguration } from "./support/environment.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function check(
  environment: object,
  args: readonly string[] = [],
  signal = new AbortController().signal,
): Promise<Ran> {
  const config = join(tempFolder(), "envelope.config.json");
  writeFileSync(config, JSON.stringify({ environments: { production: environment } }));
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [said, complained] = [text(stdout), text(stderr)];
  const always = ["--config", config, "--environment", "production"];
  const host = { stdin: Readable.from([]), stdout, stderr, signal };
  const code = await main(["config", "check", ...always, ...args], host);
  stdout.end();
  stderr.end();
  return { code, stdout: await said, stderr: await complained };
}

/** A server of each kind with a key in it, and the URIs of the keys. */
async function start() {
  const [aws, gcp, vault, local] = await Promise.all([
    startEndpoint(),
    startGcpKmsServer(),
    startTransitServer(),
    startLocal(),
  ]);
  onTestFinished(async () => {
    await Promise.all([gcp.close(), vault.close()]);
  });
  const awsKey = await aws.newKey("alias/orders");
  const gcpKey = gcp.createKey();
  vault.createKey("orders", { derived: true });
  withCredentialsFor([]);
  vi.stubEnv("VAULT_TOKEN", vault.rootToken);
  const uris = [
    `aws-kms:${awsKey}?endpoint=${aws.url}`,
    `gcp-kms:${gcpKey}?endpoint=${gcp.endpoint}`,
    `vault-transit:${vault.url}/transit/orders`,
    local.uri,
  ];
  return { aws, gcp, vault, local, awsKey, gcpKey, uris };
}

interface Cmk {
  readonly provider: string;
  readonly problems: readonly { readonly check: string; readonly code: string }[];
}

function cmksOf({ stdout }: Ran): Cmk[] {
  return (JSON.parse(stdout) as { cmks: Cmk[] }).cmks;
}

const yes = {
  reachable: true,
  mayGenerate: true,
  mayWrap: true,
  mayUnwrap: true,
  mayRewrap: true,
  latencyMs: expect.any(Number),
  problems: [],
};

it("finds all well with every KMS, in the configured order, and shows no credential", async () => {
  const { awsKey, gcpKey, local, uris, vault } = await start();
  const ran = await check({ cmks: uris });
  expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 0, stderr: "" });
  const rows = ran.stdout.split("\n").slice(1, 5);
  expect(rows.map((row) => row.split(/ {2,}/).slice(0, 8))).toEqual(
    [
      ["1", "aws-kms", awsKey],
      ["2", "gcp-kms", gcpKey],
      ["3", "vault-transit", "transit/orders"],
      ["4", "local-file", local.label],
    ].map((row) => row.concat(["yes", "yes", "yes", "yes", "yes"])),
  );
  expect(ran.stdout).toMatch(/\n\nproduction: no problems\ncrypto: node .*\n$/);

  const json = await check({ cmks: uris }, ["--json"]);
  expect(JSON.parse(json.stdout)).toEqual({
    config: expect.stringMatching(/envelope\.config\.json$/),
    environment: "production",
    ok: true,
    crypto: { name: expect.any(String), version: expect.any(String), problem: null },
    cmks: [
      { ...yes, provider: "aws-kms", keyId: awsKey, label: awsKey, keyVersion: expect.any(String) },
      { ...yes, provider: "gcp-kms", keyId: gcpKey, label: gcpKey, keyVersion: "1" },
      {
        ...yes,
        provider: "vault-transit",
        keyId: "transit/orders",
        label: "transit/orders",
        keyVersion: "1",
      },
      {
        ...yes,
        provider: "local-file",
        keyId: local.label,
        label: local.label,
        keyVersion: "1",
      },
    ],
    problems: [],
  });
  for (const { stdout, stderr } of [ran, json]) {
    for (const secret of [vault.rootToken, secretAccessKey, "AKIDEXAMPLE"]) {
      expect(stdout + stderr).not.toContain(secret);
    }
  }
});

it("tells what one may not, and the permission to add", async () => {
  const { gcp, gcpKey, uris, vault } = await start();
  const permission = "cloudkms.cryptoKeyVersions.useToDecrypt";
  gcp.fail(gcpKmsDenial(permission, gcpKey), ["Decrypt"]);
  const paths = ["keys/orders", "datakey/plaintext/orders", "encrypt/orders", "rewrap/orders"];
  vault.setPolicy(
    "writer",
    paths.map((path) => ({ path: `transit/${path}`, capabilities: ["read", "update"] })),
  );
  vi.stubEnv("VAULT_TOKEN", vault.createToken({ policies: ["writer"] }));

  const ran = await check({ cmks: uris });
  expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 9, stderr: "" });
  expect(ran.stdout).toContain(
    `allow ${permission} on the key, or check that it exists (ERR_ENVELOPE_KMS_ACCESS_DENIED)`,
  );
  expect(ran.stdout).toContain(
    "allow update on transit/decrypt/orders (ERR_ENVELOPE_KMS_ACCESS_DENIED)",
  );
  // Wrapping is what encryption needs, and that is there.
  expect(ran.stdout).not.toContain("minWrapped");

  const json = await check({ cmks: uris }, ["--json"]);
  expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 9, stderr: "" });
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, problems: [] });
  expect(cmksOf(json)).toMatchObject([
    yes,
    { ...yes, mayUnwrap: false, mayRewrap: false, problems: [{}, {}] },
    { ...yes, mayUnwrap: false, problems: [{ check: "unwrap" }] },
    yes,
  ]);
});

it("asks with the context that is given", async () => {
  const { aws, gcp, local, uris, vault } = await start();
  const path = decodeURIComponent(/^local-file:(.*)\?/.exec(local.uri)?.[1] ?? "");
  const ran = await check({ cmks: uris }, ["--context", "tenant=acme", "--context", "a=b"]);
  expect(ran.code).toBe(0);
  const context = { a: "b", "env:format": "1", tenant: "acme" };
  const inAws = aws.requests.flatMap(({ body }) => body["EncryptionContext"] ?? []);
  expect(inAws).toEqual(Array.from({ length: 3 }, () => context));
  const inGcp = gcp.calls.flatMap(({ request }) => request["additionalAuthenticatedData"] ?? []);
  const inVault = vault.calls.flatMap(({ body: { context: sent } }) =>
    typeof sent === "string" ? Buffer.from(sent, "base64") : [],
  );
  for (const sent of [...inGcp, ...inVault]) {
    expect(Buffer.from(sent as Uint8Array).includes("acme")).toBe(true);
  }
  expect([inGcp.length, inVault.length]).toEqual([2, 4]);
  using keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  const seen: unknown[] = [];
  for await (const { record } of keystore.audit.query({})) {
    const { encryptionContext } = (record.requestParameters ?? {}) as {
      encryptionContext?: unknown;
    };
    if (encryptionContext !== undefined) seen.push(encryptionContext);
  }
  expect(seen).toContainEqual(context);
});

it("shows the others where one is out of reach, and says that nothing can be encrypted", async () => {
  const { uris, vault } = await start();
  await vault.close();
  const ran = await check({ cmks: uris }, ["--json"]);
  expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 9, stderr: "" });
  expect(cmksOf(ran)).toMatchObject([
    yes,
    yes,
    {
      provider: "vault-transit",
      keyId: "transit/orders",
      reachable: false,
      mayUnwrap: null,
      latencyMs: null,
      problems: [{ check: "reach", code: "ERR_ENVELOPE_KMS_UNAVAILABLE" }],
    },
    yes,
  ]);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    problems: [
      {
        check: "minWrapped",
        message: expect.stringMatching(
          /^a message must be wrapped by 4 of 4 CMKs, but only 3 can wrap/,
        ),
      },
    ],
  });
  const fewer = await check({ cmks: uris, minWrapped: 3 }, ["--json"]);
  expect(fewer.code).toBe(9);
  expect(JSON.parse(fewer.stdout)).toMatchObject({ problems: [] });
});

it("waits for none longer than --timeout says", async () => {
  const { aws, gcp, uris, vault } = await start();
  aws.fail({ kind: "stall" });
  gcp.fail({ kind: "stall" });
  vault.fail(transitFaults.stall);
  const ran = await check({ cmks: uris.slice(0, 3) }, ["--json", "--timeout", "0.6"]);
  expect(ran.code).toBe(9);
  expect(cmksOf(ran).map(({ problems }) => problems)).toMatchObject(
    Array.from({ length: 3 }, () => [{ check: "reach", code: "ERR_ENVELOPE_KMS_UNAVAILABLE" }]),
  );
});

it("tells the rest where one call hangs", async () => {
  const { aws, gcp, uris, vault } = await start();
  aws.fail({ kind: "stall" }, ["Encrypt"]);
  gcp.fail({ kind: "stall" }, ["Decrypt"]);
  vault.fail(transitFaults.stall, ["transit/decrypt/"]);
  // Half of it is waited for the calls that hang; the others have all of it.
  const ran = await check({ cmks: uris }, ["--timeout", "20", "--json"]);
  const [inAws, inGcp, inVault] = cmksOf(ran);
  const unavailable = (name: string) => ({ check: name, code: "ERR_ENVELOPE_KMS_UNAVAILABLE" });
  expect(inAws).toMatchObject({ reachable: true, mayGenerate: true, mayWrap: null });
  expect(inAws?.problems).toContainEqual(expect.objectContaining(unavailable("wrap")));
  expect(inGcp).toMatchObject({ reachable: true, mayGenerate: true, mayUnwrap: null });
  expect(inGcp?.problems).toContainEqual(expect.objectContaining(unavailable("unwrap")));
  const problems = [unavailable("unwrap")];
  expect(inVault).toMatchObject({ ...yes, mayUnwrap: null, problems });
});

it("counts who can wrap as encryption does: data keys come from the first that generates", async () => {
  const { local, vault } = await start();
  const paths = ["keys", "decrypt", "encrypt", "rewrap"].map((name) => `transit/${name}/orders`);
  const rules = paths.map((path) => ({ path, capabilities: ["read", "update"] as const }));
  vault.setPolicy("wraps", rules);
  vi.stubEnv("VAULT_TOKEN", vault.createToken({ policies: ["wraps"] }));
  const uri = `vault-transit:${vault.url}/transit/orders`;
  const problems = async (...cmks: readonly string[]): Promise<unknown> =>
    (JSON.parse((await check({ cmks }, ["--json"])).stdout) as { problems: unknown }).problems;
  expect(await problems(local.uri, uri)).toEqual([]);
  const message = expect.stringMatching(
    /^a message must be wrapped by 2 of 2 CMKs, but only 1 can wrap/,
  );
  expect(await problems(uri, local.uri)).toEqual([{ check: "minWrapped", message }]);
  expect(await problems(uri)).toEqual([
    { check: "minWrapped", message: expect.stringMatching(/by 1 of 1 CMK, but only 0 can wrap/) },
  ]);
});

it("has an end where every call hangs but the first", async () => {
  const { uris, vault } = await start();
  const calls = ["decrypt", "datakey", "encrypt", "rewrap"].map((name) => `transit/${name}/`);
  vault.fail(transitFaults.stall, calls);
  const ran = await check({ cmks: uris }, ["--timeout", "6"]);
  expect(ran.code).toBe(9);
  const unknown = "3 vault-transit transit/orders ? ? ? ? ? ? ?";
  expect(ran.stdout.replaceAll(/ +/g, " ")).toContain(`\n${unknown}\n`);
  expect(ran.stdout).toContain("no complete answer within 6 s; check whether the KMS is slow");
});

it("ends where it is interrupted", async () => {
  const { uris, vault } = await start();
  vault.fail(transitFaults.stall);
  const controller = new AbortController();
  const running = check({ cmks: uris }, [], controller.signal);
  await vault.nextCall();
  controller.abort(new Error("interrupted here"));
  const { code, stdout, stderr } = await running;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("interrupted here");
});

it("finds two names of one key by the id that entries carry", async () => {
  const { aws, awsKey, uris } = await start();
  const alias = `aws-kms:alias/orders?region=local&endpoint=${aws.url}`;
  const ran = await check({ cmks: [...uris, alias] });
  expect(ran.code).toBe(6);
  const problem = `CMKs 1 and 5 are the same key (${awsKey}); remove one of them`;
  expect(ran.stdout).toContain(`\nconfiguration\n  same key: ${problem}\n`);
  expect(ran.stderr).toContain(`error: ${problem}`);
});
