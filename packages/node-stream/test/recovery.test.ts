import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Cmk, Envelope, inspect } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { beforeEach, describe, expect, it } from "vitest";
import { withFileLock } from "../src/file-lock.ts";
import { verifyFile } from "../src/file.ts";
import { decodeJournal, encodeJournal, journalPath } from "../src/journal.ts";
import { recover, recoverFile } from "../src/recovery.ts";
import { rewrapFile } from "../src/rewrap-file.ts";
import { openEncrypted } from "../src/seek.ts";
import { steppingFiles } from "./support/faulty-files.ts";
import {
  after,
  before,
  context,
  interruptedRewrap,
  plaintext,
  putJournal,
  withHeader,
} from "./support/interrupted.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = tempFolder();
  path = join(folder, "data.envelope");
});

async function requireTidy(): Promise<void> {
  expect(await readdir(folder)).toEqual(["data.envelope"]);
}

/** `use` meets a journal it may not act on, as a process without write permission does. */
const asReader = (use: () => Promise<void>): Promise<void> => withFileLock(path, use);

describe("recoverFile", () => {
  it("finishes a rewrap over the old header, the new header, and any mixture of them", async () => {
    const { journal, message } = await interruptedRewrap(path);
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
      await putJournal(path, encodeJournal(journal));
      expect(await recoverFile(path)).toBe("finished");
      expect(await readFile(path)).toEqual(expected);
      expect(await recoverFile(path)).toBe("none");
      expect(await readFile(path)).toEqual(expected);
    }
    expect(await after.decrypt(expected, { context })).toEqual(plaintext);
    await requireTidy();
  });

  it("removes a torn journal of any length and leaves the file alone", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const bytes = encodeJournal(journal);
    for (let length = 0; length < bytes.length; length += length < 200 ? 7 : 31) {
      await putJournal(path, bytes.subarray(0, length));
      expect(await recoverFile(path)).toBe("discarded");
      expect(await recoverFile(path)).toBe("none");
    }
    expect(await readFile(path)).toEqual(Buffer.from(message));
    await requireTidy();
  });

  it("keeps a torn journal where the header is torn as well: its bytes may be the last copy", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const torn = encodeJournal(journal).subarray(0, -1);
    await putJournal(path, torn);
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(torn));
  });

  // Requirements: E37
  it.each([
    ["a file of another size", (m: Uint8Array) => Buffer.concat([m, Buffer.of(0)]), "DECRYPT"],
    ["a file with another payload", (m: Uint8Array) => m.with(567, (m[567] ?? 0) ^ 1), "DECRYPT"],
    ["a file that is shorter than its header", (m: Uint8Array) => m.subarray(0, 100), "TRUNCATED"],
  ])("never applies a journal to %s; readers use the file as it is", async (_, alter, code) => {
    const { journal, message } = await interruptedRewrap(path);
    const other = alter(message);
    await writeFile(path, other);
    const refused = {
      code: "ERR_ENVELOPE_FORMAT",
      message: expect.stringContaining("does not belong"),
    };
    await expect(recoverFile(path)).rejects.toMatchObject(refused);
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject(refused);
    const dry = rewrapFile(after, path, { context, dryRun: true });
    await expect(dry).rejects.toMatchObject(refused);
    const damaged = { code: `ERR_ENVELOPE_${code}` };
    await expect(verifyFile(after, path, { context })).rejects.toMatchObject(damaged);
    await asReader(async () => {
      await expect(verifyFile(after, path, { context })).rejects.toMatchObject(damaged);
    });
    expect(await readFile(path)).toEqual(Buffer.from(other));
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(encodeJournal(journal)));
  });

  it("refuses a journal of an earlier rewrap that was put back; readers use the file as it is", async () => {
    const { message } = await interruptedRewrap(path);
    const kept = await readFile(journalPath(path));
    expect(await recoverFile(path)).toBe("finished");
    const later = new Envelope({ cmks: [rotatingCmk("one", 3).cmk] });
    expect(await rewrapFile(later, path, { context })).toMatchObject({ method: "in-place" });
    const now = await readFile(path);
    await putJournal(path, kept);
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
    expect(await verifyFile(later, path, { context })).toMatchObject({
      messageBytes: message.length,
    });
    expect(await readFile(path)).toEqual(now);
  });

  // Requirements: E37
  it("never applies a journal that was moved beside another file", async () => {
    await interruptedRewrap(path);
    const other = join(folder, "other.envelope");
    await writeFile(other, await before.encrypt(plaintext, { context, headerAlignment: 512 }));
    await rename(journalPath(path), journalPath(other));
    await expect(recoverFile(other)).rejects.toMatchObject({ code: "ERR_ENVELOPE_FORMAT" });
    expect(await recoverFile(path)).toBe("none");
  });

  // Requirements: E40
  it("never applies a journal of a later version", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const later = encodeJournal(journal);
    later[4] = 2;
    await putJournal(path, later);
    await expect(recoverFile(path)).rejects.toMatchObject({ code: "ERR_ENVELOPE_UNSUPPORTED" });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    expect(await readFile(journalPath(path))).toEqual(Buffer.from(later));
  });

  // Requirements: E36
  it.each<[string, () => Promise<unknown>]>([
    ["a pipe", async () => execFileSync("mkfifo", [journalPath(path)])],
    ["a folder", () => mkdir(journalPath(path))],
    ["a symbolic link", () => symlink("nowhere", journalPath(path))],
  ])("refuses %s in the place of the journal, and readers ignore it", async (_, put) => {
    await interruptedRewrap(path);
    await rm(journalPath(path));
    await put();
    const inTheWay = { code: "EEXIST", path: journalPath(path) };
    await expect(recoverFile(path)).rejects.toMatchObject(inTheWay);
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject(inTheWay);
    expect(await verifyFile(before, path, { context })).toMatchObject({ plaintextBytes: 20_000 });
    await using reader = await openEncrypted(before, path, { context });
    expect(await reader.size()).toBe(20_000);
  });

  it("does not follow a symbolic link to the file", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const name = join(folder, "link");
    await symlink(path, name);
    await rename(journalPath(path), journalPath(name));
    await expect(recoverFile(name)).rejects.toMatchObject({ code: "ELOOP" });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    expect(decodeJournal(await readFile(journalPath(name)))).toEqual(journal);
  });

  it("finishes a rewrap once when it is called many times concurrently", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => recoverFile(path)));
    const outcomes = results.map((r) => (r.status === "fulfilled" ? r.value : r.reason.code));
    expect(outcomes.filter((outcome) => outcome === "finished")).toHaveLength(1);
    for (const outcome of outcomes) expect(["finished", "none", "EBUSY"]).toContain(outcome);
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await requireTidy();
  });

  it("reports none for a file without a journal, and creates no lock for it", async () => {
    await writeFile(path, "");
    const { ino, mtimeMs } = await stat(folder);
    expect(await recoverFile(path)).toBe("none");
    expect(await stat(folder)).toMatchObject({ ino, mtimeMs });
    expect(await recoverFile(join(folder, "x".repeat(250)))).toBe("none");
  });
});

describe("rewrapFile beside a journal", () => {
  it("finishes the interrupted rewrap first", async () => {
    const { journal, message } = await interruptedRewrap(path);
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    expect(await rewrapFile(after, path, { context })).toMatchObject({ changed: false });
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await requireTidy();
  });

  it("does not overwrite a journal that appears meanwhile", async () => {
    const { message } = await interruptedRewrap(path);
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

  // Requirements: E34
  it("writes, forces to the disk, and only then removes the journal", async () => {
    await interruptedRewrap(path);
    const seen: string[] = [];
    const files = steppingFiles((step) => void seen.push(step));
    expect(await recover(files, path)).toBe("finished");
    expect(seen.slice(0, 3)).toEqual(steps);
    expect(seen.slice(3)).toEqual([`sync ${basename(folder)}`]);
  });

  it.each([0, 1, 2, 3])("that fails at step %d can be repeated", async (fatal) => {
    const { journal, message } = await interruptedRewrap(path);
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
  it("finishes the interrupted rewrap first", async () => {
    const { journal, message } = await interruptedRewrap(path);
    await writeFile(path, withHeader(message, new Uint8Array(512)));
    const name = join(folder, "link");
    await symlink(path, name); // The journal is beside the file, not beside its link.
    await using reader = await openEncrypted(after, name, { context });
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
    expect(await readFile(path)).toEqual(withHeader(message, journal.newHeader));
    await rm(name);
    await requireTidy();
  });

  it("uses the journal's header if it may not write, and changes nothing", async () => {
    const { journal, message } = await interruptedRewrap(path);
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
    const { journal } = await interruptedRewrap(path);
    await putJournal(path, encodeJournal(journal).subarray(0, 300));
    await asReader(async () => {
      await using reader = await openEncrypted(before, path, { context });
      expect(await reader.read(0, Infinity)).toEqual(plaintext);
    });
  });

  it("reads the header again if a rewrap wrote it during the read", async () => {
    const { journal, message } = await interruptedRewrap(path);
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

  it("does not read on if the header stays as it is", async () => {
    await interruptedRewrap(path);
    await rm(journalPath(path));
    const { cmk, calls } = rotatingCmk("one", 2);
    const other = openEncrypted(new Envelope({ cmks: [cmk] }), path, { context: { tenant: "x" } });
    await expect(other).rejects.toMatchObject({ code: "ERR_ENVELOPE_DECRYPT" });
    expect(calls()).toBe(1);
  });
});
