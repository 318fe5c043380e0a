import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import {
  createKeystore,
  inspectKeystore,
  KmsError,
  openKeystore,
  type RootKeySource,
} from "../src/index.ts";
import { openDescriptor } from "../src/descriptor.ts";
import { sourceKey } from "../src/root-key.ts";
import { Store } from "../src/store.ts";
import { Database } from "../src/database.ts";
import { newKey, PASSPHRASE, rejection, tempKeystore, tempPath } from "./support/keystore.ts";

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
  expect(error).toMatchObject({ code: "ERR_ENV_KEYSTORE_ROOT_KEY" });
  expect(error.message).toContain("descriptor was altered");
});

it("refuses the root key of another keystore", async () => {
  const { path } = await tempKeystore();
  const { root: other } = await tempKeystore();
  const error = await rejection(openKeystore(path, { root: other }));
  expect(error).toMatchObject({ code: "ERR_ENV_KEYSTORE_ROOT_KEY" });
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
      code: "ERR_ENV_KEYSTORE_ROOT_KEY",
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
        code: "ERR_ENV_KEYSTORE_ROOT_KEY",
      });
    }
    expect(keystore.facts.rootKind).toBe("key-file");
    keystore.close();
    const again = await openKeystore(path, { root });
    again.close();
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

    const database = await Database.open(path, { busyTimeout: 0 });
    const row = database.prepare("SELECT facts, root FROM descriptor").get();
    const sealed = {
      facts: row?.["facts"] as string,
      root: row?.["root"] as Uint8Array<ArrayBuffer>,
    };
    const source = await sourceKey(root, { kind: "key-file" }, keystore.facts.keystoreId);
    const rootKey = openDescriptor(sealed, source);
    if (rootKey === undefined) throw new Error("the root key does not open");
    const record = new Store(database, rootKey, keystore.facts.keystoreId).key(KeyId);
    database.close();
    const secrets = new Map([
      ["source key", source.export()],
      ["root key", rootKey.export()],
      ...(record?.versions ?? []).map(({ key }, i) => [`version ${i + 1}`, key.export()] as const),
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
      "Keystore { [path]: [Getter], [facts]: [Getter] }",
    );
    expect(inspect(client, { showHidden: true })).toBe("KmsClient { [principal]: [Getter] }");
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
