import { afterEach, expect, it, vi } from "vitest";
import { keyMaterialId } from "../../src/keys/key.ts";
import { carryOutDue, isDue } from "../../src/keys/lifecycle.ts";
import { bytes } from "../support/kinds.ts";
import { arn, auditRecords, newKey, refusal, tempKeystore } from "../support/keystore.ts";
import { keyRecord, tempStore } from "../support/store.ts";
import { importInto } from "../support/wrapping.ts";

afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;
const START = 1_700_000_000_000;

it("destroys imported material once its date has certainly passed, and until then only refuses", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  const { keystore, client } = await tempKeystore();
  const { KeyMetadata } = await client.createKey({ Origin: "EXTERNAL" });
  const { KeyId } = KeyMetadata;
  await importInto(client, KeyId, bytes(32), {
    ExpirationModel: "KEY_MATERIAL_EXPIRES",
    ValidTo: new Date(START + DAY_MS),
  });
  const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext: bytes(1) });
  const deleted = async (): Promise<number> =>
    (await auditRecords(keystore)).filter(
      ({ eventName }) => eventName === "DeleteExpiredKeyMaterial",
    ).length;
  vi.setSystemTime(START + DAY_MS);
  expect(await refusal(client.decrypt({ CiphertextBlob }))).toBe(
    `KMSInvalidStateException: ${arn(KeyId)} is pending import.`,
  );
  expect(await deleted()).toBe(0);
  // Changes of the file let its clock settle: another key's will do.
  for (let day = 2; day < 5; day++) {
    vi.setSystemTime(START + day * DAY_MS);
    await newKey(client);
  }
  expect(await refusal(client.encrypt({ KeyId, Plaintext: bytes(1) }))).toBe(
    `KMSInvalidStateException: ${arn(KeyId)} is pending import.`,
  );
  expect(await deleted()).toBe(0);
  await client.describeKey({ KeyId });
  expect(await deleted()).toBe(1);
  await client.describeKey({ KeyId });
  expect(await deleted()).toBe(1);
  await importInto(client, KeyId, bytes(32));
  expect((await client.decrypt({ CiphertextBlob })).Plaintext).toEqual(bytes(1));
});

it("has nothing to do for material that has expired but may yet turn out not to have", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  const { store } = await tempStore();
  const imported = { fingerprint: "f", expires: START, description: undefined };
  const [version] = keyRecord().versions;
  if (version === undefined) throw new Error("no version");
  const record = keyRecord({ origin: "EXTERNAL", versions: [{ ...version, imported }] });
  expect(await store.read(() => isDue(record, store))).toBe(false);
  const settled = { keys: store.keys, now: () => START, settled: () => START };
  expect(isDue(record, settled)).toBe(true);
  expect(isDue({ ...record, origin: "AWS_KMS" }, settled)).toBe(false);
});

it("applies what is due to the key's current state, not to the state it was found in", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  const { store } = await tempStore();
  const record = keyRecord({ rotation: { periodInDays: 90, next: START } });
  await store.write(() => store.keys.insert(record));
  await store.write(() => {
    expect(isDue(record, store)).toBe(true);
    const first = carryOutDue(record, store);
    expect(first.record.versions).toHaveLength(2);
    expect(first.record.rotation).toEqual({ periodInDays: 90, next: START + 90 * DAY_MS });
    const id = keyMaterialId(record.keyId, 2);
    expect(first.done).toEqual([{ operation: "RotateKey", key: first.record, keyMaterialId: id }]);
    const again = carryOutDue(record, store);
    expect(again.record).toBe(store.keys.get("local", record.keyId));
    expect(again.done).toEqual([]);
    expect(isDue(again.record, store)).toBe(false);
  });
});
