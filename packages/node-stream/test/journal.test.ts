import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chown,
  copyFile,
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cmk, Envelope, inspect } from "@env/core";
import { lockPath, withFileLock } from "../src/file-lock.ts";
import {
  decodeJournal,
  encodeJournal,
  journalPath,
  recover,
  recoverFile,
  type Journal,
} from "../src/journal.ts";
import { rewrapFile } from "../src/rewrap-file.ts";
import { openEncrypted } from "../src/seek.ts";
import { steppingFiles } from "./support/faulty-files.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";

const context = { tenant: "acme" };
const plaintext = new Uint8Array(20_000).map((_, i) => (i >> 8) ^ i);
const before = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
const after = new Envelope({ cmks: [rotatingCmk("one", 2).cmk] });

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "env-journal-"));
  path = join(folder, "data.envelope");
});
afterEach(() => rm(folder, { recursive: true }));

interface Interrupted {
  readonly journal: Journal;
  readonly message: Uint8Array;
}

/** A file with its old header, and the journal of a rewrap beside it. */
async function interrupted(): Promise<Interrupted> {
  const message = await before.encrypt(plaintext, { context, headerAlignment: 512 });
  const { message: newHeader } = await after.rewrap(message.subarray(0, 512), { context });
  const journal: Journal = {
    fileBytes: message.length,
    prefix: message.subarray(512, 568),
    oldHeader: message.subarray(0, 512),
    newHeader,
  };
  await writeFile(path, message);
  await writeFile(journalPath(path), encodeJournal(journal));
  return { journal, message };
}

const withHeader = (message: Uint8Array, header: Uint8Array): Buffer =>
  Buffer.concat([header, message.subarray(header.length)]);

async function requireTidy(): Promise<void> {
  expect(await readdir(folder)).toEqual(["data.envelope"]);
}

/** `use` meets a journal it may not act on, as a process without write permission does. */
const asReader = (use: () => Promise<void>): Promise<void> => withFileLock(path, use);

describe("a journal", () => {
  it("has the bytes that the documentation says", () => {
    const journal: Journal = {
      fileBytes: 0x1_0000_0002,
      prefix: new Uint8Array(56).fill(0xaa),
      oldHeader: Uint8Array.of(1, 2, 3),
      newHeader: Uint8Array.of(4, 5, 6),
    };
    const body = Buffer.from(
      `8e454e4a010000000000000100000002${"aa".repeat(56)}0000000300000003010203040506`,
      "hex",
    );
    const checksum = createHash("sha256").update(body).digest();
    const bytes = encodeJournal(journal);
    expect(Buffer.from(bytes).toString("hex")).toBe(
      Buffer.concat([body, checksum]).toString("hex"),
    );
    expect(decodeJournal(bytes)).toEqual(journal);
  });

  it("is torn at every length but its own", async () => {
    const { journal } = await interrupted();
    const bytes = encodeJournal(journal);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeJournal(bytes.subarray(0, length)), `${length}`).toBeUndefined();
    }
    expect(decodeJournal(new Uint8Array([...bytes, 0]))).toBeUndefined();
    const uneven = encodeJournal({ ...journal, newHeader: journal.newHeader.subarray(1) });
    expect(decodeJournal(uneven)).toBeUndefined();
    expect(decodeJournal(bytes)).toEqual(journal);
  });

  it("is torn with any bit altered, and refused as of a later version", async () => {
    const { journal } = await interrupted();
    for (let at = 0; at < encodeJournal(journal).length; at++) {
      if (at === 4) continue;
      const bytes = encodeJournal(journal);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      expect(decodeJournal(bytes), `${at}`).toBeUndefined();
    }
    const later = encodeJournal(journal);
    later[4] = 2;
    expect(() => decodeJournal(later)).toThrow(
      expect.objectContaining({ code: "ERR_ENVELOPE_UNSUPPORTED" }),
    );
    later[4] = 0;
    expect(decodeJournal(later)).toBeUndefined();
  });
});

describe("recoverFile", () => {
  it("finishes over the old header, the new header, and all between", async () => {
    const { journal, message } = await interrupted();
    const { oldHeader, newHeader } = journal;
    const expected = withHeader(message, newHeader);
    const torn: Uint8Array[] = [oldHeader, newHeader, new Uint8Array(512)];
    for (let at = 1; at < 512; at += at < 150 ? 5 : 51) {
      torn.push(Buffer.concat([newHeader.subarray(0, at), oldHeader.subarray(at)]));
      torn.push(Buffer.concat([oldHeader.subarray(0, at), newHeader.subarray(at)]));
      torn.push(Buffer.concat([newHeader.subarray(0, at), Buffer.alloc(512 - at)]));
    }
    for (const header of torn) {
      await writeFile(path, withHeader(message, header));
      await writeFile(journalPath(path), encodeJournal(journal));
      expect(await recoverFile(path)).toBe("finished");
      expect(await readFile(path)).toEqual(expected);
      expect(await recoverFile(path)).toBe("none");
      expect(await readFile(path)).toEqual(expected);
    }
    expect(await after.decrypt(expected, { context })).toEqual(plaintext);
    await requireTidy();
  });

  it("removes a torn journal of any length and leaves the file alone", async () => {
    const { journal, message } = await interrupted();
    const bytes = encodeJournal(journal);
    for (let length = 0; length < bytes.length; length += length < 200 ? 7 : 31) {
      await writeFile(journalPath(path), bytes.subarray(0, length));
      expect(await recoverFile(path)).toBe("discarded");
      expect(await recoverFile(path)).toBe("none");
    }
    expect(await readFile(path)).toEqual(Buffer.from(message));
    await requireTidy();
  });

  it("keeps a torn journal where the header is torn as well: its bytes may be the last copy", async () => {
    const { journal, message } = await interrupted();
    const torn = encodeJournal(journal).subarray(0, -1);
    await writeFile(journalPath(path), torn);
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(torn));
  });

  it.each([
    ["a file of another size", (m: Uint8Array) => Buffer.concat([m, Buffer.of(0)])],
    ["a file with another payload", (m: Uint8Array) => m.map((b, i) => (i === 567 ? b ^ 1 : b))],
    ["a file that is shorter than its header", (m: Uint8Array) => m.subarray(0, 100)],
  ])("never applies a journal to %s", async (_, alter) => {
    const { journal, message } = await interrupted();
    const other = alter(message);
    await writeFile(path, other);
    const refused = {
      code: "ERR_ENVELOPE_FORMAT",
      message: expect.stringContaining("does not belong"),
    };
    await expect(recoverFile(path)).rejects.toMatchObject(refused);
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject(refused);
    await expect(openEncrypted(after, path, { context })).rejects.toMatchObject(refused);
    await asReader(async () => {
      await expect(openEncrypted(after, path, { context })).rejects.toMatchObject(refused);
    });
    expect(await readFile(path)).toEqual(Buffer.from(other));
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(encodeJournal(journal)));
  });

  it("never applies a journal that was moved beside another file", async () => {
    await interrupted();
    const other = join(folder, "other.envelope");
    await writeFile(other, await before.encrypt(plaintext, { context, headerAlignment: 512 }));
    await rename(journalPath(path), journalPath(other));
    await expect(recoverFile(other)).rejects.toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
    expect(await recoverFile(path)).toBe("none");
  });

  it("never applies a journal of a later version", async () => {
    const { journal, message } = await interrupted();
    const later = encodeJournal(journal);
    later[4] = 2;
    await writeFile(journalPath(path), later);
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ERR_ENVELOPE_UNSUPPORTED" });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(later));
  });

  it.skipIf(process.geteuid?.() !== 0)("never applies another user's journal", async () => {
    const { message } = await interrupted();
    await chown(journalPath(path), 54_321, 54_321);
    await expect(recoverFile(path)).rejects.toMatchObject({
      code: "ERR_ENVELOPE_FORMAT",
      message: expect.stringContaining("another user"),
    });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    await chown(path, 54_321, 54_321); // The owner of the file may have rewrapped it.
    expect(await recoverFile(path)).toBe("finished");
  });

  it("follows no symbolic link, of the file or of the journal", async () => {
    const { journal, message } = await interrupted();
    const real = join(folder, "real");
    await rename(journalPath(path), real);
    await symlink(real, journalPath(path));
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ELOOP" });
    await rm(journalPath(path));
    const name = join(folder, "link");
    await symlink(path, name);
    await copyFile(real, journalPath(name));
    await expect(recoverFile(name)).rejects.toMatchObject({ code: "ELOOP" });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    expect(decodeJournal(await readFile(journalPath(name)))).toEqual({
      ...journal,
      prefix: new Uint8Array(journal.prefix),
      oldHeader: new Uint8Array(journal.oldHeader),
    });
  });

  it("many times at once finishes once", async () => {
    const { journal, message } = await interrupted();
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => recoverFile(path)));
    const outcomes = results.map((r) => (r.status === "fulfilled" ? r.value : r.reason.code));
    expect(outcomes.filter((outcome) => outcome === "finished")).toHaveLength(1);
    for (const outcome of outcomes) expect(["finished", "none", "EBUSY"]).toContain(outcome);
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await requireTidy();
  });

  it("says none of a file without a journal, and makes no lock for it", async () => {
    await writeFile(path, "");
    const { ino, mtimeMs } = await stat(folder);
    expect(await recoverFile(path)).toBe("none");
    expect(await stat(folder)).toMatchObject({ ino, mtimeMs });
    expect(await recoverFile(join(folder, "x".repeat(250)))).toBe("none");
  });
});

describe("rewrapFile beside a journal", () => {
  it("finishes that rewrap first", async () => {
    const { journal, message } = await interrupted();
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    expect(await rewrapFile(after, path, { context })).toMatchObject({ changed: false });
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await requireTidy();
  });

  it("overwrites none that appears meanwhile", async () => {
    const { message } = await interrupted();
    await rm(journalPath(path));
    const { driver } = rotatingCmk("one", 2);
    const cmk = new Cmk({
      ...driver,
      async wrap(request) {
        await writeFile(journalPath(path), "somebody's");
        return driver.wrap(request);
      },
    });
    const call = rewrapFile(new Envelope({ cmks: [cmk] }), path, { context });
    await expect(call).rejects.toMatchObject({ code: "EEXIST" });
    expect(await readFile(journalPath(path), "utf8")).toBe("somebody's");
    expect(await readFile(path)).toEqual(Buffer.from(message));
  });
});

describe("a recovery", () => {
  const steps = [
    "write data.envelope",
    "sync data.envelope",
    "unlink .data.envelope.envelope-journal",
  ];

  it("writes, forces to the disk, and only then removes the journal", async () => {
    await interrupted();
    const seen: string[] = [];
    const files = steppingFiles((step) => void seen.push(step));
    expect(await recover(files, path)).toBe("finished");
    expect(seen.slice(0, 3)).toEqual(steps);
    expect(seen.slice(3)).toEqual([`sync ${basename(folder)}`]);
  });

  it.each([0, 1, 2, 3])("that fails at step %d can be made again", async (fatal) => {
    const { journal, message } = await interrupted();
    let at = 0;
    const files = steppingFiles((step) => {
      if (step === "half written" || at++ === fatal) {
        if (step.startsWith("write")) return "half";
        throw Object.assign(new Error(step), { code: "EIO" });
      }
      return undefined;
    });
    await expect(recover(files, path)).rejects.toMatchObject({ code: "EIO" });
    await recoverFile(path);
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await requireTidy();
  });
});

describe("openEncrypted beside a journal", () => {
  it("finishes the rewrap first", async () => {
    const { journal, message } = await interrupted();
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    const name = join(folder, "link");
    await symlink(path, name); // The journal is beside the file, not beside its link.
    await using reader = await openEncrypted(after, name, { context });
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await rm(name);
    await requireTidy();
  });

  it("reads with the journal's header where it may not write, and changes nothing", async () => {
    const { journal, message } = await interrupted();
    const torn = withHeader(message, new Uint8Array(512));
    await writeFile(path, torn);
    await asReader(async () => {
      await using reader = await openEncrypted(after, path, { context });
      expect(await reader.read(0, Infinity)).toEqual(plaintext);
    });
    const dry = await rewrapFile(after, path, { context, dryRun: true });
    expect(dry).toMatchObject({ changed: false, entries: [{ fromVersion: "2" }] });
    expect(await readFile(path)).toEqual(torn);
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(encodeJournal(journal)));
  });

  it("reads the file's own header where the journal is torn", async () => {
    const { journal } = await interrupted();
    await writeFile(journalPath(path), encodeJournal(journal).subarray(0, 300));
    await asReader(async () => {
      await using reader = await openEncrypted(before, path, { context });
      expect(await reader.read(0, Infinity)).toEqual(plaintext);
    });
  });

  it("looks again where a rewrap was writing the header under its read", async () => {
    const { journal, message } = await interrupted();
    await rm(journalPath(path));
    // Whole by its form, but its wrapped key is half of the old one and half of the new.
    const at = 60;
    const { newHeader, oldHeader } = journal;
    const torn = Buffer.concat([newHeader.subarray(0, at), oldHeader.subarray(at)]);
    expect(inspect(torn).headerBytes).toBe(512);
    await writeFile(path, withHeader(message, torn));
    const { driver, calls } = rotatingCmk("one", 2);
    const cmk = new Cmk({
      ...driver,
      async unwrap(request) {
        if (calls() === 0) await writeFile(path, withHeader(message, newHeader), { flag: "r+" });
        return driver.unwrap(request);
      },
    });
    const envelope = new Envelope({ cmks: [cmk] });
    await using reader = await openEncrypted(envelope, path, { context });
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
    expect(calls()).toBe(2);
  });

  it("looks no further where the header stays as it is", async () => {
    await interrupted();
    await rm(journalPath(path));
    const { cmk, calls } = rotatingCmk("one", 2);
    const other = openEncrypted(new Envelope({ cmks: [cmk] }), path, { context: { tenant: "x" } });
    await expect(other).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    expect(calls()).toBe(1);
  });
});

describe("the lock", () => {
  it("is held by one at a time, and free again after errors", async () => {
    await withFileLock(path, async () => {
      await expect(withFileLock(path, async () => 1)).rejects.toMatchObject({
        code: "EBUSY",
        path,
      });
      expect(await withFileLock(join(folder, "other"), async () => 2)).toBe(2);
      expect(await readdir(folder)).toEqual([".data.envelope.envelope-lock"]);
      const { mode, size } = await lstat(lockPath(path));
      expect([mode & 0o777, size]).toEqual([0o600, 0]);
    });
    const failing = withFileLock(path, () => Promise.reject(new Error("inside")));
    await expect(failing).rejects.toThrow("inside");
    expect(await withFileLock(path, async () => 3)).toBe(3);
    expect(await readdir(folder)).toEqual([]);
  });

  it("never lets two in, however many try", async () => {
    let inside = 0;
    let most = 0;
    let entered = 0;
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await withFileLock(path, async () => {
          most = Math.max(most, ++inside);
          entered++;
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
        }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "EBUSY") throw error;
          return new Promise((resolve) => setImmediate(resolve));
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    expect(most).toBe(1);
    expect(entered).toBeGreaterThan(10);
  });

  it("lets no two of several processes in, however often it changes hands", async () => {
    const script = join(import.meta.dirname, "support/locking-process.ts");
    const children = Array.from({ length: 3 }, () =>
      fork(script, [path, "800"], { execArgv: ["--conditions=@env/source"] }),
    );
    const reports = await Promise.all(
      children.map(async (child) => {
        const [report] = (await once(child, "message")) as [{ entered: number; broken: number }];
        return report;
      }),
    );
    for (const { entered, broken } of reports) {
      expect(entered).toBeGreaterThan(0);
      expect(broken).toBe(0);
    }
  });

  it("holds against other processes, and ends with a process that is killed", async () => {
    const script = join(import.meta.dirname, "support/holding-process.ts");
    const child = fork(script, [path], { execArgv: ["--conditions=@env/source"] });
    await once(child, "message");
    await expect(withFileLock(path, async () => 1)).rejects.toMatchObject({ code: "EBUSY" });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await readdir(folder)).toHaveLength(1);
    expect(await withFileLock(path, async () => 2)).toBe(2);
    expect(await readdir(folder)).toEqual([]);
  });

  it("does not use what lies in its way", async () => {
    await using file = await open(lockPath(path), "w");
    await file.write("something");
    await expect(withFileLock(path, async () => 1)).rejects.toMatchObject({ code: "EEXIST" });
    expect(await readFile(lockPath(path), "utf8")).toBe("something");
  });
});
