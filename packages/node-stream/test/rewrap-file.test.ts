import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  link,
  lstat,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Cmk, detachKeyBlock, Envelope, inspect } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { forked } from "@env/testkit/programs";
import { beforeEach, describe, expect, it } from "vitest";
import { withFileLock } from "../src/file-lock.ts";
import { recoverFile } from "../src/recovery.ts";
import { rewrapFile, rewrapFileOn } from "../src/rewrap-file.ts";
import { openEncrypted } from "../src/seek.ts";
import { steppingFiles, type BeforeStep } from "./support/faulty-files.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";

const context = { tenant: "acme" };
const aad = Uint8Array.of(1, 2, 3);
const plaintext = new Uint8Array(100_000).map((_, i) => (i >> 8) ^ i);
/** A key id that needs more room than the padding of a 512-byte header. */
const WIDE = "w".repeat(500);

const before = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
const after = new Envelope({ cmks: [rotatingCmk("one", 2).cmk] });
const wider = new Envelope({ cmks: [rotatingCmk("one", 2).cmk, rotatingCmk(WIDE, 1).cmk] });

let folder = "";
let path = "";
beforeEach(() => {
  folder = tempFolder();
  path = join(folder, "data.envelope");
});

async function store(headerAlignment = 512): Promise<Uint8Array> {
  const message = await before.encrypt(plaintext, { context, aad, headerAlignment });
  await writeFile(path, message);
  return message;
}

const payloadHash = (message: Uint8Array): string =>
  createHash("sha256")
    .update(message.subarray(inspect(message).headerBytes))
    .digest("hex");

const versionOf = (message: Uint8Array): number | undefined =>
  inspect(message).entries?.find(({ keyId }) => keyId === "one")?.wrapped[0];

/** Nothing but the file is left in the folder. */
async function requireTidy(): Promise<void> {
  expect(await readdir(folder)).toEqual(["data.envelope"]);
}

describe("rewrapFile", () => {
  it("overwrites the header alone, where the new key block fits the padding", async () => {
    const message = await store();
    await chmod(path, 0o640);
    const old = await stat(path);
    const result = await rewrapFile(after, path, { context });
    expect(result).toEqual({
      changed: true,
      plaintextSeen: true,
      entries: [
        {
          provider: "rotating",
          keyId: "one",
          action: "rewrapped",
          fromVersion: "1",
          keyVersion: "2",
        },
      ],
      wrapped: 1,
      cmks: 1,
      method: "in-place",
      bytesWritten: 512,
    });
    const now = await readFile(path);
    expect(payloadHash(now)).toBe(payloadHash(message));
    expect(versionOf(now)).toBe(2);
    expect(await after.decrypt(now, { context, aad })).toEqual(plaintext);
    const { ino, mode } = await stat(path);
    expect([ino, mode]).toEqual([old.ino, old.mode]);
    await requireTidy();
  });

  it("adds a CMK in place while the padding holds it", async () => {
    await store(4096);
    const result = await rewrapFile(wider, pathToFileURL(path), { context });
    expect(result).toMatchObject({ method: "in-place", bytesWritten: 4096 });
    const other = new Envelope({ cmks: [rotatingCmk(WIDE, 1).cmk] });
    expect(await other.decrypt(await readFile(path), { context, aad })).toEqual(plaintext);
  });

  it("rewraps in place without padding where the entries are as long as before", async () => {
    const message = await store(1);
    const { method } = await rewrapFile(after, path, { context });
    expect(method).toBe("in-place");
    const now = await readFile(path);
    expect(payloadHash(now)).toBe(payloadHash(message));
    expect(await after.decrypt(now, { context, aad })).toEqual(plaintext);
  });

  it("writes a new file where the key block does not fit, and keeps the mode", async () => {
    const message = await store();
    await chmod(path, 0o640);
    const old = await stat(path);
    await using reader = await openEncrypted(before, path, { context, aad, cacheChunks: 0 });
    const result = await rewrapFile(wider, path, { context });
    const now = await readFile(path);
    expect(result).toMatchObject({ changed: true, method: "copied", bytesWritten: now.length });
    expect(inspect(now).headerBytes).toBe(4096);
    expect(payloadHash(now)).toBe(payloadHash(message));
    expect(await wider.decrypt(now, { context, aad })).toEqual(plaintext);
    const { ino, mode } = await stat(path);
    expect(ino).not.toBe(old.ino);
    expect(mode).toBe(old.mode);
    expect(await reader.read(0, Infinity)).toEqual(plaintext); // Of the file it opened.
    await requireTidy();
  });

  it("reports the progress of a copy, and none for a header in place", async () => {
    const message = await store();
    const seen: { bytes: number; total: number }[] = [];
    const onProgress = (progress: { bytes: number; total: number }): void =>
      void seen.push(progress);
    await rewrapFile(after, path, { context, onProgress });
    expect(seen).toEqual([]);
    await rewrapFile(wider, path, { context, onProgress });
    const total = message.length - 512;
    expect(seen.at(-1)).toEqual({ bytes: total, total });
  });

  it("removes what a killed copy has left, even if it has nothing else to do", async () => {
    await store();
    await writeFile(join(folder, ".data.envelope.envelope-part"), "half of it");
    await rewrapFile(before, path, { context, dryRun: true });
    expect(await readdir(folder)).toHaveLength(2);
    expect(await rewrapFile(before, path, { context })).toMatchObject({ method: "none" });
    await requireTidy();
  });

  it("removes the entries of the CMKs in `from`", async () => {
    await store(4096);
    const moved = new Envelope({ cmks: [rotatingCmk("two", 1).cmk] });
    const from = [rotatingCmk("one", 1).cmk];
    const { entries } = await rewrapFile(moved, path, { context, from });
    expect(entries.map(({ keyId, action }) => [keyId, action])).toEqual([
      ["one", "removed"],
      ["two", "added"],
    ]);
    expect(await moved.decrypt(await readFile(path), { context, aad })).toEqual(plaintext);
  });

  it("writes nothing if every entry is current", async () => {
    const message = await store();
    const old = await stat(path);
    const result = await rewrapFile(before, path, { context });
    expect(result).toMatchObject({ changed: false, method: "none", bytesWritten: 0 });
    expect(await readFile(path)).toEqual(Buffer.from(message));
    expect((await stat(path)).mtimeMs).toBe(old.mtimeMs);
    await requireTidy();
  });

  it("reports in a dry run what it would do, and writes nothing", async () => {
    const message = await store();
    await chmod(path, 0o400);
    for (const [envelope, method] of [
      [after, "in-place"],
      [wider, "copied"],
      [before, "none"],
    ] as const) {
      const result = await rewrapFile(envelope, path, { context, dryRun: true });
      expect(result).toMatchObject({ changed: method !== "none", method, bytesWritten: 0 });
    }
    expect(await readFile(path)).toEqual(Buffer.from(message));
    await requireTidy();
  });

  it("lets a reader that has the file open continue before, during and after", async () => {
    await store();
    await using reader = await openEncrypted(before, path, { context, aad, cacheChunks: 0 });
    expect(await reader.read(0, 10)).toEqual(plaintext.subarray(0, 10));
    const rewraps = rewrapFile(after, path, { context });
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
    await rewraps;
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
    expect(await reader.size()).toBe(plaintext.length);
  });

  it("lets readers open the file at every moment of many rewraps", async () => {
    await store();
    const rewraps = new AbortController();
    const reads = (async () => {
      let count = 0;
      for (; !rewraps.signal.aborted; count++) {
        await using reader = await openEncrypted(after, path, { context, aad });
        expect(await reader.read(99_990, 200_000)).toEqual(plaintext.subarray(99_990));
      }
      return count;
    })();
    for (let i = 0; i < 30; i++) {
      // A reader that meets the journal holds the lock for a moment.
      const rewrapped = await rewrapFile(i % 2 ? after : freshWraps(), path, { context }).catch(
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (typeof rewrapped === "string") expect(rewrapped).toBe("EBUSY");
    }
    rewraps.abort();
    expect(await reads).toBeGreaterThan(5);
    await recoverFile(path);
    expect(await after.decrypt(await readFile(path), { context, aad })).toEqual(plaintext);
    await requireTidy();
  });
});

describe("rewrapFile refuses", () => {
  const untouched = async (message: Uint8Array): Promise<void> => {
    expect(await readFile(path)).toEqual(Buffer.from(message));
    await requireTidy();
  };

  it("another context and leaves the file alone", async () => {
    const message = await store();
    const call = rewrapFile(after, path, { context: { tenant: "other" } });
    await expect(call).rejects.toMatchObject({ code: "ERR_ENVELOPE_KMS_REJECTED" });
    await untouched(message);
  });

  it("symbolic links", async () => {
    const message = await store();
    const name = join(folder, "link");
    await symlink(path, name);
    for (const dryRun of [false, true]) {
      const call = rewrapFile(after, name, { context, dryRun });
      await expect(call).rejects.toMatchObject({ code: "ELOOP" });
    }
    await rm(name);
    await untouched(message);
  });

  it("a folder, and a file that is not there", async () => {
    await store();
    const missing = rewrapFile(after, join(folder, "none"), { context });
    await expect(missing).rejects.toMatchObject({ code: "ENOENT" });
    await expect(rewrapFile(after, folder, { context })).rejects.toMatchObject({
      code: expect.stringMatching(/EISDIR|EINVAL/),
    });
  });

  it("a cut file, before a KMS is called", async () => {
    const message = await store();
    await truncate(path, 512 + 56 + 16_400);
    const { cmk, calls } = rotatingCmk("one", 2);
    const call = rewrapFile(new Envelope({ cmks: [cmk] }), path, { context });
    await expect(call).rejects.toMatchObject({ code: "ERR_ENVELOPE_TRUNCATED" });
    expect(calls()).toBe(0);
    await untouched(message.subarray(0, 512 + 56 + 16_400));
  });

  it("a file that is not a message, and a message whose key block is elsewhere", async () => {
    await writeFile(path, "hello");
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_FORMAT",
    });
    const { message, keyBlock } = detachKeyBlock(await store());
    await writeFile(path, message);
    await expect(rewrapFile(after, path, { context })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_NO_KEY",
    });
    const withBlock = { context, keyBlock };
    await expect(rewrapFile(after, path, withBlock)).rejects.toThrow(/"keyBlock"/);
    await untouched(message);
  });

  it("a second rewrap of the file, before a KMS is called", async () => {
    await store();
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    let proceed = (): void => undefined;
    const gate = new Promise<void>((resolve) => (proceed = resolve));
    const first = rewrapFile(new Envelope({ cmks: [gated("one", entered, gate)] }), path, {
      context,
    });
    await inside;
    const { cmk, calls } = rotatingCmk("one", 2);
    const second = rewrapFile(new Envelope({ cmks: [cmk] }), path, { context });
    await expect(second).rejects.toMatchObject({ code: "EBUSY" });
    expect(calls()).toBe(0);
    proceed();
    expect(await first).toMatchObject({ changed: true });
    expect(await rewrapFile(after, path, { context })).toMatchObject({ changed: false });
    await requireTidy();
  });

  it("to write a file that was replaced while the KMS answered", async () => {
    await store();
    const other = await before.encrypt(Uint8Array.of(7), { context, headerAlignment: 512 });
    const swap = async (): Promise<void> => {
      await rm(path);
      await writeFile(path, other);
    };
    const cmk = gated("one", () => undefined, undefined, swap);
    const call = rewrapFile(new Envelope({ cmks: [cmk] }), path, { context });
    await expect(call).rejects.toMatchObject({ code: "EBUSY" });
    await untouched(other);
  });

  it("to replace a file that was written while it was copied", async () => {
    await store();
    let newer: Promise<void> | undefined;
    const onProgress = (): void => void (newer ??= writeFile(path, "newer"));
    const call = rewrapFile(wider, path, { context, onProgress });
    await expect(call).rejects.toMatchObject({ code: "EBUSY" });
    await newer;
    expect(await readFile(path, "utf8")).toBe("newer");
    await requireTidy();
  });

  it("to start once its signal has aborted, and stops before it writes", async () => {
    const message = await store();
    const gone = rewrapFile(after, path, { context, signal: AbortSignal.abort(new Error("x")) });
    await expect(gone).rejects.toThrow("x");
    for (const keyId of ["", WIDE]) {
      const controller = new AbortController();
      const late = gated(
        "one",
        () => undefined,
        undefined,
        async () => {
          controller.abort(new Error("late"));
        },
      );
      const more = keyId ? [rotatingCmk(keyId, 1).cmk] : [];
      const call = rewrapFile(new Envelope({ cmks: [late, ...more] }), path, {
        context,
        signal: controller.signal,
      });
      await expect(call).rejects.toThrow("late");
      await untouched(message);
    }
  });

  it("a lock or a journal that is a symbolic link", async () => {
    await store();
    const elsewhere = join(folder, "elsewhere");
    await writeFile(elsewhere, "");
    for (const name of [".data.envelope.envelope-lock", ".data.envelope.envelope-journal"]) {
      await symlink(elsewhere, join(folder, name));
      await expect(rewrapFile(after, path, { context })).rejects.toMatchObject({
        code: expect.stringMatching(/^(EEXIST|ELOOP)$/),
      });
      await rm(join(folder, name));
    }
    expect(await readFile(elsewhere, "utf8")).toBe("");
  });
});

/** A CMK of version 2 that waits inside `wrap`, or does something there first. */
function gated(
  keyId: string,
  entered: () => void,
  gate: Promise<void> | undefined,
  first?: () => Promise<void>,
): Cmk {
  const { driver } = rotatingCmk(keyId, 2);
  return new Cmk({
    ...driver,
    async wrap(request) {
      entered();
      await gate;
      await first?.();
      return driver.wrap(request);
    },
  });
}

/** Wraps anew each time, as with a KMS that tells no versions. */
function freshWraps(): Envelope {
  const { driver } = rotatingCmk("one", 2);
  return new Envelope({
    cmks: [
      new Cmk({
        ...driver,
        async wrap(request) {
          const { wrapped, keyId } = await driver.wrap(request);
          return { wrapped, keyId };
        },
        async unwrap(request) {
          return { plaintext: (await driver.unwrap(request)).plaintext };
        },
      }),
    ],
  });
}

/** The file opens for a reader that may not write, then it is recovered twice, then it opens again. */
async function requireWhole(message: Uint8Array): Promise<"old" | "new"> {
  // As a reader elsewhere: held locks stand for a process that may not write.
  await withFileLock(path, async () => {
    await using reader = await openEncrypted(wider, path, { context, aad });
    expect(await reader.read(0, Infinity)).toEqual(plaintext);
  });
  const outcome = await recoverFile(path);
  expect(await recoverFile(path)).toBe("none");
  const now = await readFile(path);
  expect(payloadHash(now)).toBe(payloadHash(message));
  expect(await wider.decrypt(now, { context, aad })).toEqual(plaintext);
  const isNew = versionOf(now) === 2;
  if (outcome !== "none") expect(isNew).toBe(outcome === "finished");
  return isNew ? "new" : "old";
}

/** Leftovers: temporary files, and an unlocked lock. Never a journal. */
async function requireRewrappable(): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name !== "data.envelope");
  for (const name of left) expect(name).toMatch(/\.envelope-(?:part|lock)$/);
  const { changed, method } = await rewrapFile(wider, path, { context });
  expect(changed || method === "none").toBe(true);
  expect(await wider.decrypt(await readFile(path), { context, aad })).toEqual(plaintext);
  await requireTidy();
}

const journeys = [
  ["in place", after, undefined],
  ["as a copy", wider, WIDE],
] as const;

async function stepsOf(envelope: Envelope): Promise<string[]> {
  const steps: string[] = [];
  await store();
  const note: BeforeStep = (step) => {
    steps.push(step);
    return undefined;
  };
  await rewrapFileOn(steppingFiles(note), envelope, path, { context });
  return steps;
}

describe("an interrupted rewrap", () => {
  // Requirements: E33
  it("goes through known steps, so that the tests below reach each of them", async () => {
    expect(await stepsOf(after)).toEqual([
      "unlink .data.envelope.envelope-part", // Of a killed process, were there one.
      "create .data.envelope.envelope-journal",
      "write .data.envelope.envelope-journal",
      "sync .data.envelope.envelope-journal",
      `sync ${basename(folder)}`,
      "write data.envelope",
      "sync data.envelope",
      "unlink .data.envelope.envelope-journal",
      `sync ${basename(folder)}`,
    ]);
    const copied = await stepsOf(wider);
    expect(copied.at(-2)).toBe("rename");
    expect(copied.slice(-3)[0]).toBe("sync .data.envelope.envelope-part");
  });

  describe.each(journeys)("%s", (_, envelope, added) => {
    it.each([
      ["ENOSPC", false],
      ["EIO", false],
      ["EIO", true],
    ] as const)("by %s at any step (writes by half: %s) is whole", async (code, half) => {
      const steps = await stepsOf(envelope);
      const seen = new Set<string>();
      for (let fatal = 0; fatal < steps.length; fatal++) {
        const message = await store();
        let at = 0;
        const fail: BeforeStep = (step) => {
          if (at++ !== fatal && step !== "half written") return undefined;
          if (half && step.startsWith("write")) return "half";
          throw Object.assign(new Error(`${code} at ${step}`), { code });
        };
        const call = rewrapFileOn(steppingFiles(fail), envelope, path, { context });
        await expect(call, steps[fatal]).rejects.toMatchObject({ code });
        seen.add(await requireWhole(message));
        await requireRewrappable();
      }
      expect([...seen].toSorted()).toEqual(["new", "old"]);
    });

    // Requirements: E33
    it("by kill -9 at any step is whole", async () => {
      const steps = await stepsOf(envelope);
      const seen = new Set<string>();
      for (let fatal = 0; fatal < steps.length; fatal++) {
        for (const mode of steps[fatal]?.startsWith("write") ? ["whole", "half"] : ["whole"]) {
          const message = await store();
          await die(String(fatal), mode, added);
          seen.add(await requireWhole(message));
          await requireRewrappable();
          for (const name of await readdir(folder)) await rm(join(folder, name));
        }
      }
      expect([...seen].toSorted()).toEqual(["new", "old"]);
    });
  });

  async function die(fatal: string, mode: string, added: string | undefined): Promise<void> {
    const child = forked("rewrap-process", path, fatal, mode, ...(added ? [added] : []));
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect([code, signal], `step ${fatal}, ${mode}`).toEqual([null, "SIGKILL"]);
  }
});

it("a hard link keeps the rewrapped header in place, and the old file after a copy", async () => {
  await store();
  const other = join(folder, "other.envelope");
  await link(path, other);
  await rewrapFile(after, path, { context });
  expect(versionOf(await readFile(other))).toBe(2);
  await rewrapFile(wider, path, { context });
  expect(inspect(await readFile(other)).entries).toHaveLength(1);
  expect(inspect(await readFile(path)).entries).toHaveLength(2);
  expect((await lstat(path)).nlink).toBe(1);
  await using handle = await open(other);
  await using reader = await openEncrypted(after, handle, { context, aad });
  expect(await reader.size()).toBe(plaintext.length);
});
