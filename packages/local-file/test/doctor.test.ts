import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { KmsError, openKeystore, type Keystore } from "@env/kms";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { doctor, type DoctorReport, type LocalFileClient } from "../src/index.ts";
import { tempKeystore } from "./support/keystore.ts";

const USER = "arn:aws:iam::000000000000:user/app";

/** The keystore again, and a user who may do this and nothing else. */
async function as(
  path: string,
  actions: readonly string[],
): Promise<{ readonly keystore: Keystore; readonly client: LocalFileClient }> {
  const keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  onTestFinished(() => keystore.close());
  const Statement = actions.map((Action) => ({ Effect: "Allow", Action, Resource: "*" }));
  const text = JSON.stringify({ Version: "2012-10-17", Statement });
  await keystore.iam.put({ arn: USER, policies: actions.length > 0 ? [{ name: "p", text }] : [] });
  return { keystore, client: keystore.as(USER) };
}

const may = ({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport) =>
  [mayGenerate, mayWrap, mayUnwrap, mayRewrap]
    .map((one) => (one === undefined ? "?" : one ? "y" : "n"))
    .join("");
const problems = (report: DoctorReport) =>
  report.problems.map(({ check, code }) => `${check} ${code.replace("ERR_ENVELOPE_KMS_", "")}`);

it("finds nothing wrong where nothing is", async () => {
  const { client, keyId } = await tempKeystore();
  await client.rotateKeyOnDemand({ KeyId: keyId });
  const report = await doctor({ client, key: "alias/app" }, { context: { tenant: "acme" } });
  expect(report).toEqual({
    provider: "local-file",
    keyId: "alias/app",
    label: keyId,
    reachable: true,
    mayGenerate: true,
    mayWrap: true,
    mayUnwrap: true,
    mayRewrap: true,
    keyVersion: "2",
    latencyMs: expect.any(Number),
    sqliteVersion: expect.stringMatching(/^3\.[0-9]+\.[0-9]+$/),
    problems: [],
  });
  expect(report.latencyMs).toBeGreaterThan(0);
});

it("leaves the keystore open", async () => {
  const { client, keyId } = await tempKeystore();
  await doctor({ client, key: keyId });
  expect((await client.describeKey({ KeyId: keyId })).KeyMetadata.KeyId).toBe(keyId);
});

const describing = "kms:DescribeKey";

describe.each(["alias", "id"] as const)("of a key named by its %s", (named) => {
  it.each([
    ["writes", [describing, "kms:GenerateDataKey", "kms:Encrypt"], "yynn", []],
    ["reads", [describing, "kms:Decrypt"], "nnyn", []],
    ["rewraps", [describing, "kms:ReEncrypt*"], "nnny", []],
    ["only rewraps to it", [describing, "kms:ReEncryptTo"], "nnnn", []],
    ["may only ask about it", [describing], "nnnn", []],
    ["generates, unasked", ["kms:GenerateDataKey"], "ynnn", ["key"]],
  ] as const)("tells what one may do who %s", async (_, actions, expected, more) => {
    const { path, keyId } = await tempKeystore();
    const { client } = await as(path, actions);
    const report = await doctor({ client, key: named === "id" ? keyId : "alias/app" });
    expect(may(report)).toBe(expected);
    const refused = ["generate", "wrap", "unwrap", "rewrap"].filter((__, i) => expected[i] !== "y");
    expect(problems(report)).toEqual([...more, ...refused].map((one) => `${one} ACCESS_DENIED`));
    expect(report.label).toBe(keyId);
  });
});

it("says which permission is missing", async () => {
  const { path, keyId } = await tempKeystore();
  const { client } = await as(path, []);
  const { problems: found } = await doctor({ client, key: keyId });
  expect(found.map(({ message }) => message)).toEqual([
    "DescribeKey: AccessDeniedException; allow kms:DescribeKey, or name the key by its id",
    "GenerateDataKey: AccessDeniedException; allow kms:GenerateDataKey",
    "Encrypt: AccessDeniedException; allow kms:Encrypt",
    ...["unwrap", "rewrap"].map(
      () => "DescribeKey: AccessDeniedException; allow kms:DescribeKey, or name the key by its id",
    ),
  ]);
});

it("asks for all of alsoUnwrap", async () => {
  const { client, keyId } = await tempKeystore();
  const { KeyMetadata: old } = await client.createKey();
  const options = { client, key: keyId, alsoUnwrap: [old.Arn] };
  expect(may(await doctor(options))).toBe("yyyy");
  await client.disableKey({ KeyId: old.KeyId });
  const report = await doctor(options);
  expect(may(report)).toBe("yynn");
  expect(problems(report)).toEqual(["unwrap KEY_STATE", "rewrap KEY_STATE"]);
});

it("believes no made-up blob where the key refuses what it wrapped itself", async () => {
  const { client, keyId } = await tempKeystore();
  const refusing: LocalFileClient = {
    describeKey: (request) => client.describeKey(request),
    generateDataKey: (request) => client.generateDataKey(request),
    encrypt: (request) => client.encrypt(request),
    decrypt: () => Promise.reject(new KmsError("InvalidCiphertextException", "")),
    reEncrypt: () => Promise.reject(new KmsError("InvalidCiphertextException", "")),
  };
  const report = await doctor({ client: refusing, key: keyId });
  expect(may(report)).toBe("yynn");
  expect(problems(report)).toEqual(["unwrap REJECTED", "rewrap REJECTED"]);
});

it("uses the context that is given", async () => {
  const { path, keyId } = await tempKeystore();
  const { keystore, client } = await as(path, []);
  const statement = {
    Effect: "Allow",
    Action: "kms:*",
    Resource: "*",
    Condition: { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
  };
  const asking = { Effect: "Allow", Action: describing, Resource: "*" };
  const text = JSON.stringify({ Version: "2012-10-17", Statement: [statement, asking] });
  await keystore.iam.put({ arn: USER, policies: [{ name: "p", text }] });
  const ask = async (context?: Record<string, string>) =>
    may(await doctor({ client, key: keyId }, context && { context }));
  expect(await ask({ tenant: "acme" })).toBe("yyyy");
  expect(await ask({ tenant: "other" })).toBe("nnnn");
  expect(await ask()).toBe("nnnn");
});

it.each(["alias/none", "00000000-0000-4000-8000-000000000000"])(
  "tells a missing key: %s",
  async (key) => {
    const { client } = await tempKeystore();
    const report = await doctor({ client, key });
    expect(report).toMatchObject({ reachable: true, label: undefined, keyVersion: undefined });
    expect(may(report)).toBe("nnnn");
    expect(problems(report)).toEqual(
      ["key", "generate", "wrap", "unwrap", "rewrap"].map((check) => `${check} KEY_NOT_FOUND`),
    );
  },
);

it("tells a key that is disabled", async () => {
  const { client, keyId } = await tempKeystore();
  await client.disableKey({ KeyId: keyId });
  const report = await doctor({ client, key: keyId });
  expect(may(report)).toBe("nnnn");
  expect(problems(report)).toEqual(
    ["key", "generate", "wrap", "unwrap", "rewrap"].map((check) => `${check} KEY_STATE`),
  );
  expect(report.problems[0]?.message).toMatch(/in state Disabled; enable it/);
});

it("tells a key that is for something else", async () => {
  const { client } = await tempKeystore();
  const { KeyMetadata } = await client.createKey({
    KeySpec: "HMAC_256",
    KeyUsage: "GENERATE_VERIFY_MAC",
  });
  const report = await doctor({ client, key: KeyMetadata.KeyId });
  expect(report.mayGenerate).toBe(false);
  expect(report.problems[0]).toEqual({
    check: "key",
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    message: "the key is not a symmetric key for encryption; create such a key",
  });
});

it("tells a multi-Region key by its whole id, and unwraps what it cannot wrap", async () => {
  const { path, client: owner } = await tempKeystore();
  const { KeyMetadata } = await owner.createKey({ MultiRegion: true });
  const { client } = await as(path, [describing, "kms:Decrypt"]);
  const report = await doctor({ client, key: KeyMetadata.Arn });
  expect({ label: report.label, may: may(report) }).toEqual({
    label: KeyMetadata.KeyId,
    may: "nnyn",
  });
});

it("is told that nothing answers where another process holds the file", async () => {
  const { path, client, keyId } = await tempKeystore(undefined, 30);
  const db = new DatabaseSync(path);
  db.exec("BEGIN IMMEDIATE");
  const report = await doctor({ client, key: keyId });
  db.exec("ROLLBACK");
  db.close();
  expect(report).toMatchObject({ reachable: false, label: undefined, latencyMs: undefined });
  expect(may(report)).toBe("????");
  expect(problems(report)).toEqual(["reach UNAVAILABLE"]);
  expect(report.problems[0]?.message).toMatch(/; try again once no other process holds/);
});

it("cannot tell what a throttled call would have answered", async () => {
  const { path, keyId } = await tempKeystore();
  const root = { keyFile: `${path}.key` };
  using slow = await openKeystore(path, { root, quotas: { CryptographicSymmetric: 1e-6 } });
  const client = slow.as();
  await client.generateDataKey({ KeyId: keyId, KeySpec: "AES_256" });
  const report = await doctor({ client, key: keyId });
  expect(may(report)).toBe("????");
  expect(problems(report)).toEqual(
    ["generate", "wrap", "unwrap", "rewrap"].map((check) => `${check} THROTTLED`),
  );
});

it("refuses a context that the format refuses, and ends with the signal's reason", async () => {
  const { client, keyId } = await tempKeystore();
  const calls: string[] = [];
  const noted: LocalFileClient = Object.create(client, {
    describeKey: {
      value: () => {
        calls.push("describeKey");
        return client.describeKey({ KeyId: keyId });
      },
    },
  });
  const options = { client: noted, key: keyId };
  const context = { "env:format": "2" };
  expect(await rejection(doctor(options, { context }))).toMatchObject({
    code: "ERR_ENVELOPE_INVALID_CONTEXT",
  });
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  expect(await rejection(doctor(options, { signal }))).toBe(reason);
  expect(calls).toEqual([]);

  const controller = new AbortController();
  const aborting: LocalFileClient = Object.create(client, {
    generateDataKey: {
      value: () => {
        controller.abort(reason);
        return Promise.reject(new Error("too late"));
      },
    },
    describeKey: { value: client.describeKey.bind(client) },
  });
  const late = doctor({ client: aborting, key: keyId }, { signal: controller.signal });
  expect(await rejection(late)).toBe(reason);
});

it("holds no context value and no data key", async () => {
  const { path, keyId } = await tempKeystore();
  const { client } = await as(path, []);
  const report = await doctor({ client, key: keyId }, { context: { tenant: "s3cret-tenant" } });
  expect(inspect(report, { depth: 10 })).not.toContain("s3cret-tenant");
});

it("refuses an option that is misspelt before it asks", async () => {
  const { client, keyId } = await tempKeystore();
  const misspelt = { contxt: {} } as object;
  const options = { client, key: keyId };
  expect(await rejection(doctor(options, misspelt))).toEqual(
    new TypeError('unknown option "contxt"'),
  );
  const also = { ...options, alsoUnwarp: [] } as typeof options;
  expect(await rejection(doctor(also))).toEqual(new TypeError('unknown option "alsoUnwarp"'));
});
