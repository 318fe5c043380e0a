import { DatabaseSync } from "node:sqlite";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openKeystore, type KmsClient } from "../../src/index.ts";
import { implementations } from "../../src/operations/implementations.ts";
import { knownKeystore } from "../support/calls.ts";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  NOWHERE,
  onFiles,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";
import { bytes } from "../support/kinds.ts";

const EVE = "arn:aws:iam::000000000000:user/eve";

const names = Object.keys(implementations);

/** All that a call could have changed: the records of the keys, with their tags, grants and policies, and the aliases. */
function stateOf(path: string): unknown {
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = ["cmk", "alias"].map((table) => db.prepare(`SELECT * FROM ${table}`).all());
  db.close();
  return rows;
}

const eventName = (method: string): string => method.charAt(0).toUpperCase() + method.slice(1);

it("knows every operation of the client: the table of calls has them all", async () => {
  const { calls } = await knownKeystore();
  expect(Object.keys(calls).toSorted()).toEqual(names.toSorted());
  expect(names.length).toBeGreaterThan(44);
});

it.each(names)("%s asks for what it should, and is recorded with the answers", async (name) => {
  const { keystore, calls } = await knownKeystore();
  const { call, asks, refused } = calls[name] ?? never();
  const user = await newUser(keystore, "alice", allow("kms:*"));
  if (refused === undefined) await call(user);
  else expect((await rejection(call(user))).name).toBe(refused);
  const records = await auditRecords(keystore);
  const record = records.find(({ userIdentity }) => userIdentity.arn === user.principal);
  const first = record?.resources[0]?.ARN;
  expect(record).toMatchObject({ eventName: eventName(name) });
  expect(record?.errorCode).toBe(refused);
  const asked = record?.additionalEventData.decisions.map((one) => [
    one.action,
    one.resource ?? first,
    one.allowed,
  ]);
  expect(asked).toEqual(
    asks.map(([action, resource]) => [`kms:${action}`, anyKey(resource), true]),
  );
});

/** A text without what a pattern matches, and the pattern's group. */
function splitAt(text: string, pattern: RegExp): [rest: string, group: string | undefined] {
  return [text.replace(pattern, " "), pattern.exec(text)?.[1]];
}

/** The resource; where it is a pattern for keys, any key. */
function anyKey(resource: string): unknown {
  return resource.endsWith(":key/*")
    ? expect.stringMatching(/^arn:aws:kms:local:000000000000:key\/[0-9a-f-]{36}$/)
    : resource;
}

it.each(names)(
  "%s is stopped by each no, nothing has happened, and that is recorded",
  async (name) => {
    const { path, keystore, calls } = await knownKeystore();
    const { call, asks } = calls[name] ?? never();
    const before = stateOf(path);
    for (const [i, [action, resource]] of asks.entries()) {
      const user = await newUser(keystore, `user-${i}`, allow("kms:*"), {
        Effect: "Deny",
        Action: `kms:${action}`,
        Resource: resource,
      });
      const [text, on = resource] = splitAt(await refusal(call(user)), / on resource: (\S+) /);
      expect(on).toEqual(anyKey(resource));
      expect(text).toBe(
        `AccessDeniedException: User: ${user.principal} is not authorized to perform: kms:${action} with an explicit deny in an identity-based policy`,
      );
      const records = await auditRecords(keystore);
      const record = records.find(({ userIdentity }) => userIdentity.arn === user.principal);
      expect(record).toMatchObject({
        eventName: eventName(name),
        errorCode: "AccessDeniedException",
        responseElements: null,
      });
      const { decisions = [] } = record?.additionalEventData ?? {};
      expect(decisions.at(-1)).toMatchObject({ allowed: false, because: "explicit-deny" });
    }
    expect(stateOf(path)).toEqual(before);
  },
);

it.each(names)("%s refuses a member that it does not know", async (name) => {
  const { client } = await tempKeystore();
  const method = Reflect.get(client, name) as (request: object) => Promise<unknown>;
  expect(await refusal(method.call(client, { Recipient: {} }))).toBe(
    "UnsupportedOperationException: Recipient is not supported by this KMS",
  );
  await expect(method.call(client, null as never)).rejects.toThrow(TypeError);
});

describe("the order of checks", () => {
  it("looks at the shape before the key, at the key before permission", async () => {
    const { keystore } = await tempKeystore();
    const eve = keystore.as(EVE);
    const call = (KeyId: string, length: number): Promise<string> =>
      refusal(eve.generateDataKey({ KeyId, NumberOfBytes: length }));
    expect(await call(NOWHERE, 0)).toMatch(/^ValidationException/);
    expect(await call(NOWHERE, 1)).toMatch(/^NotFoundException/);
  });

  it("looks at permission before the state, for nobody may learn the state who may not ask", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await client.scheduleKeyDeletion({ KeyId });
    const request = { KeyId, KeySpec: "AES_256" };
    expect(await refusal(keystore.as(EVE).generateDataKey(request))).toMatch(
      /^AccessDeniedException/,
    );
    expect(await refusal(client.generateDataKey(request))).toMatch(/^KMSInvalidStateException/);
  });

  it("looks at the state before the use, and at the use before the rest", async () => {
    const { client } = await tempKeystore();
    const made = await client.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
    const { KeyId } = made.KeyMetadata;
    const encrypt = (): Promise<string> =>
      refusal(
        client.encrypt({ KeyId, Plaintext: bytes(1), EncryptionAlgorithm: "RSAES_OAEP_SHA_1" }),
      );
    expect(await encrypt()).toBe(
      `InvalidKeyUsageException: ${arn(KeyId)} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.`,
    );
    await client.disableKey({ KeyId });
    expect(await encrypt()).toBe(`DisabledException: ${arn(KeyId)} is disabled.`);
  });

  it("resolves all names before it asks about any", async () => {
    const { keystore, client } = await tempKeystore();
    const { CiphertextBlob } = await client.encrypt({
      KeyId: await newKey(client),
      Plaintext: bytes(1),
    });
    const call = keystore.as(EVE).reEncrypt({ CiphertextBlob, DestinationKeyId: NOWHERE });
    expect((await rejection(call)).name).toBe("NotFoundException");
  });
});

/** Operations that AWS lets one try. */
const dry = [
  "createGrant",
  "decapsulate",
  "decrypt",
  "deriveSharedSecret",
  "encapsulate",
  "encrypt",
  "generateDataKey",
  "generateDataKeyPair",
  "generateDataKeyPairWithoutPlaintext",
  "generateDataKeyWithoutPlaintext",
  "generateMac",
  "reEncrypt",
  "retireGrant",
  "revokeGrant",
  "sign",
  "verify",
  "verifyMac",
];

describe("a dry run", () => {
  it.each(dry)("of %s says that it would succeed, and changes nothing", async (name) => {
    const { path, keystore, calls } = await knownKeystore();
    const { call } = calls[name] ?? never();
    const before = stateOf(path);
    expect(await refusal(call(dryly(keystore.as())))).toBe(
      "DryRunOperationException: The request would have succeeded, but the DryRun option is set.",
    );
    expect((await rejection(call(dryly(keystore.as(EVE))))).name).toBe("AccessDeniedException");
    expect(stateOf(path)).toEqual(before);
    await call(keystore.as());
  });

  it("is there for no other operation", async () => {
    const { keystore, calls } = await knownKeystore();
    for (const name of names.filter((one) => !dry.includes(one))) {
      expect(await refusal((calls[name] ?? never()).call(dryly(keystore.as())))).toBe(
        "UnsupportedOperationException: DryRun is not supported by this KMS",
      );
    }
  });

  it("is recorded as one", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await rejection(client.generateDataKey({ KeyId, KeySpec: "AES_256", DryRun: true }));
    expect((await auditRecords(keystore)).at(-1)).toMatchObject({
      eventName: "GenerateDataKey",
      errorCode: "DryRunOperationException",
      additionalEventData: { dryRun: true },
    });
  });
});

describe("the audit log", () => {
  it("has what a call was made of, and no bytes", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    const EncryptionContext = { tenant: "acme" };
    const { CiphertextBlob } = await client.encrypt({
      KeyId: "alias/app",
      Plaintext: Buffer.from("needle"),
      EncryptionContext,
    });
    const { Plaintext } = await client.decrypt({ KeyId, CiphertextBlob, EncryptionContext });
    expect(Buffer.from(Plaintext).toString()).toBe("needle");
    const records = await auditRecords(keystore);
    expect(records.at(-2)).toMatchObject({
      eventName: "Encrypt",
      readOnly: true,
      userIdentity: { type: "Root", arn: ROOT },
      requestParameters: { keyId: "alias/app", encryptionContext: EncryptionContext },
      responseElements: null,
      resources: [{ ARN: arn(KeyId) }],
    });
    expect(records.at(-1)?.additionalEventData).toHaveProperty("keyMaterialId");
    const text = JSON.stringify(records);
    expect(text).not.toContain(Buffer.from("needle").toString("base64"));
    expect(text).not.toContain(Buffer.from(CiphertextBlob).toString("base64"));
  });

  it("receives no bytes of the request", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const append = vi.spyOn(keystore.audit, "append");
    await client.encrypt({ KeyId, Plaintext: bytes(1) });
    expect(append.mock.lastCall?.[0].parameters).toEqual({ KeyId });
  });

  it("has the request as it was made, whatever the caller does to it afterwards", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const EncryptionContext = { tenant: "acme" };
    const request = { KeyId, KeySpec: "AES_256", EncryptionContext };
    const call = client.generateDataKey(request);
    request.KeyId = NOWHERE;
    EncryptionContext.tenant = "other";
    await call;
    expect((await auditRecords(keystore)).at(-1)?.requestParameters).toEqual({
      keyId: KeyId,
      keySpec: "AES_256",
      encryptionContext: { tenant: "acme" },
    });
  });

  it("has calls that were refused for their shape, their key or their state", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await rejection(client.generateDataKey({ KeyId }));
    await rejection(client.generateDataKey({ KeyId: NOWHERE, KeySpec: "AES_256" }));
    await rejection(client.cancelKeyDeletion({ KeyId }));
    expect((await auditRecords(keystore)).slice(1).map(({ errorCode }) => errorCode)).toEqual([
      "ValidationException",
      "NotFoundException",
      "KMSInvalidStateException",
    ]);
  });

  it.runIf(onFiles)("refuses the call, and the change, when it cannot be written", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const failure = Object.assign(new Error("full"), { code: "ERR_ENVELOPE_KEYSTORE_IO" });
    const append = vi.spyOn(keystore.audit, "append").mockImplementation(() => {
      throw failure;
    });
    await expect(client.disableKey({ KeyId })).rejects.toBe(failure);
    await expect(client.generateDataKey({ KeyId, KeySpec: "AES_256" })).rejects.toBe(failure);
    append.mockReturnValue(Promise.reject(failure));
    await expect(client.generateDataKey({ KeyId, KeySpec: "AES_256" })).rejects.toBe(failure);
    vi.restoreAllMocks();
    expect((await client.describeKey({ KeyId })).KeyMetadata.KeyState).toBe("Enabled");
  });

  it("has the key that a call made, so that its records can be found from the first on", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    expect((await auditRecords(keystore)).at(-1)).toMatchObject({
      eventName: "CreateKey",
      resources: [{ ARN: arn(KeyId) }],
      additionalEventData: { decisions: [{ action: "kms:CreateKey", resource: "*" }] },
    });
  });

  it.runIf(onFiles)("has the call that found an altered record, by the file's code", async () => {
    const { path, keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const db = new DatabaseSync(path);
    db.exec("UPDATE cmk SET deletion = 5");
    db.close();
    const code = "ERR_ENVELOPE_KEYSTORE_FORMAT";
    await expect(client.describeKey({ KeyId })).rejects.toMatchObject({ code });
    expect((await auditRecords(keystore)).at(-1)).toMatchObject({
      eventName: "DescribeKey",
      errorCode: code,
      resources: [],
    });
  });

  it.runIf(onFiles)(
    "is not asked for twice the patience while another process holds the file",
    async () => {
      const { path, keystore, client } = await tempKeystore({ busyTimeout: 20 });
      const KeyId = await newKey(client);
      const append = vi.spyOn(keystore.audit, "append");
      const db = new DatabaseSync(path);
      db.exec("BEGIN IMMEDIATE");
      const code = "ERR_ENVELOPE_KEYSTORE_BUSY";
      await expect(client.disableKey({ KeyId })).rejects.toMatchObject({ code });
      expect(append).not.toHaveBeenCalled();
      db.close();
    },
  );

  it("wipes the answer that it could not record", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    let answer: Readonly<Record<string, unknown>> | undefined;
    vi.spyOn(keystore.audit, "append").mockImplementation(({ response }) => {
      answer = response;
      throw new Error("full");
    });
    await rejection(client.generateDataKey({ KeyId, KeySpec: "AES_256" }));
    vi.restoreAllMocks();
    expect(answer?.["Plaintext"]).toEqual(new Uint8Array(32));
  });

  it("is verified as whole after calls of every kind", async () => {
    const { path, keystore, client, root } = await tempKeystore();
    const KeyId = await newKey(client);
    await rejection(keystore.as(EVE).disableKey({ KeyId }));
    await client.disableKey({ KeyId });
    keystore.close();
    const again = await openKeystore(path, { root });
    onTestFinished(() => again.close());
    expect((await auditRecords(again)).map(({ eventName: event }) => event)).toEqual([
      "CreateKey",
      "DisableKey",
      "DisableKey",
    ]);
  });
});

/** The same client, whose calls are all dry runs. */
function dryly(client: KmsClient): KmsClient {
  return new Proxy(client, {
    get: (target, name) => (request: object) =>
      (Reflect.get(target, name) as (request: object) => unknown).call(target, {
        ...request,
        DryRun: true,
      }),
  });
}

function never(): never {
  throw new Error("no such call");
}
