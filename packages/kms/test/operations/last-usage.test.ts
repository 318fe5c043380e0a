import { expect, it, onTestFinished } from "vitest";
import { openKeystore } from "../../src/index.ts";
import { bytes, keyOf } from "../support/kinds.ts";
import {
  allow,
  auditRecords,
  newKey,
  newUser,
  refusal,
  tempKeystore,
} from "../support/keystore.ts";

const Plaintext = bytes(8);

it("tells the last use at once, with the event in the audit log", async () => {
  const { keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  const { KeyMetadata } = await client.describeKey({ KeyId });
  const unused = {
    KeyId: KeyMetadata.Arn,
    KeyLastUsage: {},
    TrackingStartDate: KeyMetadata.CreationDate,
    KeyCreationDate: KeyMetadata.CreationDate,
  };
  expect(await client.getKeyLastUsage({ KeyId })).toEqual(unused);
  await client.encrypt({ KeyId, Plaintext });
  await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  const used = (await auditRecords(keystore)).at(-1);
  await client.describeKey({ KeyId });
  expect(await client.getKeyLastUsage({ KeyId })).toEqual({
    ...unused,
    KeyLastUsage: {
      Operation: "GenerateDataKey",
      Timestamp: new Date(used?.eventTime ?? ""),
      CloudTrailEventId: used?.eventID,
    },
  });
});

it("counts neither refused calls nor dry runs, nor the public key of a signing key", async () => {
  const { keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  const signer = await keyOf(client, "ECC_NIST_P256", "SIGN_VERIFY");
  const user = await newUser(keystore, "alice", allow("kms:DescribeKey"));
  expect(await refusal(user.encrypt({ KeyId, Plaintext }))).toMatch(/^AccessDeniedException/);
  expect(await refusal(client.encrypt({ KeyId, Plaintext, DryRun: true }))).toMatch(/^DryRun/);
  await client.getPublicKey({ KeyId: signer });
  for (const key of [KeyId, signer]) {
    expect(await client.getKeyLastUsage({ KeyId: key })).toHaveProperty("KeyLastUsage", {});
  }
});

it("counts a call for the key behind an alias, and for both keys of ReEncrypt", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client, "alias/app");
  const other = await newKey(client);
  const { CiphertextBlob } = await client.encrypt({ KeyId: "alias/app", Plaintext });
  const last = async (key: string): Promise<unknown> =>
    (await client.getKeyLastUsage({ KeyId: key })).KeyLastUsage.Operation;
  expect([await last(KeyId), await last(other)]).toEqual(["Encrypt", undefined]);
  await client.reEncrypt({ CiphertextBlob, DestinationKeyId: other });
  expect([await last(KeyId), await last(other)]).toEqual(["ReEncrypt", "ReEncrypt"]);
});

it("survives retention and a restart, and is kept where the log writes in batches", async () => {
  const audit = { durability: { maxDelayMs: 60_000, maxEvents: 100 } };
  const { keystore, client, path, root } = await tempKeystore({ audit });
  const KeyId = await newKey(client);
  for (let i = 0; i < 5; i++) await client.encrypt({ KeyId, Plaintext });
  await keystore.audit.flush();
  const before = await client.getKeyLastUsage({ KeyId });
  expect(before.KeyLastUsage.Operation).toBe("Encrypt");
  await keystore.audit.flush();
  const { removed } = await keystore.audit.applyRetention({ maxRecords: 1 });
  expect(removed).toBeGreaterThan(5);
  keystore.close();
  const again = await openKeystore(path, { root });
  onTestFinished(() => again.close());
  expect(await again.as().getKeyLastUsage({ KeyId })).toEqual(before);
  expect(await again.verify()).toEqual([]);
});
