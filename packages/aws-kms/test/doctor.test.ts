import { inspect } from "node:util";
import { awsError } from "./support/endpoint.ts";
import { sdk } from "../../kms-server/test/support/server.ts";
import { withCredentials, withoutConfiguration } from "./support/environment.ts";
import { startMoto } from "@env/testkit/moto";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { doctor, parseAwsKmsUri, type DoctorReport } from "../src/index.ts";
import { fakeClient } from "./support/fake-client.ts";
import { testEndpoint } from "./support/endpoint.ts";

beforeEach(() => {
  withoutConfiguration();
  withCredentials();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** What it says of the operations, in a few letters. */
function may({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport): string {
  return [mayGenerate, mayWrap, mayUnwrap, mayRewrap]
    .map((one) => (one === undefined ? "?" : one ? "y" : "n"))
    .join("");
}

it("says that all is well, by dry runs alone", async () => {
  const { endpoint, client } = await testEndpoint();
  const arn = await endpoint.newKey("alias/app");
  const report = await doctor({ client, key: "alias/app" });
  expect(report).toEqual({
    provider: "aws-kms",
    keyId: "alias/app",
    label: arn,
    reachable: true,
    mayGenerate: true,
    mayWrap: true,
    mayUnwrap: true,
    mayRewrap: true,
    keyVersion: expect.stringMatching(/^[0-9a-f]{64}$/),
    latencyMs: expect.any(Number),
    problems: [],
  });
  expect(report.latencyMs).toBeGreaterThan(0);
  const [describeKey, ...rest] = endpoint.requests;
  expect(describeKey).toMatchObject({ operation: "DescribeKey", body: { KeyId: "alias/app" } });
  const EncryptionContext = { "env:format": "1" };
  const without = { DryRun: true, DryRunModifiers: ["IGNORE_CIPHERTEXT"] };
  expect(Object.fromEntries(rest.map(({ operation, body }) => [operation, body]))).toEqual({
    GenerateDataKey: { KeyId: "alias/app", KeySpec: "AES_256", EncryptionContext, DryRun: true },
    Encrypt: {
      KeyId: "alias/app",
      Plaintext: `${"A".repeat(43)}=`,
      EncryptionContext,
      DryRun: true,
    },
    Decrypt: { KeyId: "alias/app", EncryptionContext, ...without },
    ReEncrypt: {
      SourceKeyId: "alias/app",
      DestinationKeyId: "alias/app",
      SourceEncryptionContext: EncryptionContext,
      DestinationEncryptionContext: EncryptionContext,
      ...without,
    },
  });
});

it("probes with the context and the grant tokens it is given, and every further key", async () => {
  const { endpoint, client } = await testEndpoint();
  const key = await endpoint.newKey();
  const old = await endpoint.newKey();
  const token = await endpoint.newGrantToken(key);
  const report = await doctor(
    { client, key, alsoUnwrap: [old], grantTokens: [token] },
    { context: { tenant: "acme" } },
  );
  expect(may(report)).toBe("yyyy");
  for (const { operation, body } of endpoint.requests) {
    expect(body["GrantTokens"]).toEqual([token]);
    if (operation === "DescribeKey") continue;
    expect(body["EncryptionContext"] ?? body["SourceEncryptionContext"]).toEqual({
      tenant: "acme",
      "env:format": "1",
    });
  }
  const called = (operation: string, member: string): unknown[] =>
    endpoint.requests.filter((one) => one.operation === operation).map(({ body }) => body[member]);
  expect(called("Decrypt", "KeyId")).toEqual([key, old]);
  expect(called("ReEncrypt", "SourceKeyId")).toEqual([key, old]);
  expect(called("ReEncrypt", "DestinationKeyId")).toEqual([key, key]);
});

describe("a role of its own", () => {
  const denial = (action: string, arn: string): string =>
    `User: arn:aws:iam::000000000000:user/app is not authorized to perform: kms:${action} on resource: ${arn} because no identity-based policy allows the kms:${action} action`;

  it.each([
    ["DescribeKey", "yyyy", "key", "kms:DescribeKey"],
    ["GenerateDataKey", "nyyy", "generate", "kms:GenerateDataKey"],
    ["Encrypt", "ynyy", "wrap", "kms:Encrypt"],
    ["Decrypt", "yyny", "unwrap", "kms:Decrypt with KEY"],
    ["ReEncrypt", "yyyn", "rewrap", "kms:ReEncryptFrom with KEY and kms:ReEncryptTo"],
  ])("without %s", async (operation, expected, check, action) => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    const words = denial(operation, key);
    endpoint.fail(awsError("AccessDeniedException", words), [operation]);
    const report = await doctor({ client, key });
    expect(may(report)).toBe(expected);
    expect(report.reachable).toBe(true);
    expect(report.label).toBe(operation === "DescribeKey" ? undefined : key);
    expect(report.problems).toEqual([
      {
        check,
        code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
        message: `${operation}: AccessDeniedException (HTTP 400, request 11111111-2222-4333-8444-555555555555); ${words.replace(` on resource: ${key}`, "")}; allow ${action.replace("KEY", key)}`,
      },
    ]);
  });

  it("is reported in the order of the checks, whichever answers first", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    endpoint.fail(awsError("DisabledException"));
    let release: () => void = () => undefined;
    const last = new Promise<void>((resolve) => {
      release = resolve;
    });
    const denied = Object.assign(new Error("denied"), { name: "AccessDeniedException" });
    const report = await doctor({
      key,
      client: fakeClient({
        describeKey: (input, options) => client.describeKey(input, options),
        generateDataKey: () => last.then(() => Promise.reject(denied)),
        encrypt: () => Promise.reject(denied),
        decrypt: () => Promise.reject(denied),
        reEncrypt: async () => {
          setImmediate(release);
          throw denied;
        },
      }),
    });
    expect(report.problems.map(({ check }) => check)).toEqual([
      "key",
      "generate",
      "wrap",
      "unwrap",
      "rewrap",
    ]);
  });

  it("may unwrap with its key but not with a further one", async () => {
    const denied = Object.assign(new Error("denied"), { name: "AccessDeniedException" });
    const dryRun = Object.assign(new Error("ok"), { name: "DryRunOperationException" });
    const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const old = key.replace("1234", "4321");
    const answer = (keyId: string): Promise<never> =>
      Promise.reject(keyId === old ? denied : dryRun);
    const client = fakeClient({
      describeKey: async () => ({ KeyMetadata: { Arn: key } }),
      generateDataKey: () => Promise.reject(dryRun),
      encrypt: () => Promise.reject(dryRun),
      decrypt: ({ KeyId }) => answer(KeyId),
      reEncrypt: ({ SourceKeyId }) => answer(SourceKeyId),
    });
    const report = await doctor({ client, key, alsoUnwrap: [old] });
    expect(may(report)).toBe("yynn");
    expect(report.problems.map(({ check, message }) => [check, message])).toEqual([
      ["unwrap", `Decrypt: AccessDeniedException; allow kms:Decrypt with ${old}`],
      [
        "rewrap",
        `ReEncrypt: AccessDeniedException; allow kms:ReEncryptFrom with ${old} and kms:ReEncryptTo`,
      ],
    ]);
  });
});

describe("the key", () => {
  it("is disabled", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    await endpoint.root.disableKey({ KeyId: key });
    // The keystore needs a ciphertext for a dry run, which a disabled key does not give.
    endpoint.fail(awsError("DisabledException", `${key} is disabled.`), ["Decrypt", "ReEncrypt"]);
    const report = await doctor({ client, key });
    expect(may(report)).toBe("nnnn");
    expect(report.problems).toHaveLength(5);
    expect(new Set(report.problems.map(({ code }) => code))).toEqual(
      new Set(["ERR_ENVELOPE_KMS_KEY_STATE"]),
    );
    expect(report.problems.map(({ check }) => check)).toEqual([
      "key",
      "generate",
      "wrap",
      "unwrap",
      "rewrap",
    ]);
    expect(report.problems[0]?.message).toBe(
      "the key is in state Disabled; enable it, or cancel its deletion",
    );
  });

  it("is missing", async () => {
    const { client } = await testEndpoint();
    const report = await doctor({ client, key: "alias/none" });
    expect(may(report)).toBe("nnnn");
    expect(report.reachable).toBe(true);
    expect(new Set(report.problems.map(({ code }) => code))).toEqual(
      new Set(["ERR_ENVELOPE_KMS_KEY_NOT_FOUND"]),
    );
  });

  it.each([
    ["of another usage", { KeyUsage: "SIGN_VERIFY", KeySpec: "ECC_NIST_P256" }],
    ["asymmetric", { KeyUsage: "ENCRYPT_DECRYPT", KeySpec: "RSA_2048" }],
  ])("is %s", async (_, facts) => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    endpoint.fail(
      {
        kind: "alter",
        alter: (answer) => ({ KeyMetadata: { ...(answer["KeyMetadata"] as object), ...facts } }),
      },
      ["DescribeKey"],
    );
    const { problems } = await doctor({ client, key });
    expect(problems).toEqual([
      {
        check: "key",
        code: "ERR_ENVELOPE_KMS_KEY_STATE",
        message: "the key is not a symmetric key for encryption; make one that is",
      },
    ]);
  });
});

describe("no answer", () => {
  it("is one problem, and nothing more is asked", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    await endpoint.cut();
    const report = await doctor({ client, key });
    expect(report).toEqual({
      provider: "aws-kms",
      keyId: key,
      label: undefined,
      reachable: false,
      mayGenerate: undefined,
      mayWrap: undefined,
      mayUnwrap: undefined,
      mayRewrap: undefined,
      keyVersion: undefined,
      latencyMs: undefined,
      problems: [
        {
          check: "reach",
          code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
          message:
            "DescribeKey: Error (ECONNREFUSED); check the endpoint, the region and the network, or try again",
        },
      ],
    });
  });

  it.each([
    ["of a proxy", { kind: "answer", status: 200, body: "<html>" } as const],
    ["of nobody who is KMS", { kind: "answer", status: 502, body: "{}" } as const],
    ["before the deadline", { kind: "stall" } as const],
  ])("is one %s too", async (_, fault) => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    endpoint.fail(fault);
    const report = await doctor({ client, key, timeout: 500 });
    expect(report.reachable).toBe(false);
    expect(report.problems.map(({ check, code }) => [check, code])).toEqual([
      ["reach", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
    ]);
  });

  it("is without credentials: no question was asked", async () => {
    vi.unstubAllEnvs();
    withoutConfiguration();
    const { endpoint } = await testEndpoint();
    const uri = `aws-kms:alias/app?region=local&endpoint=${endpoint.url}`;
    const report = await doctor(parseAwsKmsUri(uri));
    expect(report.reachable).toBe(false);
    expect(report.problems).toEqual([
      {
        check: "reach",
        code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
        message:
          "DescribeKey: CredentialsProviderError; the SDK's default chain found no credentials",
      },
    ]);
    expect(endpoint.requests).toEqual([]);
  });

  it("to one question leaves that one open", async () => {
    const { endpoint, client } = await testEndpoint();
    const key = await endpoint.newKey();
    endpoint.fail(awsError("ThrottlingException"), ["Decrypt"]);
    const report = await doctor({ client, key });
    expect(may(report)).toBe("yy?y");
    expect(report.problems).toMatchObject([
      { check: "unwrap", code: "ERR_ENVELOPE_KMS_THROTTLED" },
    ]);
  });
});

it("ends with the caller's signal", async () => {
  const { endpoint, client } = await testEndpoint();
  const key = await endpoint.newKey();
  const reason = new Error("the caller has left");
  for (const operation of ["DescribeKey", "Decrypt"]) {
    endpoint.fail({ kind: "stall" }, [operation]);
    const controller = new AbortController();
    const call = rejection(doctor({ client, key }, { signal: controller.signal }));
    while (!endpoint.requests.some((one) => one.operation === operation)) {
      await endpoint.nextRequest();
    }
    controller.abort(reason);
    expect(await call).toBe(reason);
  }
});

it("refuses an invalid context before it calls the KMS", async () => {
  const context = { "env:format": "2" };
  const error = await rejection(doctor({ client: fakeClient({}), key: "alias/app" }, { context }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_INVALID_CONTEXT" });
});

it("closes what it opened, and wipes what a server without dry runs answers", async () => {
  const { endpoint, client } = await testEndpoint();
  const arn = await endpoint.newKey();
  await doctor({ key: arn, endpoint: endpoint.url });
  await endpoint.disconnected();
  const Plaintext = new Uint8Array(32).fill(7);
  const answered = async () => ({ Plaintext, KeyId: arn });
  const describeKey = client.describeKey.bind(client);
  const fake = { describeKey, generateDataKey: answered, decrypt: answered };
  await doctor({ client: fakeClient(fake), key: arn });
  expect(Plaintext).toEqual(new Uint8Array(32));
});

it("shows no secret, whatever is answered", async () => {
  const { endpoint, client } = await testEndpoint();
  const key = await endpoint.newKey();
  endpoint.fail(awsError("AccessDeniedException", "SECRET"));
  const report = await doctor({ client, key }, { context: { tenant: "SECRET" } });
  expect(inspect(report, { showHidden: true, depth: 10 })).not.toContain("SECRET");
});

it("reports about moto what can be known", async ({ skip }) => {
  const moto = await startMoto();
  if (typeof moto === "string") {
    skip(`not run against moto: ${moto}`);
    return;
  }
  onTestFinished(() => moto.stop());
  const client = sdk(moto.url, { region: "eu-west-1" });
  onTestFinished(() => client.destroy());
  const { KeyMetadata } = await client.createKey({});
  const report = await doctor({ client, key: KeyMetadata?.Arn ?? "" });
  // moto does what a dry run asks, and wants a ciphertext for the others.
  expect(may(report).slice(0, 2)).toBe("yy");
  expect(report).toMatchObject({ reachable: true, label: KeyMetadata?.Arn });
});

it("refuses an option that is misspelt before it asks", async () => {
  const misspelt = { contxt: {} } as object;
  expect(await rejection(doctor({ client: fakeClient({}), key: "alias/app" }, misspelt))).toEqual(
    new TypeError('unknown option "contxt"'),
  );
});
