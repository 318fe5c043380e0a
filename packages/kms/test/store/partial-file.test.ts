/** What appears under its name is whole, wherever the process that makes it is killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { seededRandom } from "@env/testkit/random";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { createKeystore, openKeystore } from "../../src/index.ts";
import { PartialFile, removeAbandoned } from "../../src/store/partial-file.ts";
import { newKey, tempKeystore, tempPath } from "../support/keystore.ts";
import { start } from "@env/testkit/programs";

/** Whether the process came to its end before its nth change of the file system. */
async function make(what: string, n: number, ...args: string[]): Promise<boolean> {
  const child = start("maker", what, String(n), ...args);
  const [code, signal]: unknown[] = await once(child, "close");
  expect([code, signal]).toEqual(signal === null ? [0, null] : [null, "SIGKILL"]);
  return code === 0;
}

/** `SLOW=1` for more of those at random moments. */
const kills = process.env["SLOW"] === undefined ? 4 : 200;

const isPartial = (name: string): boolean => name.includes(".partial-");

async function requireWhole(path: string): Promise<void> {
  using keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  await keystore.as().generateDataKey({ KeyId: "alias/app", KeySpec: "AES_256" });
  expect(await keystore.verify()).toEqual([]);
}

async function prepare(keystore: Awaited<ReturnType<typeof openKeystore>>): Promise<void> {
  await newKey(keystore.as(), "alias/app");
}

/** Makes it again after the kill: it is there already and whole, or can be made. */
async function makeAgain(path: string): Promise<void> {
  const root = { keyFile: `${path}.key` };
  if (existsSync(path)) {
    expect(await rejection(createKeystore(path, { root }))).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_IO",
    });
  } else {
    (await createKeystore(path, { root, prepare })).close();
  }
  await requireWhole(path);
  expect(readdirSync(dirname(path)).toSorted()).toEqual(["test.kms", "test.kms.key"]);
}

describe("a creation that is killed", () => {
  // Requirements: F9
  it("at any change of the file system leaves nothing or all of it, and can be repeated", async () => {
    let published = 0;
    for (let n = 1; ; n++) {
      const path = tempPath();
      const ended = await make("create", n, path);
      if (existsSync(`${path}.key`) && !existsSync(path)) {
        published++;
        // A second kill, after which the key file must still be known to be without a keystore.
        const key = readFileSync(`${path}.key`, "utf8");
        expect(await make("create", 1, path)).toBe(false);
        await makeAgain(path);
        expect(readFileSync(`${path}.key`, "utf8")).toBe(key);
      } else {
        await makeAgain(path);
      }
      if (ended) break;
    }
    // The key file without its keystore was among what was left.
    expect(published).toBeGreaterThan(0);
  });

  it("at any time, SQLite's own writing included", async () => {
    const random = seededRandom();
    for (let kill = 0; kill < kills; kill++) {
      const path = tempPath();
      const child = start("maker", "create", "0", path);
      const ended = once(child, "close");
      // From the moment at which the first file is there.
      while (child.exitCode === null && readdirSync(dirname(path)).length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await new Promise((resolve) => setTimeout(resolve, random(60)));
      child.kill("SIGKILL");
      const [code, signal]: unknown[] = await ended;
      expect([code, signal]).toEqual(signal === null ? [0, null] : [null, "SIGKILL"]);
      await makeAgain(path);
    }
  });
});

it("a key file that is whole is never taken for an unfinished one", async () => {
  const { path, keystore } = await tempKeystore();
  keystore.close();
  const key = readFileSync(`${path}.key`, "utf8");
  unlinkSync(path);
  expect(await rejection(createKeystore(path, { root: { keyFile: `${path}.key` } }))).toMatchObject(
    {
      code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    },
  );
  expect(readFileSync(`${path}.key`, "utf8")).toBe(key);
  expect(readdirSync(dirname(path))).toEqual(["test.kms.key"]);
});

it("a backup that is killed anywhere is whole or not there, and the next one clears what is left", async () => {
  const { path, keystore } = await tempKeystore({ prepare });
  keystore.close();
  for (let n = 1; ; n++) {
    const folder = tempFolder();
    const target = join(folder, "backup.kms");
    const ended = await make("backup", n, path, target);
    if (existsSync(target)) expect(statSync(target).size).toBeGreaterThan(20_000);
    if (ended) break;
    using opened = await openKeystore(path, { root: { keyFile: `${path}.key` } });
    if (existsSync(target)) unlinkSync(target);
    await opened.backup(target);
    expect(readdirSync(folder)).toEqual(["backup.kms"]);
  }
});

it("an archive that is killed anywhere is whole or not there, and the next one clears what is left", async () => {
  const { path, keystore, client } = await tempKeystore({ prepare });
  keystore.close();
  let partial = 0;
  for (let n = 1; ; n++) {
    const archive = tempFolder();
    using before = await openKeystore(path, { root: { keyFile: `${path}.key` } });
    await newKey(before.as());
    before.close();
    const ended = await make("archive", n, path, archive);
    partial += readdirSync(archive).filter(isPartial).length;
    using opened = await openKeystore(path, { root: { keyFile: `${path}.key` } });
    await newKey(opened.as());
    await opened.audit.applyRetention({ maxRecords: 1, archive });
    expect(readdirSync(archive).filter(isPartial)).toEqual([]);
    for (const name of readdirSync(archive)) {
      expect(await opened.audit.verifyArchive(join(archive, name))).toMatchObject({ intact: true });
    }
    expect((await opened.audit.verify()).intact).toBe(true);
    if (ended) break;
  }
  expect(partial).toBeGreaterThan(0);
  expect(client).toBeDefined();
});

describe("what others are writing", () => {
  /** A process id that nobody has: that of a process that has ended. */
  async function deadPid(): Promise<number> {
    const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
    await once(child, "close");
    return child.pid ?? 0;
  }

  it("stays while its process runs, for at most a day", () => {
    const target = tempPath();
    const path = `${target}.partial-${process.ppid}-00000000`;
    writeFileSync(path, "");
    removeAbandoned(target);
    expect(existsSync(path)).toBe(true);
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
    utimesSync(path, twoDaysAgo, twoDaysAgo);
    removeAbandoned(target);
    expect(existsSync(path)).toBe(false);
  });

  it("stays while this process writes it, and is abandoned if an earlier one had the same id", () => {
    const target = tempPath();
    const mine = new PartialFile(target);
    writeFileSync(mine.path, "");
    writeFileSync(`${mine.path}-journal`, "");
    const foreign = `${target}.partial-${process.pid}-00000000`;
    writeFileSync(foreign, "");
    removeAbandoned(target);
    expect([mine.path, `${mine.path}-journal`, foreign].map((one) => existsSync(one))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("is left alone where its name only looks similar", async () => {
    const target = tempPath();
    const pid = await deadPid();
    const names = [
      `${target}.partial-${pid}-0000000`,
      `${target}.partial-${pid}-00000000.bak`,
      `${target}x.partial-${pid}-00000000`,
      `${target}.partial-me-00000000`,
    ];
    for (const name of names) writeFileSync(name, "");
    const abandoned = `${target}.partial-${pid}-00000000`;
    writeFileSync(abandoned, "");
    linkSync(abandoned, `${abandoned}-wal`);
    removeAbandoned(target);
    expect(names.filter((name) => !existsSync(name))).toEqual([]);
    expect([abandoned, `${abandoned}-wal`].filter((name) => existsSync(name))).toEqual([]);
  });
});
