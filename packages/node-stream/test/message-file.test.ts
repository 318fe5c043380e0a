import { execFileSync } from "node:child_process";
import { appendFile, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { Envelope } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { beforeEach, describe, expect, it } from "vitest";
import { verifyFile } from "../src/file.ts";
import { journalPath } from "../src/journal.ts";
import { openMessageFile } from "../src/message-file.ts";
import { rewrapFile } from "../src/rewrap-file.ts";
import { openEncrypted } from "../src/seek.ts";
import { decryptStream } from "../src/streams.ts";
import {
  after,
  before,
  context,
  interruptedRewrap,
  plaintext,
  withHeader,
} from "./support/interrupted.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = tempFolder();
  path = join(folder, "data.envelope");
});

const versioned = (version: number): Envelope =>
  new Envelope({ cmks: [rotatingCmk("one", version).cmk] });

async function read(name: string | URL, envelope = after): Promise<Buffer> {
  await using file = await openMessageFile(name);
  const opening = decryptStream(envelope, { context });
  const [found] = await Promise.all([
    buffer(opening),
    pipeline(file.createReadStream({ highWaterMark: 700 }), opening),
  ]);
  return found;
}

describe("openMessageFile", () => {
  it("gives the bytes of a file by any name of it, whole and in ranges", async () => {
    const { message } = await interruptedRewrap(path);
    await rm(journalPath(path));
    const link = join(folder, "link");
    await symlink(path, link);
    for (const name of [path, link, pathToFileURL(path)]) {
      await using file = await openMessageFile(name);
      expect(file.size).toBe(message.length);
      expect(Number(file.stats.size)).toBe(message.length);
      expect(await file.read(0, file.size)).toEqual(Buffer.from(message));
      expect(await file.read(500, 600)).toEqual(Buffer.from(message.subarray(500, 600)));
      expect(await file.read(7, 7)).toEqual(Buffer.alloc(0));
      expect(await buffer(file.createReadStream())).toEqual(Buffer.from(message));
    }
  });

  it("reads the header that an interrupted rewrap promised, and changes nothing", async () => {
    const { message, journal } = await interruptedRewrap(path);
    const torn = withHeader(message, new Uint8Array(512));
    await writeFile(path, torn);
    const names = await readdir(folder);
    expect(await read(path)).toEqual(Buffer.from(plaintext));
    await using file = await openMessageFile(path);
    expect(await file.read(100, 600)).toEqual(
      withHeader(message, journal.newHeader).subarray(100, 600),
    );
    expect(await readFile(path)).toEqual(torn);
    expect(await readdir(folder)).toEqual(names);
  });

  it("reads one whole header or the other during a rewrap", async () => {
    await writeFile(path, await before.encrypt(plaintext, { context, headerAlignment: 4096 }));
    const done = new AbortController();
    const rewrapping = (async () => {
      for (let i = 0; i < 25; i++) await rewrapFile(versioned(2 + i), path, { context });
      done.abort();
    })();
    const reading = (async () => {
      do expect(await read(path, versioned(99))).toEqual(Buffer.from(plaintext));
      while (!done.signal.aborted);
    })();
    await Promise.all([rewrapping, reading]);
  });

  it("ignores anything else in the place of the journal, without blocking", async () => {
    const { message, journal } = await interruptedRewrap(path);
    await writeFile(path, withHeader(message, journal.newHeader));
    await rm(journalPath(path));
    execFileSync("mkfifo", [journalPath(path)]);
    expect(await read(path)).toEqual(Buffer.from(plaintext));
    expect(await verifyFile(after, path, { context })).toMatchObject({ plaintextBytes: 20_000 });
  });

  it("refuses anything but a regular file, without blocking", async () => {
    execFileSync("mkfifo", [path]);
    const refused = { code: "EINVAL", path };
    await expect(openMessageFile(path)).rejects.toMatchObject(refused);
    await expect(openEncrypted(after, path, { context })).rejects.toMatchObject(refused);
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject(refused);
    const dry = rewrapFile(after, path, { context, dryRun: true });
    await expect(dry).rejects.toMatchObject(refused);
    await expect(openMessageFile(folder)).rejects.toMatchObject({ code: "EINVAL" });
    await expect(openMessageFile(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("rejects what is not a range, a file that has changed, and with the signal's reason", async () => {
    const { message } = await interruptedRewrap(path);
    await using file = await openMessageFile(path);
    for (const [start, end] of [
      [-1, 5],
      [5, 4],
      [0, message.length + 1],
      [0, Infinity],
      [0.5, 2],
    ] as const) {
      await expect(file.read(start, end)).rejects.toThrow(RangeError);
    }
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(file.read(0, 5, aborted)).rejects.toThrow("enough");
    await appendFile(path, "x");
    const changed = { code: "ERR_ENVELOPE_TRUNCATED" };
    await expect(file.read(0, 5)).rejects.toMatchObject(changed);
    await expect(buffer(file.createReadStream())).rejects.toMatchObject(changed);
  });
});
