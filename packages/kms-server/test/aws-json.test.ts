import { expect, it } from "vitest";
import { post, startedServer } from "./support/server.ts";

async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  return { status: response.status, body: text === "" ? "" : (JSON.parse(text) as unknown) };
}

it("answers with the headers of AWS", async () => {
  const { url } = await startedServer();
  const response = await post(url, "ListKeys", {});
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/x-amz-json-1.1",
    "x-amzn-requestid": expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    "content-length": "29",
    date: expect.stringMatching(/ GMT$/),
  });
  expect(await response.json()).toEqual({ Keys: [], Truncated: false });
});

it("writes times in seconds with milliseconds, bytes in base64, and nothing for an operation without a result", async () => {
  const { url, owner } = await startedServer();
  const { KeyMetadata } = await owner.createKey();
  const { KeyId } = KeyMetadata;
  const described = await post(url, "DescribeKey", { KeyId });
  expect(await described.json()).toMatchObject({
    KeyMetadata: { CreationDate: KeyMetadata.CreationDate.getTime() / 1000, Enabled: true },
  });
  const encrypted = await post(url, "Encrypt", { KeyId, Plaintext: "aGVsbG8=" });
  const { CiphertextBlob } = (await encrypted.json()) as { CiphertextBlob: string };
  const opened = await post(url, "Decrypt", { CiphertextBlob });
  expect(await opened.json()).toMatchObject({ Plaintext: "aGVsbG8=" });
  expect(await answer(await post(url, "DisableKey", { KeyId }))).toEqual({ status: 200, body: "" });
});

it("reads times in seconds", async () => {
  const { url, owner, keystore } = await startedServer();
  const { KeyMetadata } = await owner.createKey({ Origin: "EXTERNAL" });
  const request = {
    KeyId: KeyMetadata.KeyId,
    ImportToken: "AAAA",
    EncryptedKeyMaterial: "AAAA",
    ValidTo: 1893456000.5,
  };
  expect(await answer(await post(url, "ImportKeyMaterial", request))).toMatchObject({
    body: { __type: "ValidationException" },
  });
  const { entries } = await keystore.audit.page({ limit: 1, first: "newest" });
  expect(entries[0]?.record.requestParameters).toMatchObject({
    validTo: "2030-01-01T00:00:00.500Z",
  });
});

it.each([
  ["text that is not JSON", "{"],
  ["bytes that are not UTF-8", '{"KeyId":"\xff"}', true],
  ["a list", "[]"],
  ["null", "null"],
  ["a byte order mark", "\ufeff{}"],
])("cannot read %s", async (_, body, latin = false) => {
  const { url } = await startedServer();
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "TrentService.DescribeKey",
    },
    body: Buffer.from(body, latin ? "latin1" : "utf8"),
  });
  expect(await answer(response)).toEqual({
    status: 400,
    body: { __type: "SerializationException" },
  });
});

it.each([
  ["Plaintext", "aGVsbG8", "Plaintext is not valid base64"],
  ["Plaintext", "aGVs bG8=", "Plaintext is not valid base64"],
  ["Plaintext", "aGVsbG8_", "Plaintext is not valid base64"],
])("refuses the value of %s: %j", async (name, value, message) => {
  const { url } = await startedServer();
  expect(await answer(await post(url, "Encrypt", { KeyId: "x", [name]: value }))).toEqual({
    status: 400,
    body: { __type: "SerializationException", Message: message },
  });
});

const list = "Start of list found where not expected";
const structure = "Start of structure or map found where not expected.";

it.each([
  ["Encrypt", { KeyId: 5 }, "NUMBER_VALUE can not be converted to a String"],
  ["Encrypt", { KeyId: true }, "TRUE_VALUE can not be converted to a String"],
  ["Encrypt", { KeyId: [] }, list],
  ["Encrypt", { KeyId: {} }, structure],
  ["Encrypt", { Plaintext: 5 }, "NUMBER_VALUE can not be converted to a Blob"],
  ["Encrypt", { DryRun: "true" }, "STRING_VALUE can not be converted to a Boolean"],
  ["Encrypt", { GrantTokens: "token" }, "Expected list or null"],
  ["Encrypt", { GrantTokens: {} }, structure],
  ["Encrypt", { GrantTokens: ["a", 5] }, "NUMBER_VALUE can not be converted to a String"],
  ["Encrypt", { EncryptionContext: "a" }, "Expected map or null"],
  ["Encrypt", { EncryptionContext: [] }, list],
  ["Encrypt", { EncryptionContext: { a: {} } }, structure],
  ["Encrypt", { EncryptionContext: { a: false } }, "FALSE_VALUE can not be converted to a String"],
  ["ListKeys", { Limit: "5" }, "STRING_VALUE can not be converted to an Integer"],
  ["CreateKey", { Tags: [5] }, "Expected null"],
  ["CreateKey", { Tags: [{ TagKey: 5 }] }, "NUMBER_VALUE can not be converted to a String"],
  ["CreateGrant", { Constraints: [] }, list],
  ["CreateGrant", { Constraints: { EncryptionContextSubset: 1 } }, "Expected map or null"],
  ["ImportKeyMaterial", { ValidTo: "soon" }, "STRING_VALUE can not be converted to a Timestamp"],
  ["ImportKeyMaterial", { ValidTo: 1e300 }, "ValidTo is not a time that there is"],
])("refuses the JSON types of %s %j", async (operation, request, message) => {
  const { url } = await startedServer();
  expect(await answer(await post(url, operation, request))).toEqual({
    status: 400,
    body: { __type: "SerializationException", Message: message },
  });
});

it("leaves to the operation what has the right type, however deep it is nested", async () => {
  const { url } = await startedServer();
  const deep = `{"KeyId":"x","Operations":[null],"Constraints":${'{"Constraints":'.repeat(3000)}null${"}".repeat(3000)}}`;
  expect(await answer(await post(url, "CreateGrant", deep))).toMatchObject({
    body: { __type: "ValidationException" },
  });
});

it("ignores members that AWS's request does not have, and takes null for nothing", async () => {
  const { url } = await startedServer();
  const body = { Limit: null, Nonsense: { deep: [1] }, constructor: 1 };
  expect(await answer(await post(url, "ListKeys", body))).toMatchObject({ status: 200 });
  expect(await answer(await post(url, "ListKeys", ""))).toMatchObject({ status: 200 });
});

it("refuses members that AWS has and this KMS does not support", async () => {
  const { url } = await startedServer();
  expect(await answer(await post(url, "CreateKey", { XksKeyId: "x" }))).toMatchObject({
    status: 400,
    body: { __type: "UnsupportedOperationException" },
  });
});

it("says what is wrong with a request in AWS's words", async () => {
  const { url } = await startedServer();
  expect(await answer(await post(url, "DescribeKey", {}))).toEqual({
    status: 400,
    body: {
      __type: "ValidationException",
      message:
        "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
    },
  });
});

it("writes the message of a denied access with a capital letter, and none where AWS has none", async () => {
  const { url, owner } = await startedServer();
  const { KeyMetadata } = await owner.createKey();
  const { KeyId } = KeyMetadata;
  const { CiphertextBlob } = await owner.encrypt({ KeyId, Plaintext: Buffer.from("x") });
  const blob = Buffer.from(CiphertextBlob);
  blob[blob.length - 1] = (blob[blob.length - 1] ?? 0) ^ 1;
  const altered = { CiphertextBlob: blob.toString("base64") };
  expect(await answer(await post(url, "Decrypt", altered))).toEqual({
    status: 400,
    body: { __type: "InvalidCiphertextException" },
  });
  await owner.putKeyPolicy({
    KeyId,
    BypassPolicyLockoutSafetyCheck: true,
    Policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:GetKeyPolicy", Resource: "*" },
      ],
    }),
  });
  expect(await answer(await post(url, "DescribeKey", { KeyId }))).toMatchObject({
    status: 400,
    body: { __type: "AccessDeniedException", Message: expect.stringContaining("kms:DescribeKey") },
  });
});

it.each([
  "TrentService.Nonsense",
  "TrentService.constructor",
  "DynamoDB.Encrypt",
  "",
  "TrentService.encrypt",
])("does not know the operation %j", async (target) => {
  const { url } = await startedServer();
  expect(await answer(await post(url, "", {}, { "x-amz-target": target }))).toEqual({
    status: 400,
    body: { __type: "UnknownOperationException" },
  });
});

it("knows no protocol of another content type or method", async () => {
  const { url } = await startedServer();
  const unknown = { status: 404, body: { __type: "UnknownOperationException" } };
  const typed = await post(url, "ListKeys", {}, { "content-type": "text/plain" });
  expect(await answer(typed)).toEqual(unknown);
  for (const method of ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await fetch(url, { method });
    expect(await answer(response), method).toEqual(unknown);
    expect(
      [...response.headers.keys()].filter((name) => name.startsWith("access-control")),
    ).toEqual([]);
  }
});

it("answers a fault of its own with a request id, and keeps what it was to itself", async () => {
  const faults: unknown[] = [];
  const { url, keystore } = await startedServer({ log: ({ fault }) => faults.push(fault) });
  keystore.close();
  const response = await post(url, "ListKeys", {});
  expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/);
  expect(await answer(response)).toEqual({ status: 500, body: { __type: "KMSInternalException" } });
  expect(faults).toEqual([expect.stringMatching(/: the keystore is closed/)]);
});

it("gives back a context as it came, whatever its keys are called", async () => {
  const { url, owner } = await startedServer();
  const { KeyMetadata } = await owner.createKey();
  const context = '{"__proto__":"x","constructor":"y","app":"orders"}';
  const grant = `{"KeyId":"${KeyMetadata.Arn}","GranteePrincipal":"arn:aws:iam::000000000000:root","Operations":["Decrypt"],"Constraints":{"EncryptionContextEquals":${context}}}`;
  expect((await post(url, "CreateGrant", grant)).status).toBe(200);
  const listed = await (await post(url, "ListGrants", { KeyId: KeyMetadata.Arn })).text();
  expect(listed).toContain('"__proto__":"x"');
  const sealed = `{"KeyId":"${KeyMetadata.Arn}","Plaintext":"aGVsbG8=","EncryptionContext":${context}}`;
  const { CiphertextBlob } = (await (await post(url, "Encrypt", sealed)).json()) as {
    CiphertextBlob: string;
  };
  const opened = await post(
    url,
    "Decrypt",
    `{"CiphertextBlob":"${CiphertextBlob}","EncryptionContext":${context}}`,
  );
  expect(opened.status).toBe(200);
});
