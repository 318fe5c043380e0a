import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, link, mkdir, open, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Envelope } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { beforeEach, describe, expect, it } from "vitest";
import { nodeFileSystem } from "../src/file-system.ts";
import {
  decodeJournal,
  encodeJournal,
  findJournal,
  journalPath,
  type Found,
  type Journal,
} from "../src/journal.ts";
import {
  after,
  context,
  interruptedRewrap,
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

describe("a journal", () => {
  it("has the bytes of the specification", () => {
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

  it("is torn if it has any other length", async () => {
    const { journal } = await interruptedRewrap(path);
    const bytes = encodeJournal(journal);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeJournal(bytes.subarray(0, length)), `${length}`).toBeUndefined();
    }
    expect(decodeJournal(new Uint8Array([...bytes, 0]))).toBeUndefined();
    const uneven = encodeJournal({ ...journal, newHeader: journal.newHeader.subarray(1) });
    expect(decodeJournal(uneven)).toBeUndefined();
    expect(decodeJournal(bytes)).toEqual(journal);
  });

  // Requirements: E40
  it("is torn if any bit is altered, except for a later version, which is refused", async () => {
    const { journal } = await interruptedRewrap(path);
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

describe("findJournal", () => {
  const find = async (): Promise<Found> => {
    await using file = await open(path);
    return await findJournal(nodeFileSystem, path, file);
  };
  const misfit = (reason: string): unknown => ({
    kind: "misfit",
    reason: expect.stringContaining(reason),
  });

  // Requirements: E39
  it("believes a journal beside the old header, the new one, and what a torn write leaves", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const { oldHeader, newHeader } = journal;
    const headers = [oldHeader, newHeader, new Uint8Array(512), Buffer.alloc(512, 0xff)];
    for (let at = 16; at < 512; at += 16) {
      headers.push(Buffer.concat([newHeader.subarray(0, at), oldHeader.subarray(at)]));
      headers.push(Buffer.concat([newHeader.subarray(0, at), Buffer.alloc(512 - at)]));
      headers.push(Buffer.concat([Buffer.alloc(at), newHeader.subarray(at)]));
    }
    for (const header of headers) {
      await writeFile(path, withHeader(message, header));
      expect(await find()).toEqual({ kind: "pending", journal });
    }
  });

  // Requirements: E39
  it("does not believe a journal of an earlier rewrap", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const later = new Envelope({ cmks: [rotatingCmk("one", 3).cmk] });
    const { message: header } = await later.rewrap(journal.newHeader, { context });
    await writeFile(path, withHeader(message, header));
    expect(await find()).toEqual(misfit("the header is another"));
  });

  // Requirements: E38
  it("does not believe a journal whose two headers belong to different messages", async () => {
    const { journal, message } = await interruptedRewrap(path);
    const { newHeader } = journal;
    const stored = { context, storeContext: true, headerAlignment: 512 };
    const other = (await after.encrypt(new Uint8Array(9), stored)).subarray(0, 512);
    const short = { context, headerAlignment: 256 };
    const shorter = (await after.encrypt(new Uint8Array(9), short)).subarray(0, 256);
    const none = detached(newHeader).subarray(0, 10);
    const cases: [why: string, journal: Partial<Journal>][] = [
      ["no header", { newHeader: new Uint8Array(512).fill(0x45) }],
      ["no header before", { oldHeader: new Uint8Array(512) }],
      ["a header and more", { newHeader: withHeader(new Uint8Array(512), shorter) }],
      ["another preamble", { newHeader: other }],
      ["another stored context", { oldHeader: other, newHeader: contextChanged(other) }],
      ["no key block", { newHeader: detached(newHeader) }],
      ["no key block in either", { oldHeader: none, newHeader: none }],
    ];
    for (const [why, changed] of cases) {
      await putJournal(path, encodeJournal({ ...journal, ...changed }));
      expect(await find(), why).toEqual(misfit("not two headers of one message"));
      await writeFile(path, withHeader(message, Buffer.alloc(512))); // Nor where the file's is torn.
      expect(await find(), why).toEqual(misfit("not two headers of one message"));
    }
  });

  // Requirements: E37
  it("does not believe a journal if the file has another size, another payload, or is gone", async () => {
    const { message } = await interruptedRewrap(path);
    await writeFile(path, Buffer.concat([message, Buffer.of(0)]));
    expect(await find()).toEqual(misfit(`${message.length + 1} bytes`));
    await writeFile(path, message.subarray(0, 100));
    expect(await find()).toEqual(misfit("100 bytes"));
    for (const at of [512, 567]) {
      const altered = new Uint8Array(message);
      altered[at] = (altered[at] ?? 0) ^ 1;
      await writeFile(path, altered);
      expect(await find()).toEqual(misfit("the payload is another"));
    }
    expect(await findJournal(nodeFileSystem, path, undefined)).toEqual(misfit("gone"));
  });

  // Requirements: E35, E36
  it.each<[string, (journal: string) => Promise<unknown>]>([
    ["a pipe", async (name) => execFileSync("mkfifo", [name])],
    ["a folder", (name) => mkdir(name)],
    ["a symbolic link", (name) => symlink(join(folder, "whole"), name)],
    ["a file with another name", (name) => link(join(folder, "whole"), name)],
    ["a file that the group may write", (name) => copy(name, 0o620)],
    ["a file that everybody may write", (name) => copy(name, 0o602)],
  ])("does not even open %s", async (_, put) => {
    const { journal } = await interruptedRewrap(path);
    await rm(journalPath(path));
    await writeFile(join(folder, "whole"), encodeJournal(journal), { mode: 0o600 });
    await put(journalPath(path));
    let opened = 0;
    const files = {
      ...nodeFileSystem,
      open: (...args: Parameters<typeof open>) => {
        opened++;
        return open(...args);
      },
    };
    await using file = await open(path);
    expect(await findJournal(files, path, file)).toEqual({ kind: "foreign" });
    expect(opened).toBe(0);
  });

  // Requirements: E36
  it("checks again what it has opened, and does not block", async () => {
    await interruptedRewrap(path);
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    const exchanged = {
      ...nodeFileSystem,
      open: (_: unknown, flags?: string | number) => open(fifo, flags),
    };
    await using file = await open(path);
    expect(await findJournal(exchanged, path, file)).toEqual({ kind: "foreign" });
  });

  // Requirements: E35
  it.skipIf(process.geteuid?.() !== 0)(
    "believes the owner of the file, and no other user",
    async () => {
      const { journal } = await interruptedRewrap(path);
      await chown(journalPath(path), 54_321, 54_321);
      expect(await find()).toEqual({ kind: "foreign" });
      await chown(path, 54_321, 54_321);
      expect(await find()).toEqual({ kind: "pending", journal });
    },
  );

  it("reports an incomplete journal as torn, and a missing one as nothing", async () => {
    const { journal } = await interruptedRewrap(path);
    await putJournal(path, encodeJournal(journal).subarray(0, -1));
    expect(await find()).toEqual({ kind: "torn" });
    await rm(journalPath(path));
    expect(await find()).toEqual({ kind: "nothing" });
  });

  async function copy(name: string, mode: number): Promise<void> {
    await writeFile(name, await readWhole());
    await chmod(name, mode);
  }
  const readWhole = async (): Promise<Buffer> => {
    await using file = await open(join(folder, "whole"));
    return await file.readFile();
  };
});

/** One bit of the value of the stored context, which a header is as well with. */
function contextChanged(header: Uint8Array): Uint8Array {
  const at = Buffer.from(header).indexOf("acme");
  return header.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

/** A header whose key block is elsewhere, and then nothing. */
function detached(header: Uint8Array): Uint8Array {
  return withHeader(new Uint8Array(header.length), header.slice(0, 8));
}
