import { onTestFinished, expect, it } from "vitest";
import {
  awsError,
  sdkClient,
  startAwsKmsServer,
  type AwsKmsFault,
  type AwsKmsServer,
} from "../../src/aws-kms/index.ts";

async function started(): Promise<{ server: AwsKmsServer; client: ReturnType<typeof sdkClient> }> {
  const server = await startAwsKmsServer();
  const client = sdkClient(server.url);
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  return { server, client };
}

it("answers the SDK with what the keystore answers, bytes and dates included", async () => {
  const { server, client } = await started();
  const KeyId = await server.newKey("alias/app");
  const EncryptionContext = { tenant: "acme" };
  const made = await client.generateDataKey({
    KeyId: "alias/app",
    KeySpec: "AES_256",
    EncryptionContext,
  });
  expect(made).toMatchObject({ KeyId, Plaintext: expect.any(Uint8Array) });
  const opened = await client.decrypt({ CiphertextBlob: made.CiphertextBlob, EncryptionContext });
  expect(opened).toMatchObject({ KeyId, Plaintext: made.Plaintext });
  const { KeyMetadata } = await client.describeKey({ KeyId });
  const { KeyMetadata: known } = await server.root.describeKey({ KeyId });
  expect(KeyMetadata?.CreationDate).toEqual(known.CreationDate);
  expect(server.requests.map(({ operation }) => operation)).toEqual([
    "GenerateDataKey",
    "Decrypt",
    "DescribeKey",
  ]);
});

it("refuses as the keystore refuses", async () => {
  const { client } = await started();
  await expect(client.describeKey({ KeyId: "alias/none" })).rejects.toMatchObject({
    name: "NotFoundException",
    $metadata: { httpStatusCode: 400 },
  });
});

it.each<[string, AwsKmsFault, object]>([
  [
    "an error of its own",
    awsError("ThrottlingException", "slow down", 429),
    { name: "ThrottlingException", message: "slow down", $metadata: { httpStatusCode: 429 } },
  ],
  ["a broken connection", { kind: "reset" }, { code: "ECONNRESET" }],
  ["an answer that is altered", { kind: "alter", alter: () => ({}) }, {}],
])("fails the operations in question with %s, until told otherwise", async (_, fault, expected) => {
  const { server, client } = await started();
  const KeyId = await server.newKey();
  server.fail(fault, ["DescribeKey"]);
  const outcome: unknown = await client
    .describeKey({ KeyId })
    .then(({ KeyMetadata }) => ({ KeyMetadata }))
    .catch((error: unknown) => error);
  expect(outcome).toMatchObject(expected);
  expect(outcome).not.toHaveProperty("KeyMetadata.KeyId");
  await expect(client.listAliases({ KeyId })).resolves.toMatchObject({ Aliases: [] });
  server.fail(undefined);
  await expect(client.describeKey({ KeyId })).resolves.toHaveProperty("KeyMetadata.Arn", KeyId);
});

it("leaves a stalled request without an answer, and says when the client has gone", async () => {
  const { server, client } = await started();
  server.fail({ kind: "stall", midBody: true });
  const aborter = new AbortController();
  const arrived = server.nextRequest();
  const call = client.listKeys({}, { abortSignal: aborter.signal });
  call.catch(() => undefined);
  await arrived;
  expect(server.connections()).toBe(1);
  aborter.abort();
  await server.disconnected();
  expect(server.connections()).toBe(0);
  await expect(call).rejects.toMatchObject({ name: "AbortError" });
});
