import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { createKeystore, inspectKeystore, openKeystore } from "../../src/index.ts";
import { newKey, tempKeystore, tempPath } from "../support/keystore.ts";

/** Code and message of what opening a file ends in. */
async function problem(path: string, busyTimeout = 0): Promise<string> {
  const root = { keyFile: `${path}.key` };
  const error = await rejection(openKeystore(path, { root, busyTimeout }));
  const inspected = await rejection(inspectKeystore(path));
  expect(inspected).toMatchObject({ name: "EnvelopeError" });
  return `${"code" in error ? String(error.code) : error.name}: ${error.message}`;
}

/** A closed keystore with one key, to do something to. */
async function closed(): Promise<string> {
  const { path, keystore, client } = await tempKeystore();
  await newKey(client, "alias/app");
  keystore.close();
  return path;
}

function sql(path: string, statements: string): void {
  const db = new DatabaseSync(path);
  db.exec(statements);
  db.close();
}

const format = (path: string, what: string): string =>
  `ERR_ENVELOPE_KEYSTORE_FORMAT: keystore ${path}: ${what}. Check the path, or restore the file from a backup`;

describe("a file that is not a keystore", () => {
  it("is missing", async () => {
    const path = tempPath();
    expect(await problem(path)).toBe(
      `ERR_ENVELOPE_KEYSTORE_IO: keystore ${path}: no such file; check the path, or create a keystore there`,
    );
    expect(existsSync(path)).toBe(false);
  });

  it("is a folder", async () => {
    const path = tempFolder();
    expect(await problem(path)).toBe(
      `ERR_ENVELOPE_KEYSTORE_IO: keystore ${path}: it is a folder; give the path of a file in it`,
    );
  });

  it("lies beyond a file", async () => {
    const path = tempPath();
    writeFileSync(path, "");
    expect(await problem(join(path, "x"))).toMatch(/^ERR_ENVELOPE_KEYSTORE_IO: .*is not a folder$/);
  });

  it("is empty", async () => {
    const path = tempPath();
    writeFileSync(path, "");
    expect(await problem(path)).toBe(
      format(path, "the file is empty (0 bytes): its creation was interrupted"),
    );
  });

  // Requirements: F1
  it.each([
    ["random bytes", Buffer.alloc(5000, 0xa5)],
    ["text", Buffer.from("hello")],
    ["the first bytes of a database", Buffer.from("SQLite format 3\0")],
  ])("is %s", async (_, content) => {
    const path = tempPath();
    writeFileSync(path, content);
    expect(await problem(path)).toBe(format(path, "the file is not an SQLite database"));
    expect(readFileSync(path)).toEqual(content);
  });

  // Requirements: F1
  it("is another application's database, which is not touched", async () => {
    const path = tempPath();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    const before = [readFileSync(path), readFileSync(`${path}-wal`)];
    expect(await problem(path)).toBe(
      format(path, "the file is another application's SQLite database"),
    );
    expect([readFileSync(path), readFileSync(`${path}-wal`)]).toEqual(before);
    db.close();
  });

  // Requirements: F1, F2
  it("is another application's database after a crash, whose log is left to that application", async () => {
    const path = tempPath();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    const copy = tempPath();
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, copy + suffix);
    db.close();
    const files = (): Map<string, Buffer> =>
      new Map(
        readdirSync(dirname(copy)).map((name) => [name, readFileSync(join(dirname(copy), name))]),
      );
    const before = files();
    expect(await problem(copy)).toBe(
      format(copy, "the file is another application's SQLite database"),
    );
    expect(files()).toEqual(before);
  });

  // Requirements: F1
  it("is a keystore of another version", async () => {
    const path = await closed();
    sql(path, "PRAGMA user_version = 2");
    expect(await problem(path)).toBe(format(path, "format version 2; this build reads version 1"));
  });

  // Requirements: F4
  it.each([
    "CREATE VIEW v AS SELECT * FROM alias",
    "CREATE TRIGGER t AFTER UPDATE ON cmk BEGIN DELETE FROM alias; END",
    "CREATE TABLE more (a)",
    "DROP INDEX alias_by_uuid",
    "DROP TABLE alias",
    "ALTER TABLE cmk ADD COLUMN more BLOB",
  ])("has another schema: %s", async (statement) => {
    const path = await closed();
    sql(path, statement);
    expect(await problem(path)).toBe(format(path, "its tables are not those of a keystore"));
  });

  it("has no descriptor", async () => {
    const path = await closed();
    sql(path, "DELETE FROM descriptor");
    expect(await problem(path)).toBe(format(path, "its descriptor is missing or malformed"));
  });

  // Requirements: F13
  it("has a descriptor too large to read", async () => {
    const path = await closed();
    sql(path, "UPDATE descriptor SET facts = printf('%.*c', 20000, ' ') || facts");
    expect(await problem(path)).toBe(format(path, "its descriptor is missing or malformed"));
  });
});

describe("a damaged file", () => {
  it("is cut off, wherever", async () => {
    const path = await closed();
    const whole = readFileSync(path);
    for (let size = whole.length - 1; size > 0; size -= 1111) {
      truncateSync(path, size);
      expect(await problem(path), `${size} bytes`).toMatch(/^ERR_ENVELOPE_KEYSTORE_FORMAT: /);
      writeFileSync(path, whole);
    }
  });

  it("has pages of noise", async () => {
    const path = await closed();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096);
    writeFileSync(path, bytes);
    expect(await problem(path)).toBe(
      `ERR_ENVELOPE_KEYSTORE_FORMAT: keystore ${path}: the database is damaged; restore it from a backup`,
    );
  });
});

describe("creating", () => {
  it("makes a file that only its owner may read, in WAL mode", async () => {
    const { path } = await tempKeystore();
    for (const file of readdirSync(dirname(path))) {
      expect(statSync(join(dirname(path), file)).mode & 0o777, file).toBe(0o600);
    }
    const db = new DatabaseSync(path);
    expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(db.prepare("PRAGMA application_id").get()).toEqual({ application_id: 0x456e764b });
    db.close();
  });

  // Requirements: F8
  it.each(["", "-wal", "-shm", "-journal"])(
    "overwrites nothing: a file%s is there",
    async (suffix) => {
      const path = tempPath();
      writeFileSync(`${path}${suffix}`, "precious");
      const error = await rejection(createKeystore(path, { root: { keyFile: `${path}.key` } }));
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
      expect(readdirSync(dirname(path))).toEqual([`test.kms${suffix}`]);
      expect(readFileSync(`${path}${suffix}`, "utf8")).toBe("precious");
    },
  );

  it("follows no link, not even one to nowhere", async () => {
    const path = tempPath();
    symlinkSync(`${path}.elsewhere`, path);
    const error = await rejection(createKeystore(path, { root: { keyFile: `${path}.key` } }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    expect(existsSync(`${path}.elsewhere`)).toBe(false);
  });

  it("says that a folder is missing", async () => {
    const path = join(tempFolder(), "none", "test.kms");
    const error = await rejection(
      createKeystore(path, { root: { passphrase: "x", scryptN: 2 ** 15 } }),
    );
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
  });
});

describe("a locked file", () => {
  it("is waited for without blocking this process", async () => {
    const { path, keystore, root } = await tempKeystore();
    keystore.close();
    using patient = await openKeystore(path, { root, busyTimeout: 60_000 });
    const db = new DatabaseSync(path);
    db.exec("BEGIN IMMEDIATE");
    // The lock goes when this process has been idle a few times: it never would if the wait held it up.
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 5) db.exec("COMMIT");
    }, 5);
    await newKey(patient.as());
    clearInterval(timer);
    db.close();
    expect(ticks).toBeGreaterThanOrEqual(5);
  });

  it("ends in ERR_ENVELOPE_KEYSTORE_BUSY after the timeout, while reading continues", async () => {
    const { path, keystore, root } = await tempKeystore();
    keystore.close();
    using impatient = await openKeystore(path, { root, busyTimeout: 60 });
    const client = impatient.as();
    const KeyId = await newKey(client);
    const db = new DatabaseSync(path);
    db.exec("BEGIN IMMEDIATE");
    const error = await rejection(client.disableKey({ KeyId }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY", retryable: true });
    expect(await impatient.verify()).toEqual([]);
    db.exec("ROLLBACK");
    db.close();
    await client.disableKey({ KeyId });
  });

  it("cannot be opened while another process has it locked exclusively", async () => {
    const path = await closed();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    const root = { keyFile: `${path}.key` };
    const error = await rejection(openKeystore(path, { root, busyTimeout: 60 }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" });
    db.close();
  });
});

it("refuses calls after close, and closes twice", async () => {
  const { keystore, client } = await tempKeystore();
  keystore.close();
  keystore.close();
  expect(await rejection(client.listKeys())).toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
  expect(await rejection(client.createKey())).toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
});

/** Runs a module as another process; gives its exit code and output. */
async function child(
  source: string,
  options: { uid?: number; limitBlocks?: number },
): Promise<string> {
  const file = join(tempFolder(), "child.mjs");
  writeFileSync(file, source);
  chmodSync(dirname(file), 0o755);
  const node = [process.execPath, "--conditions=@env/source", file];
  const command =
    options.limitBlocks === undefined
      ? node
      : ["sh", "-c", `ulimit -f ${options.limitBlocks}; exec "$@"`, "sh", ...node];
  const [program = "", ...rest] = command;
  const running = spawn(program, rest, { uid: options.uid, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  running.stdout.on("data", (data: Buffer) => (output += data.toString()));
  running.stderr.on("data", (data: Buffer) => (output += data.toString()));
  await once(running, "close");
  return output.trim();
}

const index = join(import.meta.dirname, "../../src/index.ts");

describe.runIf(process.platform === "linux")("a file that cannot be written", () => {
  const nobody = 65_534;
  const asNobody = process.getuid?.() === 0 ? { uid: nobody } : {};

  it("is read-only, or in a read-only folder", async () => {
    const path = await closed();
    const folder = dirname(path);
    const open = `
      import { openKeystore } from ${JSON.stringify(index)};
      await openKeystore(${JSON.stringify(path)}, { root: { keyFile: ${JSON.stringify(`${path}.key`)} } })
        .then(() => console.log("opened"), (error) => console.log(error.code, error.message));`;
    for (const file of ["test.kms", "test.kms.key"]) {
      if (asNobody.uid !== undefined) chownSync(join(folder, file), nobody, nobody);
    }
    if (asNobody.uid !== undefined) chownSync(folder, nobody, nobody);
    expect(await child(open, asNobody)).toBe("opened");
    chmodSync(path, 0o400);
    expect(await child(open, asNobody)).toMatch(
      /^ERR_ENVELOPE_KEYSTORE_IO .*check the owner and mode/,
    );
    chmodSync(path, 0o600);
    chmodSync(folder, 0o500);
    expect(await child(open, asNobody)).toMatch(/^ERR_ENVELOPE_KEYSTORE_IO .*folder/);
    chmodSync(folder, 0o700);
  });

  /** Makes keys, many at a time, until there is no room; prints how many, and with what that ended. */
  const fill = (path: string): string => `
      import { openKeystore } from ${JSON.stringify(index)};
      process.on("SIGXFSZ", () => {});
      const root = { keyFile: ${JSON.stringify(`${path}.key`)} };
      const keystore = await openKeystore(${JSON.stringify(path)}, { root });
      const client = keystore.as();
      const Description = "x".repeat(4096);
      const made = new Set();
      let failures;
      do {
        const calls = Array.from({ length: 10 }, () => client.createKey({ Description }));
        const outcomes = await Promise.allSettled(calls);
        for (const { value } of outcomes) if (value) made.add(value.KeyMetadata.KeyId);
        failures = outcomes.filter(({ status }) => status === "rejected");
      } while (failures.length === 0);
      const { code, message } = failures[0].reason;
      console.log(JSON.stringify({ made: [...made], code, message, wrong: await keystore.verify() }));
      process.exit();`;

  /** What came of it, in that process and for the next one. */
  async function outcome(path: string, output: string): Promise<unknown> {
    const { made, ...failure } = JSON.parse(output) as { made: string[] };
    expect(made.length).toBeGreaterThan(10);
    using keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
    const { Keys } = await keystore.as().listKeys({ Limit: 1000 });
    for (const { KeyId } of Keys) {
      await keystore.as().generateDataKey({ KeyId, KeySpec: "AES_256" });
    }
    await newKey(keystore.as());
    const ids = new Set(Keys.slice(1).map(({ KeyId }) => KeyId));
    return {
      failure,
      lost: made.filter((KeyId) => !ids.delete(KeyId)),
      unasked: ids.size,
      wrong: await keystore.verify(),
    };
  }

  const expected = {
    failure: {
      code: "ERR_ENVELOPE_KEYSTORE_IO",
      message: expect.stringMatching(/nothing was changed/) as unknown,
      wrong: [],
    },
    lost: [],
    unasked: 0,
    wrong: [],
  };

  it("may not grow any more; what was there stays", async () => {
    const path = await closed();
    const output = await child(fill(path), { limitBlocks: 1000 });
    expect(await outcome(path, output)).toEqual(expected);
  });

  it("is on a disk that is full; what was there stays", async (ctx) => {
    const folder = tempFolder();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]);
    if (mounted.status !== 0) ctx.skip(`a tmpfs cannot be mounted here: ${String(mounted.stderr)}`);
    onTestFinished(() => void spawnSync("umount", ["-l", folder]));
    const path = join(folder, "test.kms");
    const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
    await newKey(keystore.as());
    keystore.close();
    writeFileSync(join(folder, "ballast"), Buffer.alloc(7_000_000));
    const output = await child(fill(path), {});
    rmSync(join(folder, "ballast"));
    expect(await outcome(path, output)).toEqual(expected);
  });
});

it("does not mind a folder with strange characters in its name", async () => {
  const folder = join(tempFolder(), "a b%20?c#d é");
  mkdirSync(folder);
  const path = join(folder, "test.kms");
  const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
  keystore.close();
  expect(existsSync(path)).toBe(true);
});
