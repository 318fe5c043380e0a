import {
  existsSync,
  fsyncSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { expect, it, onTestFinished, vi } from "vitest";
import { openKeystore } from "../../src/index.ts";
import { newKey, tempKeystore } from "../support/keystore.ts";

vi.mock("node:fs", { spy: true });

it("copies a keystore in use, as it is at one moment", async () => {
  const { path, keystore, client, root } = await tempKeystore();
  const KeyId = await newKey(client, "alias/app");
  const { CiphertextBlob, Plaintext } = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  const target = join(tempFolder(), "backup.kms");
  const busy = Promise.all(Array.from({ length: 50 }, () => newKey(client)));
  await keystore.backup(target);
  await busy;
  expect(readdirSync(dirname(target))).toEqual(["backup.kms"]);
  expect(statSync(target).mode & 0o777).toBe(0o600);
  using copy = await openKeystore(target, { root });
  expect(copy.facts).toEqual(keystore.facts);
  expect(await copy.verify()).toEqual([]);
  const opened = await copy.as().decrypt({ KeyId: "alias/app", CiphertextBlob });
  expect(opened.Plaintext).toEqual(Plaintext);
  await newKey(copy.as(), "alias/after");
  expect(await copy.verify()).toEqual([]);
  expect(path).not.toBe(target);
});

it("is on disk before it has its name, and the name then", async () => {
  const { keystore } = await tempKeystore();
  vi.mocked(fsyncSync).mockClear();
  vi.mocked(linkSync).mockClear();
  await keystore.backup(join(tempFolder(), "backup.kms"));
  const [file = 0, folder = 0] = vi.mocked(fsyncSync).mock.invocationCallOrder;
  const [link = 0] = vi.mocked(linkSync).mock.invocationCallOrder;
  expect([0, file, link, folder].toSorted((a, b) => a - b)).toEqual([0, file, link, folder]);
  expect([...new Set([0, file, link, folder])]).toHaveLength(4);
});

it("goes on where the backup was made once that is put in the place of the file", async () => {
  const { path, keystore, client, root } = await tempKeystore();
  const KeyId = await newKey(client, "alias/app");
  const target = `${path}.backup`;
  await keystore.backup(target);
  await client.disableKey({ KeyId });
  keystore.close();
  writeFileSync(path, readFileSync(target));
  using restored = await openKeystore(path, { root });
  const { KeyMetadata } = await restored.as().describeKey({ KeyId: "alias/app" });
  expect(KeyMetadata.Enabled).toBe(true);
  expect(await restored.verify()).toEqual([]);
});

it("holds nothing of keys that were deleted before", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { path, keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
  const needle = Buffer.from(KeyId.replaceAll("-", ""), "hex");
  for (const days of [8, 9]) {
    vi.setSystemTime(Date.now() + days * 86_400_000);
    await keystore.purge();
  }
  await keystore.backup(`${path}.backup`);
  expect(readFileSync(`${path}.backup`).includes(needle)).toBe(false);
});

it.each(["", "-wal", "-shm", "-journal"])(
  "overwrites nothing: a file%s is there",
  async (suffix) => {
    const { keystore } = await tempKeystore();
    const target = join(tempFolder(), "backup.kms");
    writeFileSync(`${target}${suffix}`, "precious");
    const error = await rejection(keystore.backup(target));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(error.message).toContain(target);
    expect(readFileSync(`${target}${suffix}`, "utf8")).toBe("precious");
    expect(readdirSync(dirname(target))).toEqual([`backup.kms${suffix}`]);
  },
);

it("follows no link, not even one to nowhere", async () => {
  const { keystore } = await tempKeystore();
  const target = join(tempFolder(), "backup.kms");
  symlinkSync(`${target}.elsewhere`, target);
  expect(await rejection(keystore.backup(target))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
  });
  expect(existsSync(`${target}.elsewhere`)).toBe(false);
});

it("does not take the name of what has come to lie there meanwhile", async () => {
  const { keystore } = await tempKeystore();
  const target = join(tempFolder(), "backup.kms");
  vi.mocked(linkSync).mockImplementationOnce(() => {
    throw Object.assign(new Error("EEXIST: file already exists, link"), { code: "EEXIST" });
  });
  const error = await rejection(keystore.backup(target));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
  expect(error.message).toContain("never overwritten");
  expect(readdirSync(dirname(target))).toEqual([]);
});

it("does without links where the file system has none", async () => {
  const { keystore, root } = await tempKeystore();
  const target = join(tempFolder(), "backup.kms");
  const noLinks = (): never => {
    throw Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM" });
  };
  vi.mocked(linkSync).mockImplementationOnce(noLinks);
  await keystore.backup(target);
  expect(readdirSync(dirname(target))).toEqual(["backup.kms"]);
  vi.mocked(linkSync).mockImplementationOnce(() => {
    writeFileSync(`${target}2`, "precious");
    return noLinks();
  });
  expect(await rejection(keystore.backup(`${target}2`))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
  });
  expect(readFileSync(`${target}2`, "utf8")).toBe("precious");
  using copy = await openKeystore(target, { root });
  expect(await copy.verify()).toEqual([]);
});

it("leaves nothing behind where it fails", async () => {
  const { path, keystore, root } = await tempKeystore();
  keystore.close();
  const folder = tempFolder();
  const db = new DatabaseSync(path);
  const page = db.prepare("SELECT rootpage AS n FROM sqlite_schema WHERE name = 'cmk'").get();
  db.close();
  const bytes = readFileSync(path);
  writeFileSync(
    path,
    bytes.fill(0xa5, (Number(page?.["n"]) - 1) * 4096, Number(page?.["n"]) * 4096),
  );
  using damaged = await openKeystore(path, { root });
  expect(await rejection(damaged.backup(join(folder, "backup.kms")))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
  });
  expect(await rejection(damaged.backup(join(folder, "none", "backup.kms")))).toMatchObject({
    code: "ERR_ENVELOPE_KEYSTORE_IO",
  });
  expect(readdirSync(folder)).toEqual([]);
});

it("is refused once the keystore is closed", async () => {
  const { path, keystore } = await tempKeystore();
  keystore.close();
  expect(await rejection(keystore.backup(`${path}.backup`))).toMatchObject({
    code: "ERR_ENVELOPE_CLOSED",
  });
  expect(existsSync(`${path}.backup`)).toBe(false);
});
