import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  createKeystore,
  inspectKeystore,
  KmsError,
  openKeystore,
  type RootKeySource,
} from "../src/index.ts";
import { sourceKey } from "../src/store/root-key.ts";
import { arn, newKey, PASSPHRASE, tempKeystore, tempPath } from "./support/keystore.ts";
import { openStore } from "./support/store.ts";

it("opens again with what it had", async () => {
  const { path, keystore, client, root } = await tempKeystore();
  const KeyId = await newKey(client, "alias/app");
  const { CiphertextBlob, Plaintext } = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  const { keystoreId } = keystore.facts;
  keystore.close();
  using again = await openKeystore(path, { root });
  expect(again.facts.keystoreId).toBe(keystoreId);
  const opened = await again.as().decrypt({ KeyId: "alias/app", CiphertextBlob });
  expect(opened.Plaintext).toEqual(Plaintext);
});

it("tells what it is without a root key", async () => {
  const { path, keystore } = await tempKeystore({ accountId: "111122223333", region: "lab" });
  const facts = await inspectKeystore(path);
  expect(facts).toEqual({
    keystoreId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    accountId: "111122223333",
    region: "lab",
    created: expect.any(Date),
    rootKind: "key-file",
  });
  expect(keystore.facts).toEqual(facts);
  expect(keystore.path).toBe(path);
});

it("refuses options out of bounds before it makes a file", async () => {
  const path = tempPath();
  const root = { keyFile: `${path}.key` };
  for (const options of [
    { accountId: "1" },
    { region: "Nowhere!" },
    { busyTimeout: -1 },
    { busyTimeout: Number.NaN },
  ]) {
    expect(await rejection(createKeystore(path, { root, ...options }))).toBeInstanceOf(RangeError);
  }
  expect(readdirSync(dirname(path))).toEqual([]);
});

it("refuses a descriptor that was edited", async () => {
  const { path, keystore, root } = await tempKeystore();
  keystore.close();
  const db = new DatabaseSync(path);
  db.exec("UPDATE descriptor SET facts = replace(facts, 'local', 'other')");
  db.close();
  const error = await rejection(openKeystore(path, { root }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
  expect(error.message).toContain("descriptor was altered");
});

it("refuses the root key of another keystore", async () => {
  const { path } = await tempKeystore();
  const { root: other } = await tempKeystore();
  const error = await rejection(openKeystore(path, { root: other }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
});

describe("changeRoot", () => {
  it("lets the new source in and keeps the old one out", async () => {
    const { path, keystore, client, root } = await tempKeystore();
    const KeyId = await newKey(client);
    await keystore.changeRoot(PASSPHRASE);
    expect(keystore.facts.rootKind).toBe("passphrase");
    await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
    keystore.close();
    expect(await rejection(openKeystore(path, { root }))).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    });
    using again = await openKeystore(path, { root: PASSPHRASE });
    await again.as().generateDataKey({ KeyId, KeySpec: "AES_256" });
  });

  it("leaves everything as it was when the new source does not work out", async () => {
    const { path, keystore, root } = await tempKeystore();
    const failing: RootKeySource[] = [
      { keyFile: root.keyFile },
      { environment: "KMS_TEST_UNSET" },
      { passphrase: "" },
    ];
    for (const source of failing) {
      expect(await rejection(keystore.changeRoot(source))).toMatchObject({
        code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
      });
    }
    expect(keystore.facts.rootKind).toBe("key-file");
    keystore.close();
    const again = await openKeystore(path, { root });
    again.close();
  });
});

describe("the clock", () => {
  const DAY_MS = 86_400_000;

  it("does not delete a key that only a wrong date makes look past its own", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    await client.scheduleKeyDeletion({ KeyId });
    const start = Date.now();
    for (const hours of [0, 12, 23]) {
      vi.setSystemTime(start + 365 * DAY_MS + hours * 3_600_000);
      expect((await rejection(client.describeKey({ KeyId }))).name).toBe("NotFoundException");
    }
    vi.setSystemTime(start + 1000);
    expect((await rejection(client.describeKey({ KeyId }))).name).toBe("NotFoundException");
    await keystore.resetClock();
    await client.cancelKeyDeletion({ KeyId });
    await client.enableKey({ KeyId });
    await client.generateDataKey({ KeyId: "alias/app", KeySpec: "AES_256" });
    expect(await keystore.verify()).toEqual([]);
  });

  it("deletes a key for good a day after its date, and records it", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    const deleted = async (): Promise<unknown[]> => {
      const records: unknown[] = [];
      for await (const { record } of keystore.audit.query({ operations: ["DeleteKey"] })) {
        records.push([record.userIdentity, record.resources]);
      }
      return records;
    };
    vi.setSystemTime(Date.now() + 7 * DAY_MS);
    await keystore.purge();
    expect(await deleted()).toEqual([]);
    vi.setSystemTime(Date.now() + DAY_MS);
    await keystore.purge();
    expect(await deleted()).toEqual([
      [
        expect.objectContaining({ invokedBy: "kms.amazonaws.com" }),
        [expect.objectContaining({ ARN: arn(KeyId) })],
      ],
    ]);
    expect(await keystore.verify()).toEqual([]);
    expect(await keystore.audit.verify()).toMatchObject({ intact: true });
  });
});

describe("secrets", () => {
  /** A keystore in use, and its secrets as the file holds them: root key and key material. */
  async function setup(): Promise<{
    path: string;
    client: ReturnType<Awaited<ReturnType<typeof openKeystore>>["as"]>;
    keystore: Awaited<ReturnType<typeof openKeystore>>;
    secrets: Map<string, Buffer>;
  }> {
    const { path, client, keystore, root } = await tempKeystore();
    const { KeyMetadata } = await client.createKey({ Description: "needle in the description" });
    const { KeyId } = KeyMetadata;
    await client.rotateKeyOnDemand({ KeyId });
    await client.generateDataKey({ KeyId, KeySpec: "AES_256" });

    const source = await sourceKey(root, { kind: "key-file" }, keystore.facts.keystoreId);
    const { root: rootKey, store, database } = await openStore(path);
    const record = await store.read(() => store.keys.get("local", KeyId));
    database.close();
    const secrets = new Map([
      ["source key", source.export()],
      ["root key", rootKey.export()],
      ...(record?.versions ?? []).map(
        ({ material }, i) => [`version ${i + 1}`, material?.export() ?? Buffer.alloc(0)] as const,
      ),
      ["description", Buffer.from("needle in the description")],
    ]);
    expect(secrets.size).toBe(5);
    return { path, client, keystore, secrets };
  }

  /** The ways bytes get into text. */
  const spellings = (bytes: Buffer): string[] => [
    bytes.toString("hex"),
    bytes.toString("base64").slice(0, 42),
    bytes.toString("base64url").slice(0, 42),
    [...bytes].join(", ").slice(0, 40),
    [...bytes].join(",").slice(0, 40),
    [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
  ];

  it("are nowhere in the files", async () => {
    const { path, secrets } = await setup();
    for (const file of readdirSync(dirname(path))) {
      if (file.endsWith(".key")) continue;
      const content = readFileSync(join(dirname(path), file));
      const text = content.toString("latin1");
      for (const [name, bytes] of secrets) {
        expect(content.includes(bytes), `${name} in ${file}`).toBe(false);
        for (const spelling of spellings(bytes)) expect(text.includes(spelling)).toBe(false);
      }
    }
  });

  it("are not shown by inspection, JSON or errors", async () => {
    const { client, keystore, secrets } = await setup();
    const errors: unknown[] = [
      await rejection(client.decrypt({ CiphertextBlob: new Uint8Array(93).fill(1) })),
      await rejection(client.describeKey({ KeyId: "alias/none" })),
      await rejection(keystore.changeRoot({ passphrase: "" })),
    ];
    const shown = [keystore, client, ...errors]
      .flatMap((value) => [
        inspect(value, { showHidden: true, depth: 20, showProxy: true }),
        JSON.stringify(value),
        String(value),
      ])
      .join("\n");
    for (const bytes of secrets.values()) {
      for (const spelling of spellings(bytes)) expect(shown).not.toContain(spelling);
    }
    expect(inspect(keystore, { showHidden: true })).toBe(
      "Keystore {\n  audit: AuditLog { [backlog]: [Getter] },\n  iam: Iam { accessKeys: AccessKeys {}, access: IamAccess {} },\n  seeding: Seeding {},\n  [path]: [Getter],\n  [sqliteVersion]: [Getter],\n  [facts]: [Getter]\n}",
    );
    expect(inspect(client, { showHidden: true })).toBe(
      "KmsClient { [principal]: [Getter], [region]: [Getter] }",
    );
    expect(errors[0]).toBeInstanceOf(KmsError);
  });

  it("of a data key are not in what fails to decrypt it", async () => {
    const { client } = await setup();
    const { Keys } = await client.listKeys();
    const KeyId = Keys[0]?.KeyId;
    const EncryptionContext = { tenant: "needle" };
    const { CiphertextBlob, Plaintext } = await client.generateDataKey({
      KeyId,
      KeySpec: "AES_256",
      EncryptionContext,
    });
    const other = { tenant: "needles" };
    const error = await rejection(client.decrypt({ CiphertextBlob, EncryptionContext: other }));
    const shown = inspect(error, { showHidden: true, depth: 20 });
    expect(shown).not.toContain("needle");
    for (const bytes of [Plaintext, CiphertextBlob]) {
      for (const spelling of spellings(Buffer.from(bytes))) expect(shown).not.toContain(spelling);
    }
  });
});
