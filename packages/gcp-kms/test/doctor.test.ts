import { inspect } from "node:util";
import { gcpKmsDenial, gcpKmsFaults } from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { doctor, parseGcpKmsUri, type DoctorReport } from "../src/index.ts";
import { fakeClient } from "./support/fake-client.ts";
import { testServer } from "./support/sdk.ts";

/** What it says of the operations, in a few letters. */
function may({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport): string {
  return [mayGenerate, mayWrap, mayUnwrap, mayRewrap]
    .map((one) => (one === undefined ? "?" : one ? "y" : "n"))
    .join("");
}

function checks({ problems }: DoctorReport): string {
  return problems.map(({ check }) => check).join(" ");
}

function codes({ problems }: DoctorReport): readonly string[] {
  return [...new Set(problems.map(({ code }) => code))];
}

it("says that all is well, after one data key that is thrown away", async () => {
  const { server, client } = await testServer();
  const key = server.createKey();
  server.rotate(key);
  const report = await doctor({ client, key }, { context: { tenant: "acme" } });
  expect(report).toEqual({
    provider: "gcp-kms",
    keyId: key,
    label: key,
    reachable: true,
    mayGenerate: true,
    mayWrap: true,
    mayUnwrap: true,
    mayRewrap: true,
    keyVersion: "2",
    latencyMs: expect.any(Number),
    problems: [],
  });
  expect(report.latencyMs).toBeGreaterThan(0);
  expect(server.calls.map(({ method }) => method)).toEqual(["GetCryptoKey", "Encrypt", "Decrypt"]);
  for (const { request } of server.calls.slice(1)) {
    const aad = request["additionalAuthenticatedData"] as Buffer;
    expect(aad.toString()).toContain("acme");
    expect(aad.toString()).toContain("env:format");
  }
});

it("takes what a URI names, asks of every further key, and closes what it opened", async () => {
  const { server } = await testServer();
  const [key, old] = [server.createKey(), server.createKey()];
  const uri = `gcp-kms:${key}?endpoint=${server.endpoint}&alsoUnwrap=${old}`;
  expect(may(await doctor(parseGcpKmsUri(uri)))).toBe("yyyy");
  const decrypted = server.calls.filter(({ method }) => method === "Decrypt");
  expect(decrypted.map(({ request }) => request["name"])).toEqual([key, old]);
  await server.disconnected();
});

it("tells the name that entries get", async () => {
  const { server, client } = await testServer();
  const name = server.createKey();
  const key = name.replace("test-project", "111122223333");
  expect(await doctor({ client, key })).toMatchObject({ keyId: key, label: name });
});

describe("a role of its own", () => {
  it.each([
    ["GetCryptoKey", "yyyy", "key", "cloudkms.cryptoKeys.get"],
    ["Encrypt", "nnyn", "generate wrap rewrap", "cloudkms.cryptoKeyVersions.useToEncrypt"],
    ["Decrypt", "yynn", "unwrap rewrap", "cloudkms.cryptoKeyVersions.useToDecrypt on KEY"],
  ])("without %s", async (method, expected, of, permission) => {
    const { server, client } = await testServer();
    const key = server.createKey();
    const denied = { kind: "status", status: "PERMISSION_DENIED", message: "no" } as const;
    server.fail(denied, [method]);
    const report = await doctor({ client, key });
    expect(may(report)).toBe(expected);
    expect(checks(report)).toBe(of);
    expect(report.reachable).toBe(true);
    expect(report.label).toBe(key);
    expect(report.keyVersion).toBe("1");
    const message = `${method}: PERMISSION_DENIED; allow ${permission.replace("KEY", key)}`;
    for (const problem of report.problems) {
      expect(problem).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED", message });
    }
  });

  it("may do nothing at all", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail(gcpKmsDenial("cloudkms.cryptoKeys.get", key));
    const report = await doctor({ client, key });
    expect(may(report)).toBe("nnnn");
    expect(checks(report)).toBe("key generate wrap unwrap rewrap");
    expect(report).toMatchObject({ label: undefined, keyVersion: undefined, reachable: true });
    expect(report.problems[0]?.message).toBe(
      "GetCryptoKey: PERMISSION_DENIED; allow cloudkms.cryptoKeys.get on the key, or check that it exists",
    );
  });

  it("may unwrap with its key but not with a further one", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    const report = await doctor({ client, key, alsoUnwrap: [`${key}-missing`] });
    expect(may(report)).toBe("yynn");
    expect(checks(report)).toBe("unwrap rewrap");
    expect(codes(report)).toEqual(["ERR_ENVELOPE_KMS_KEY_NOT_FOUND"]);
  });
});

describe("the key", () => {
  it("is disabled in its primary version", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.setState(`${key}/cryptoKeyVersions/1`, "DISABLED");
    const report = await doctor({ client, key });
    // Decrypt refuses the bytes that are none, and not the caller.
    expect(may(report)).toBe("nnyn");
    expect(codes(report)).toEqual(["ERR_ENVELOPE_KMS_KEY_STATE"]);
    expect(report.problems[0]).toEqual({
      check: "key",
      code: "ERR_ENVELOPE_KMS_KEY_STATE",
      message: "the primary version is not enabled; enable it, or make another one primary",
    });
  });

  it("is missing", async () => {
    const { server, client } = await testServer();
    const report = await doctor({ client, key: `${server.createKey()}-missing` });
    expect(may(report)).toBe("nnnn");
    expect(report.reachable).toBe(true);
    expect(codes(report)).toEqual(["ERR_ENVELOPE_KMS_KEY_NOT_FOUND"]);
  });

  it("is for something else", async () => {
    const { server, client } = await testServer();
    const key = server.createKey({ purpose: "MAC" });
    const report = await doctor({ client, key });
    expect(may(report)).toBe("nnnn");
    expect(report.problems[0]?.message).toBe(
      "the key is not for symmetric encryption; make one with that purpose",
    );
  });

  it("has no primary version", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail({ kind: "alter", alter: (answer) => ({ ...answer, primary: null }) }, [
      "GetCryptoKey",
    ]);
    const report = await doctor({ client, key });
    expect(report.problems.map(({ message }) => message)).toEqual([
      "the key has no primary version; make one of its versions primary",
    ]);
  });

  it("may be described in numbers", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    const primary = { name: `${key}/cryptoKeyVersions/1`, state: 1 };
    const described = fakeClient({
      encrypt: (request, options) => client.encrypt(request, options),
      decrypt: (request, options) => client.decrypt(request, options),
      getCryptoKey: async () => [{ name: key, purpose: 1, primary }],
    });
    expect((await doctor({ client: described, key })).problems).toEqual([]);
  });

  it("answers with other bytes than were wrapped", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail(gcpKmsFaults.shortPlaintext);
    const report = await doctor({ client, key });
    expect(may(report)).toBe("yynn");
    expect(codes(report)).toEqual(["ERR_ENVELOPE_KMS_REJECTED"]);
  });
});

describe("no answer", () => {
  it("is one problem, and nothing more is asked", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    await server.close();
    expect(await doctor({ client, key, maxAttempts: 1 })).toEqual({
      provider: "gcp-kms",
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
            "GetCryptoKey: UNAVAILABLE (ECONNREFUSED); check the endpoint and the network, or try again",
        },
      ],
    });
  });

  it.each(["DEADLINE_EXCEEDED", "UNAVAILABLE"] as const)("but %s is one too", async (status) => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail({ kind: "status", status, message: "x" });
    const report = await doctor({ client, key, maxAttempts: 1 });
    expect(report).toMatchObject({ reachable: false, latencyMs: undefined });
    expect(checks(report)).toBe("reach");
  });

  it("to one question and a refusal of another: the refusal decides about rewraps", async () => {
    const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    const failing = (code: number) => async () => {
      throw Object.assign(new Error("x"), { code });
    };
    const getCryptoKey = failing(7);
    const [denied, throttled] = [failing(7), failing(8)];
    for (const [encrypt, decrypt, expected] of [
      [denied, throttled, "nn?n"],
      [throttled, denied, "??nn"],
    ] as const) {
      const client = fakeClient({ encrypt, decrypt, getCryptoKey });
      const report = await doctor({ client, key });
      expect(may(report)).toBe(expected);
      expect(report.problems.at(-1)).toMatchObject({
        check: "rewrap",
        code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      });
    }
  });

  it("that does not arrive before the deadline is the same failure", async () => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail(gcpKmsFaults.stall);
    const report = await doctor({ client, key, timeout: 200 });
    expect(report.reachable).toBe(false);
    expect(report.problems).toEqual([
      {
        check: "reach",
        code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
        message: "GetCryptoKey: TimeoutError; no answer within 200 ms",
      },
    ]);
    // None where the machine was too busy to send one in time.
    expect(server.calls.length).toBeLessThanOrEqual(1);
  });

  it.each([
    ["Encrypt", "??y?", "generate wrap rewrap"],
    ["Decrypt", "yy??", "unwrap rewrap"],
  ])("to %s leaves that open", async (method, expected, of) => {
    const { server, client } = await testServer();
    const key = server.createKey();
    server.fail(gcpKmsFaults.throttled, [method]);
    const report = await doctor({ client, key });
    expect(may(report)).toBe(expected);
    expect(checks(report)).toBe(of);
    expect(codes(report)).toEqual(["ERR_ENVELOPE_KMS_THROTTLED"]);
  });
});

it("ends with the caller's signal", async () => {
  const { server, client } = await testServer();
  const key = server.createKey();
  const reason = new Error("the caller has left");
  for (const method of ["GetCryptoKey", "Encrypt", "Decrypt"]) {
    server.fail(gcpKmsFaults.stall, [method]);
    const controller = new AbortController();
    server.calls.length = 0;
    const call = rejection(doctor({ client, key }, { signal: controller.signal }));
    while (!server.calls.some((one) => one.method === method)) await server.nextCall();
    controller.abort(reason);
    expect(await call).toBe(reason);
  }
});

it("refuses an invalid context before it calls the KMS", async () => {
  const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  const context = { "env:format": "2" };
  const error = await rejection(doctor({ client: fakeClient({}), key }, { context }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_INVALID_CONTEXT" });
});

it("shows no secret, whatever is answered", async () => {
  const { server, client } = await testServer();
  const key = server.createKey();
  server.fail({ kind: "status", status: "PERMISSION_DENIED", message: "SECRET" });
  const report = await doctor({ client, key }, { context: { tenant: "SECRET" } });
  expect(inspect(report, { showHidden: true, depth: 10 })).not.toContain("SECRET");
});

it("refuses an option that is misspelt before it asks", async () => {
  const misspelt = { contxt: {} } as object;
  expect(
    await rejection(
      doctor(
        { client: fakeClient({}), key: "projects/p/locations/l/keyRings/r/cryptoKeys/k" },
        misspelt,
      ),
    ),
  ).toEqual(new TypeError('unknown option "contxt"'));
});
