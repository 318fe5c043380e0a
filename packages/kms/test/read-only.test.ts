/** A keystore that cannot be changed: on a read-only mount, or by choice. */
import { spawnSync, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openKeystore, type AuditRecord, type OpenKeystoreOptions } from "../src/index.ts";
import { newKey, tempKeystore } from "./support/keystore.ts";

const none = { readOnly: true, audit: { sink: "none" } } as const;

/** A closed keystore with one key, and something that the key encrypted. */
async function closed() {
  const { path, keystore, client, root } = await tempKeystore();
  const KeyId = await newKey(client, "alias/app");
  const { CiphertextBlob } = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
  keystore.close();
  return { path, root, KeyId, CiphertextBlob };
}

describe("opening read-only", () => {
  it("answers what changes nothing and refuses everything else; the file stays as it is", async () => {
    const { path, root, KeyId, CiphertextBlob } = await closed();
    const before = readFileSync(path);
    using keystore = await openKeystore(path, { root, ...none });
    const client = keystore.as();
    expect((await client.decrypt({ CiphertextBlob })).Plaintext).toHaveLength(32);
    expect(
      (await client.encrypt({ KeyId: "alias/app", Plaintext: new Uint8Array(3) })).KeyId,
    ).toContain(KeyId);
    expect((await client.listKeys()).Keys).toHaveLength(1);
    expect(await keystore.verify()).toEqual([]);
    for (const change of [
      client.createKey(),
      client.disableKey({ KeyId }),
      keystore.iam.put({ arn: "arn:aws:iam::000000000000:user/alice" }),
      keystore.changeRoot({ keyFile: `${path}.key2` }),
      keystore.resetClock(),
      keystore.audit.applyRetention({ maxRecords: 1 }),
    ]) {
      const error = await rejection(change);
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
      expect(error.message).toContain("it was opened read-only; nothing can be changed");
    }
    keystore.close();
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(dirname(path))).not.toContain("test.kms.key2");
  });

  // Requirements: A4
  it("gives the record of every call to the sink, before the call is answered", async () => {
    const { path, root, CiphertextBlob } = await closed();
    const records: AuditRecord[] = [];
    const sink = (record: AuditRecord): void => void records.push(record);
    using keystore = await openKeystore(path, { root, readOnly: true, audit: { sink } });
    await keystore.as().decrypt({ CiphertextBlob });
    expect(await rejection(keystore.as("user/alice").decrypt({ CiphertextBlob }))).toMatchObject({
      name: "AccessDeniedException",
    });
    expect(records.map(({ eventName, errorCode }) => [eventName, errorCode])).toEqual([
      ["Decrypt", undefined],
      ["Decrypt", "AccessDeniedException"],
    ]);
  });

  // Requirements: A4
  it("refuses the call whose record the sink does not take", async () => {
    const { path, root, CiphertextBlob } = await closed();
    const cause = new Error("the collector is down");
    const sink = (): Promise<void> => Promise.reject(cause);
    using keystore = await openKeystore(path, { root, readOnly: true, audit: { sink } });
    expect(await rejection(keystore.as().decrypt({ CiphertextBlob }))).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_IO",
      cause,
    });
  });

  // Requirements: A4
  it.each<[string, Omit<OpenKeystoreOptions, "root">]>([
    ["no sink", { readOnly: true }],
    ["other audit options only", { readOnly: true, audit: { durability: "synced" } }],
    ["a sink and no readOnly", { audit: { sink: "none" } }],
  ])("wants a decision about records: %s is refused", async (_, options) => {
    const { path, root } = await closed();
    expect(await rejection(openKeystore(path, { root, ...options }))).toBeInstanceOf(TypeError);
  });

  it("sees what others write meanwhile", async () => {
    const { path, root } = await closed();
    using reader = await openKeystore(path, { root, ...none });
    using writer = await openKeystore(path, { root });
    await newKey(writer.as(), "alias/later");
    await reader.as().encrypt({ KeyId: "alias/later", Plaintext: new Uint8Array(3) });
    await writer.as().disableKey({ KeyId: (await writer.as().listKeys()).Keys[0]?.KeyId ?? "" });
    expect(
      await rejection(reader.as().generateDataKey({ KeyId: "alias/app", KeySpec: "AES_256" })),
    ).toMatchObject({
      name: "DisabledException",
    });
  });

  it("uses a key whose rotation is due as it is, and rotates it later", async () => {
    const { path, root, KeyId } = await closed();
    const first = await openKeystore(path, { root });
    await first.as().enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
    first.close();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 91 * 86_400_000 });
    onTestFinished(() => void vi.useRealTimers());
    const request = { KeyId, Plaintext: new Uint8Array(3) };
    const reader = await openKeystore(path, { root, ...none });
    await reader.as().encrypt(request);
    expect((await reader.as().listKeyRotations({ KeyId })).Rotations).toHaveLength(0);
    reader.close();
    using writer = await openKeystore(path, { root });
    await writer.as().encrypt(request);
    expect((await writer.as().listKeyRotations({ KeyId })).Rotations).toHaveLength(1);
  });
});

/** Runs a module on a mount that nothing can be written to; gives its output. */
function onReadOnlyMount(folder: string, source: string): string | undefined {
  const mounted = spawnSync("mount", ["--bind", folder, folder]);
  if (mounted.status !== 0) return undefined;
  onTestFinished(() => void spawnSync("umount", ["-l", folder]));
  if (spawnSync("mount", ["-o", "remount,ro,bind", folder]).status !== 0) return undefined;
  const file = join(tempFolder(), "child.mjs");
  writeFileSync(file, source);
  return execFileSync(process.execPath, ["--conditions=@env/source", file], {
    encoding: "utf8",
  }).trim();
}

describe("on a read-only mount", () => {
  const index = JSON.stringify(join(import.meta.dirname, "../src/index.ts"));
  const open = (path: string, options: object, blob: Uint8Array): string => `
    import { openKeystore } from ${index};
    const options = { root: { keyFile: ${JSON.stringify(`${path}.key`)} }, ...${JSON.stringify(options)} };
    const opened = openKeystore(${JSON.stringify(path)}, options);
    console.log(await opened.then(async (keystore) => {
      const CiphertextBlob = Uint8Array.from(${JSON.stringify([...blob])});
      const { Plaintext } = await keystore.as().decrypt({ CiphertextBlob });
      return Plaintext.length + " " + JSON.stringify(await keystore.verify());
    }, (error) => error.code + " " + error.message));`;

  it("opens and decrypts with readOnly, and says so without", async (ctx) => {
    const { path, CiphertextBlob } = await closed();
    const without = onReadOnlyMount(dirname(path), open(path, {}, CiphertextBlob));
    if (without === undefined) ctx.skip("nothing can be mounted here");
    expect(without).toMatch(/^ERR_ENVELOPE_KEYSTORE_IO .*open the keystore with readOnly/);
  });

  it("opens and decrypts with readOnly", async (ctx) => {
    const { path, CiphertextBlob } = await closed();
    const output = onReadOnlyMount(dirname(path), open(path, none, CiphertextBlob));
    if (output === undefined) ctx.skip("nothing can be mounted here");
    expect(output).toBe("32 []");
  });

  it("opens with a log beside it whose changes can be read", async (ctx) => {
    const { path, keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    const { CiphertextBlob } = await client.generateDataKey({ KeyId, KeySpec: "AES_256" });
    const folder = tempFolder();
    for (const suffix of ["", "-wal", "-shm", ".key"]) {
      copyFileSync(path + suffix, join(folder, `copy.kms${suffix}`));
    }
    keystore.close();
    const output = onReadOnlyMount(folder, open(join(folder, "copy.kms"), none, CiphertextBlob));
    if (output === undefined) ctx.skip("nothing can be mounted here");
    expect(output).toBe("32 []");
  });

  // Requirements: F10
  it("refuses a log that cannot be read, rather than show the file without its changes", async (ctx) => {
    const { path, keystore, client } = await tempKeystore();
    await newKey(client, "alias/app");
    const folder = tempFolder();
    for (const suffix of ["", "-wal", ".key"]) {
      copyFileSync(path + suffix, join(folder, `copy.kms${suffix}`));
    }
    keystore.close();
    const output = onReadOnlyMount(folder, open(join(folder, "copy.kms"), none, new Uint8Array(1)));
    if (output === undefined) ctx.skip("nothing can be mounted here");
    expect(output).toMatch(/^ERR_ENVELOPE_KEYSTORE_IO .*changes in its write-ahead log/);
  });
});

describe.runIf(process.platform !== "win32")("in a folder where its user may write nothing", () => {
  const index = JSON.stringify(join(import.meta.dirname, "../src/index.ts"));
  const root = process.getuid?.() === 0;

  /** Opens a copy of a keystore there, in a process of that user; gives what it says. */
  function openedThere(path: string, suffixes: readonly string[], blob: Uint8Array): string {
    const folder = join(tempFolder(), "secret");
    mkdirSync(folder);
    for (const suffix of [...suffixes, ".key"]) {
      const copy = join(folder, `dev.kms${suffix}`);
      copyFileSync(path + suffix, copy);
      if (root) chownSync(copy, 65_534, 65_534);
      chmodSync(copy, 0o400);
    }
    chmodSync(dirname(folder), 0o755);
    chmodSync(folder, 0o555);
    onTestFinished(() => chmodSync(folder, 0o755));
    const mounted = join(folder, "dev.kms");
    const file = join(folder, "..", "child.mjs");
    writeFileSync(
      file,
      `import { openKeystore } from ${index};
       const options = { root: { keyFile: ${JSON.stringify(`${mounted}.key`)} }, ...${JSON.stringify(none)} };
       const opened = openKeystore(${JSON.stringify(mounted)}, options);
       console.log(await opened.then(async (keystore) => {
         const CiphertextBlob = Uint8Array.from(${JSON.stringify([...blob])});
         return (await keystore.as().decrypt({ CiphertextBlob })).Plaintext.length;
       }, (error) => error.code + " " + error.message));`,
    );
    const user = root ? { uid: 65_534, gid: 65_534 } : {};
    const before = readdirSync(folder);
    const output = execFileSync(process.execPath, ["--conditions=@env/source", file], {
      encoding: "utf8",
      ...user,
    });
    expect(readdirSync(folder)).toEqual(before);
    return output.trim();
  }

  it("opens, as a mounted secret does", async () => {
    const { path, CiphertextBlob } = await closed();
    expect(openedThere(path, [""], CiphertextBlob)).toBe("32");
  });

  // Requirements: F10
  it("refuses a log that cannot be read, rather than show the file without its changes", async () => {
    const { path, keystore, client } = await tempKeystore();
    await newKey(client, "alias/app");
    const output = openedThere(path, ["", "-wal"], new Uint8Array(1));
    keystore.close();
    expect(output).toMatch(/^ERR_ENVELOPE_KEYSTORE_IO .*changes in its write-ahead log/);
  });
});
