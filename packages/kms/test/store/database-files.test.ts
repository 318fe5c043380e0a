/** What lies beside a keystore is looked at before SQLite believes it, and what others do to its files is noticed. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { inspectKeystore, openKeystore, type KmsClient } from "../../src/index.ts";
import { newKey, tempKeystore } from "../support/keystore.ts";
import { environment, program } from "@env/testkit/programs";

async function closed(): Promise<{ path: string; root: { keyFile: string } }> {
  const { path, keystore, client, root } = await tempKeystore();
  await newKey(client, "alias/app");
  keystore.close();
  return { path, root };
}

describe("a planted file", () => {
  const plant: readonly [string, string, (file: string) => void][] = [
    [
      "-journal",
      "a keystore has a write-ahead log and never a journal",
      (file) => writeFileSync(file, ""),
    ],
    [
      "-journal",
      "a keystore has a write-ahead log and never a journal",
      (file) => symlinkSync("x", file),
    ],
    ["-wal", "it is not a regular file of one name", (file) => symlinkSync("nowhere", file)],
    ["-wal", "it is not a regular file of one name", (file) => mkdirSync(file)],
    [
      "-wal",
      "it is not a regular file of one name",
      (file) => {
        writeFileSync(`${file}.other`, "", { mode: 0o600 });
        linkSync(`${file}.other`, file);
      },
    ],
    [
      "-shm",
      "it is not a regular file of one name",
      (file) => void execFileSync("mkfifo", ["-m", "600", file]),
    ],
    [
      "-wal",
      "users may write to it who may not write to the keystore",
      (file) => {
        writeFileSync(file, "");
        chmodSync(file, 0o620);
      },
    ],
    [
      "-shm",
      "users may write to it who may not write to the keystore",
      (file) => {
        writeFileSync(file, "");
        chmodSync(file, 0o602);
      },
    ],
  ];
  // Requirements: F5
  it.each(plant)("%s is refused before SQLite sees it: %s", async (suffix, problem, make) => {
    const { path, root } = await closed();
    const before = readFileSync(path);
    make(path + suffix);
    for (const call of [openKeystore(path, { root }), inspectKeystore(path)]) {
      const error = await rejection(call);
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
      expect(error.message).toContain(`${path}${suffix} is not the keystore's own: ${problem}`);
    }
    expect(readFileSync(path)).toEqual(before);
  });

  // Requirements: F5
  it.runIf(process.getuid?.() === 0)("of another user is refused", async () => {
    const { path, root } = await closed();
    writeFileSync(`${path}-wal`, "", { mode: 0o600 });
    chownSync(`${path}-wal`, 65_534, 65_534);
    const error = await rejection(openKeystore(path, { root }));
    expect(error.message).toContain("it belongs to another user than the keystore");
  });

  it("beside the file that a link leads to is refused as well", async () => {
    const { path, root } = await closed();
    const link = join(tempFolder(), "link.kms");
    symlinkSync(path, link);
    (await openKeystore(link, { root })).close();
    writeFileSync(`${path}-journal`, "");
    expect(await rejection(openKeystore(link, { root }))).toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_IO",
    });
  });

  it("that is the keystore's own is not refused", async () => {
    const { path, keystore, client, root } = await tempKeystore();
    await newKey(client, "alias/app");
    const copy = join(tempFolder(), "copy.kms");
    // As a crash leaves it: with a log that holds all changes.
    for (const suffix of ["", "-wal", "-shm"]) copyFileSync(path + suffix, copy + suffix);
    keystore.close();
    using opened = await openKeystore(copy, { root });
    expect((await opened.as().listAliases()).Aliases.map(({ AliasName }) => AliasName)).toContain(
      "alias/app",
    );
  });
});

it("a device is not opened", async () => {
  const fifo = join(tempFolder(), "fifo.kms");
  execFileSync("mkfifo", [fifo]);
  const error = await rejection(inspectKeystore(fifo));
  expect(error.message).toBe(`keystore ${fifo}: it is not a regular file`);
});

/** The version of the command that looks into SQLite databases, if there is one. */
const tool = spawnSync("sqlite3", ["--version"], { encoding: "utf8" }).stdout?.split(" ")[0];
if (tool === undefined) console.warn("skipped: there is no sqlite3 command here");

/** Another program, with another build of SQLite, that opens the file as the only one, as it believes, and closes it. */
function lookInside(path: string): void {
  execFileSync("sqlite3", [path, "SELECT count(*) FROM cmk"], { stdio: "ignore" });
}

/** Ids of the keys that a process sees that opens the file now. */
async function seenByAnother(path: string, root: { keyFile: string }): Promise<Set<string>> {
  const source = `
    import { openKeystore } from ${JSON.stringify(program("index"))};
    const keystore = await openKeystore(${JSON.stringify(path)}, { root: ${JSON.stringify(root)} });
    const { Keys } = await keystore.as().listKeys({ Limit: 1000 });
    console.log(JSON.stringify([Keys.map(({ KeyId }) => KeyId), await keystore.verify()]));
    keystore.close();`;
  const file = join(tempFolder(), "look.mjs");
  writeFileSync(file, source);
  const output = execFileSync(process.execPath, [file], { encoding: "utf8", env: environment() });
  const [ids, findings]: [string[], unknown[]] = JSON.parse(output);
  expect(findings).toEqual([]);
  return new Set(ids);
}

/** What a process may do with a keystore that it has open already. */
const again: readonly [string, (path: string, root: { keyFile: string }) => Promise<unknown>][] = [
  ["inspected", (path) => inspectKeystore(path)],
  [
    "opened a second time and closed",
    async (path, root) => (await openKeystore(path, { root })).close(),
  ],
  [
    "verified and backed up",
    async (path, root) => {
      using second = await openKeystore(path, { root });
      await second.verify();
      await second.backup(`${path}.backup`);
    },
  ],
  [
    "opened in a worker thread",
    (path, root) =>
      new Promise((resolve, reject) => {
        const source = `
            import { workerData } from "node:worker_threads";
            const { openKeystore } = await import(workerData.index);
            const keystore = await openKeystore(workerData.path, { root: workerData.root });
            await keystore.as().createKey();
            keystore.close();`;
        const index = pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href;
        const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
        const execArgv = ["--conditions=@env/source"];
        const worker = new Worker(url, { workerData: { index, path, root }, execArgv });
        worker.on("error", reject).on("exit", resolve);
      }),
  ],
];

/** Locks of all processes on a file, as Linux lists them. */
function locksOn(path: string): string[] {
  const inode = `:${statSync(path).ino} `;
  return readFileSync("/proc/locks", "utf8")
    .split("\n")
    .filter((line) => line.includes(inode))
    .map((line) => line.replace(/^\d+: /, ""))
    .toSorted();
}

// Requirements: F3
it.runIf(existsSync("/proc/locks")).each(again)(
  "a keystore in use keeps its locks where it is %s in the same process",
  async (_, use) => {
    const { path, keystore, client, root } = await tempKeystore();
    onTestFinished(() => keystore.close());
    await newKey(client);
    const files = [path, `${path}-shm`];
    const before = files.map(locksOn);
    expect(before.every((locks) => locks.length > 0)).toBe(true);
    await use(path, root);
    expect(files.map(locksOn)).toEqual(before);
  },
);

describe.runIf(tool !== undefined)(`with the sqlite3 command (${tool}) beside it`, () => {
  // Requirements: F3
  it.each(again)(
    "nothing is lost where a keystore in use is %s in the same process",
    async (_, use) => {
      const { path, keystore, client, root } = await tempKeystore();
      const acknowledged = [await newKey(client)];
      for (let round = 0; round < 3; round++) {
        await use(path, root);
        if (existsSync(`${path}.backup`)) unlinkSync(`${path}.backup`);
        lookInside(path);
        acknowledged.push(await newKey(client));
        const seen = await seenByAnother(path, root);
        expect(acknowledged.filter((id) => !seen.has(id))).toEqual([]);
      }
      keystore.close();
      const seen = await seenByAnother(path, root);
      expect(acknowledged.filter((id) => !seen.has(id))).toEqual([]);
    },
  );

  it("nothing is acknowledged and lost where the program itself closes a descriptor of the file", async () => {
    const { path, keystore, client, root } = await tempKeystore();
    const acknowledged = [await newKey(client)];
    // Drops the locks of this process, whoever does it: there is no way to keep them.
    readFileSync(path);
    lookInside(path);
    const error = await rejection(client.createKey());
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(error.message).toContain("another program has removed or replaced the file");
    // It does not go on as if nothing had happened.
    expect(await rejection(client.listKeys())).toBe(error);
    keystore.close();
    const seen = await seenByAnother(path, root);
    expect(acknowledged.filter((id) => !seen.has(id))).toEqual([]);
  });
});

describe("a file that is exchanged while it is open", () => {
  async function change(client: KmsClient): Promise<Error> {
    return rejection(client.createKey());
  }

  // Requirements: F7
  it.each<[string, (path: string) => void]>([
    ["the log is removed", (path) => unlinkSync(`${path}-wal`)],
    ["the file is removed", (path) => unlinkSync(path)],
    [
      "a backup is put in its place",
      (path) => {
        copyFileSync(path, `${path}.backup`);
        renameSync(`${path}.backup`, path);
      },
    ],
  ])("refuses changes once %s", async (_, exchange) => {
    const { path, keystore, client } = await tempKeystore();
    onTestFinished(() => keystore.close());
    await newKey(client);
    exchange(path);
    expect(await change(client)).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(await change(client)).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
  });
});
