import { DatabaseSync } from "node:sqlite";
import { tempFolder } from "@env/testkit/folder";
import { expect, inject, it, onTestFinished } from "vitest";
import { createKeystore, moveKeystore, openKeystore, type Keystore } from "../../../src/index.ts";
import { newKey, newUser, allow } from "../../support/keystore.ts";

let schemas = 0;

async function filled(): Promise<{
  readonly path: string;
  readonly url: string;
  readonly root: { readonly keyFile: string };
  readonly keystore: Keystore;
  readonly KeyId: string;
}> {
  const path = `${tempFolder()}/test.kms`;
  const root = { keyFile: `${path}.key` };
  const keystore = await createKeystore(path, { root });
  onTestFinished(() => keystore.close());
  const KeyId = await newKey(keystore.as(), "alias/a");
  await newUser(keystore, "alice", allow("kms:Decrypt"));
  const url = `${inject("keystoreDatabase")}?schema=move_${process.pid}_${++schemas}`;
  return { path, url, root, keystore, KeyId };
}

it("takes keys, principals and the log along, which continues where it was", async () => {
  const { path, url, root, keystore, KeyId } = await filled();
  const { CiphertextBlob } = await keystore.as().encrypt({ KeyId, Plaintext: Buffer.from("x") });
  for (let i = 0; i < 600; i++) void keystore.as().describeKey({ KeyId });
  await keystore.as().describeKey({ KeyId });
  const anchor = await keystore.audit.anchor();
  expect(await moveKeystore(path, url, { root })).toEqual({ records: anchor.sequence });

  const moved = await openKeystore(url, { root });
  onTestFinished(() => moved.close());
  expect(moved.facts).toEqual(keystore.facts);
  const alice = moved.as("user/alice");
  const { Plaintext } = await alice.decrypt({ KeyId: "alias/a", CiphertextBlob });
  expect(Buffer.from(Plaintext).toString()).toBe("x");
  expect(await moved.audit.verify({ anchor })).toMatchObject({ intact: true, anchor: "confirmed" });
  expect((await moved.audit.verify()).last.sequence).toBe(anchor.sequence + 1);
  const { KeyLastUsage } = await moved.as().getKeyLastUsage({ KeyId });
  expect(KeyLastUsage).toMatchObject({ Operation: "Decrypt" });
  expect(await moved.verify()).toEqual([]);
  // Nothing is overwritten.
  await expect(moveKeystore(path, url, { root })).rejects.toThrow("there is a keystore");
});

it("leaves nothing where the file does not verify", async () => {
  const { path, url, root, keystore } = await filled();
  keystore.close();
  const db = new DatabaseSync(path);
  db.exec("UPDATE cmk SET deletion = 5");
  db.close();
  const move = moveKeystore(path, url, { root });
  await expect(move).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  await expect(openKeystore(url, { root })).rejects.toThrow("holds no keystore");
});
