import {
  appendFile,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  chmod,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Cmk, Envelope, fromHeader, inspect, type EnvelopeEvent } from "@env/core";
import { boundaryLengths, largeLengths, pattern, same } from "@env/testkit/bytes";
import { tempFolder } from "@env/testkit/folder";
import { runProgram } from "@env/testkit/programs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nodeFileSystem } from "../src/file-system.ts";
import { decryptFile, decryptFileOn, encryptFile, encryptFileOn, verifyFile } from "../src/file.ts";
import type { Machine } from "../src/file.ts";
import { encodeJournal, journalPath } from "../src/journal.ts";
import { ThreadLost, WorkerPool } from "../src/pool.ts";
import { watchedFiles } from "./support/faults.ts";
import {
  after as rotated,
  context as interruptedContext,
  interruptedRewrap,
  withHeader,
} from "./support/interrupted.ts";
import { realThread, startedPool } from "./support/pools.ts";
import { refuses } from "./support/refuses.ts";
import { rotatingCmk } from "./support/rotating-cmk.ts";
import { StubKms } from "./support/stub-kms.ts";

const MIB = 2 ** 20;
const context = { tenant: "acme" };
const kms = new StubKms();
const envelope = kms.envelope();
const long = pattern(20 * MIB + 4321);

let folder = "";
beforeEach(() => {
  folder = tempFolder();
});
const path = (name: string): string => join(folder, name);

/** What a failure must leave: the source as it was, nothing else. */
async function expectOnly(names: readonly string[]): Promise<void> {
  expect((await readdir(folder)).toSorted()).toEqual([...names]);
}

/** Descriptors this process holds in the test's folder: others come and go with the test runner. */
async function openFiles(): Promise<readonly string[]> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((target) => target.startsWith(`${folder}/`));
}

describe("encryptFile and decryptFile", () => {
  it.each([...boundaryLengths, ...largeLengths])("restore %d bytes", async (length) => {
    const plaintext = pattern(length);
    await writeFile(path("plain"), plaintext);
    const result = await encryptFile(envelope, path("plain"), path("sealed"), { context });
    const message = await readFile(path("sealed"));
    const lengths = { plaintextBytes: length, messageBytes: message.length };
    expect(result).toEqual({ ...lengths, wrapped: 1, cmks: 1 });
    expect(same(await envelope.decrypt(message, { context }), plaintext)).toBe(true);
    expect(await decryptFile(envelope, path("sealed"), path("again"), { context })).toEqual(
      lengths,
    );
    expect(same(await readFile(path("again")), plaintext)).toBe(true);
    await expectOnly(["again", "plain", "sealed"]);
  });

  // Requirements: E10
  it("pad the header for a rewrap in place, and pass aad and stored context on", async () => {
    await writeFile(path("plain"), "hello");
    const aad = { row: "1" };
    const options = { context, aad, storeContext: true };
    await encryptFile(envelope, path("plain"), path("sealed"), options);
    const { headerBytes } = inspect(await readFile(path("sealed")));
    expect(headerBytes % 4096).toBe(0);
    const reader = { context: fromHeader({ require: context }), aad };
    await decryptFile(envelope, path("sealed"), path("again"), reader);
    expect(await readFile(path("again"), "utf8")).toBe("hello");
    await refuses("ERR_ENVELOPE_DECRYPT", () => verifyFile(envelope, path("sealed"), { context }));
  });

  it("read messages that were written elsewhere, headers of any length", async () => {
    await writeFile(path("sealed"), await envelope.encrypt(pattern(50_000), { context }));
    await decryptFile(envelope, path("sealed"), path("plain"), { context });
    expect(same(await readFile(path("plain")), pattern(50_000))).toBe(true);
  });

  it("take URLs, follow links to the source, and overwrite the source on request", async () => {
    await writeFile(path("plain"), "hello");
    await symlink(path("plain"), path("link"));
    const there = pathToFileURL(path("sealed"));
    await encryptFile(envelope, pathToFileURL(path("link")), there, { context });
    await decryptFile(envelope, there, there, { context, overwrite: true });
    expect(await readFile(path("sealed"), "utf8")).toBe("hello");
  });

  it("give the target the mode 0600, or on request the permissions of the source", async () => {
    await writeFile(path("plain"), "hello");
    await chmod(path("plain"), 0o640);
    const modeOf = async (name: string): Promise<number> => (await stat(path(name))).mode & 0o777;
    await encryptFile(envelope, path("plain"), path("sealed"), { context });
    expect(await modeOf("sealed")).toBe(0o600);
    const options = { context, overwrite: true, preserve: true };
    await encryptFile(envelope, path("plain"), path("sealed"), options);
    expect(await modeOf("sealed")).toBe(0o640);
    await decryptFile(envelope, path("sealed"), path("again"), options);
    expect(await modeOf("again")).toBe(0o640);
    await decryptFile(envelope, path("sealed"), path("again"), { context, overwrite: true });
    expect(await modeOf("again")).toBe(0o600);
  });

  it("report how many of the CMKs have wrapped, if fewer than all may", async () => {
    await writeFile(path("plain"), "hello");
    const [{ cmk }, { driver }] = [rotatingCmk("one", 1), rotatingCmk("two", 1)];
    const failing = new Cmk({
      ...driver,
      wrap: () => Promise.reject(new Error("down")),
      classify: () => "ERR_ENVELOPE_KMS_UNAVAILABLE",
    });
    const both = new Envelope({ cmks: [cmk, failing], minWrapped: 1 });
    const options = { context };
    const few = { wrapped: 1, cmks: 2 };
    expect(await encryptFile(both, path("plain"), path("sealed"), options)).toMatchObject(few);
  });

  it("show readers a whole target at any time, however many threads and processes replace it", async () => {
    const bytes = pattern(40_000);
    await writeFile(path("plain"), bytes);
    const opener = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
    await encryptFile(opener, path("plain"), path("sealed"), { context: {} });
    const done = new AbortController();
    const replacing = Promise.all(
      [1, 2].map(() => runProgram("replacing-process", path("plain"), path("sealed"), "20", "2")),
    ).finally(() => done.abort());
    do {
      const { plaintextBytes } = await verifyFile(opener, path("sealed"), { context: {} });
      expect(plaintextBytes).toBe(40_000);
    } while (!done.signal.aborted);
    await replacing;
    await expectOnly(["plain", "sealed"]);
  });

  it("replace neither links nor folders", async () => {
    await writeFile(path("plain"), "hello");
    await symlink("plain", path("link"));
    await mkdir(path("folder"));
    for (const [name, code] of [
      ["link", "ELOOP"],
      ["folder", "EISDIR"],
    ] as const) {
      const options = { context, overwrite: true };
      await expect(encryptFile(envelope, path("plain"), path(name), options)).rejects.toMatchObject(
        { code, path: path(name) },
      );
    }
    expect(await readlink(path("link"))).toBe("plain");
    await expectOnly(["folder", "link", "plain"]);
  });

  it("finish an interrupted rewrap of the source, by any of its names, and of the target", async () => {
    const [before, after] = [1, 2].map((version) => rotatingCmk("one", version).cmk);
    const old = new Envelope({ cmks: [before ?? expect.fail()] });
    const now = new Envelope({ cmks: [after ?? expect.fail()] });
    const message = await old.encrypt(pattern(50_000), { context, headerAlignment: 512 });
    const [oldHeader, prefix] = [message.subarray(0, 512), message.subarray(512, 568)];
    const { message: newHeader } = await now.rewrap(oldHeader, { context });
    const journal = { fileBytes: message.length, prefix, oldHeader, newHeader };
    /** As a process leaves it that is killed while it overwrites the header. */
    const interrupt = async (): Promise<void> => {
      await writeFile(path("sealed"), message.with(20, 0xff));
      await writeFile(journalPath(path("sealed")), encodeJournal(journal));
    };
    await interrupt();
    await symlink("sealed", path("link"));
    await decryptFile(now, path("link"), path("plain"), { context });
    await expectOnly(["link", "plain", "sealed"]);

    await interrupt();
    await encryptFile(now, path("plain"), path("sealed"), { context, overwrite: true });
    await expectOnly(["link", "plain", "sealed"]);
    expect(await verifyFile(now, path("sealed"), { context })).toMatchObject({
      plaintextBytes: 50_000,
    });
  });

  it("report progress up to the total", async () => {
    await writeFile(path("plain"), pattern(3 * MIB));
    const seen: number[] = [];
    await encryptFile(envelope, path("plain"), path("sealed"), {
      context,
      onProgress: ({ bytes, total }) => {
        expect(total).toBe(3 * MIB);
        seen.push(bytes);
      },
    });
    expect(seen.length).toBeGreaterThan(3);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(3 * MIB);
    const reading: number[] = [];
    await verifyFile(envelope, path("sealed"), {
      context,
      onProgress: ({ bytes }) => reading.push(bytes),
    });
    expect(reading.at(-1)).toBe(3 * MIB);
  });

  it("report the message to the observer", async () => {
    const events: EnvelopeEvent[] = [];
    const own = kms.envelope({ observer: (event) => events.push(event) });
    await writeFile(path("plain"), pattern(50_000));
    await encryptFile(own, path("plain"), path("sealed"), { context });
    await verifyFile(own, path("sealed"), { context });
    await truncate(path("sealed"), 10_000);
    await refuses("ERR_ENVELOPE_DECRYPT", () => verifyFile(own, path("sealed"), { context }));
    expect(events.filter(({ type }) => type !== "kms-call")).toMatchObject([
      { type: "encrypt", bytes: 50_000, outcome: "ok" },
      { type: "decrypt", bytes: 50_000, outcome: "ok" },
      { type: "decrypt", outcome: "ERR_ENVELOPE_DECRYPT" },
    ]);
  });

  it("call no KMS if the options or the files cannot work", async () => {
    const own = new StubKms();
    await writeFile(path("plain"), "hello");
    await writeFile(path("taken"), "precious");
    await mkdir(path("folder"));
    const run = (source: string, target: string, options: object = { context }): Promise<unknown> =>
      encryptFile(own.envelope(), path(source), path(target), options as never);
    await expect(run("plain", "taken")).rejects.toMatchObject({ code: "EEXIST" });
    await expect(run("absent", "new")).rejects.toMatchObject({
      code: "ENOENT",
      path: path("absent"),
    });
    await expect(run("plain", "absent/new")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(run("folder", "new")).rejects.toMatchObject({
      code: "EINVAL",
      path: path("folder"),
    });
    await expect(run("plain", "new", { context, colour: "red" })).rejects.toThrow(TypeError);
    for (const option of ["overwrite", "preserve", "colour"]) {
      const options = { context, [option]: true };
      await expect(verifyFile(own.envelope(), path("plain"), options)).rejects.toThrow(option);
    }
    await expect(run("plain", "new", { context, concurrency: -1 })).rejects.toThrow(RangeError);
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => run("plain", "new", {}));
    await expect(run("plain", "new", { context, signal: AbortSignal.abort() })).rejects.toThrow(
      "aborted",
    );
    expect(own.calls).toEqual([]);
    expect(await readFile(path("taken"), "utf8")).toBe("precious");
    await expectOnly(["folder", "plain", "taken"]);
  });
});

describe("damaged files", () => {
  beforeEach(async () => {
    await writeFile(path("sealed"), await envelope.encrypt(pattern(40_000), { context }));
  });

  it.each([
    ["empty", 0, "ERR_ENVELOPE_TRUNCATED"],
    ["cut in the header", 30, "ERR_ENVELOPE_TRUNCATED"],
    ["cut in the last chunk", -1, "ERR_ENVELOPE_DECRYPT"],
    ["cut between chunks", -7248, "ERR_ENVELOPE_TRUNCATED"],
    ["cut in the salt", -40_048 - 30, "ERR_ENVELOPE_TRUNCATED"],
  ] as const)("that are %s are refused, and no target is there", async (_, length, code) => {
    const { size } = await stat(path("sealed"));
    await truncate(path("sealed"), length < 0 ? size + length : length);
    await refuses(code, () => decryptFile(envelope, path("sealed"), path("plain"), { context }));
    await refuses(code, () => verifyFile(envelope, path("sealed"), { context }));
    await expectOnly(["sealed"]);
  });

  it("are refused wherever a bit is flipped", async () => {
    const message = await readFile(path("sealed"));
    for (const back of [1, 7248, 7249, 20_000, 40_048, 40_049]) {
      const at = message.length - back;
      await writeFile(path("sealed"), message.with(at, (message[at] ?? 0) ^ 0x80));
      await refuses("ERR_ENVELOPE_DECRYPT", () =>
        decryptFile(envelope, path("sealed"), path("plain"), { context }),
      );
    }
    await expectOnly(["sealed"]);
  });
});

describe("a source that changes meanwhile", () => {
  const changes: Record<string, () => Promise<void>> = {
    shrinks: () => truncate(path("source"), 1000),
    grows: () => appendFile(path("source"), "more"),
    "is written at the same length": () => utimes(path("source"), 1, 1),
  };

  const run = async (encrypted: boolean, change: () => Promise<void>): Promise<unknown> => {
    const plaintext = pattern(3 * MIB);
    const source = encrypted ? await envelope.encrypt(plaintext, { context }) : plaintext;
    await writeFile(path("source"), source);
    let changed: Promise<void> | undefined;
    const onProgress = (): void => void (changed ??= change());
    const work = encrypted ? decryptFile : encryptFile;
    try {
      return await work(envelope, path("source"), path("target"), { context, onProgress });
    } finally {
      await changed;
    }
  };

  it.each(Object.keys(changes))("is refused by encryptFile where it %s", async (name) => {
    const change = changes[name] ?? expect.fail();
    await expect(run(false, change)).rejects.toMatchObject({ code: "EBUSY", path: path("source") });
    await expectOnly(["source"]);
  });

  it.each(["shrinks", "grows"])("is refused by decryptFile where it %s", async (name) => {
    const change = changes[name] ?? expect.fail();
    await expect(run(true, change)).rejects.toMatchObject({ code: "EBUSY", path: path("source") });
    await expectOnly(["source"]);
  });

  it("is still decrypted if only its header is rewrapped in place", async () => {
    const result = await run(true, changes["is written at the same length"] ?? expect.fail());
    expect(result).toMatchObject({ plaintextBytes: 3 * MIB });
  });

  it("does not hide an altered chunk", async () => {
    await writeFile(path("sealed"), await envelope.encrypt(pattern(3 * MIB), { context }));
    const handle = await open(path("sealed"), "r+");
    await handle.write(Buffer.of(1, 2, 3, 4), 0, 4, MIB);
    await handle.close();
    const onProgress = (): void => void utimes(path("sealed"), 1, 1);
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      decryptFile(envelope, path("sealed"), path("plain"), { context, onProgress }),
    );
  });
});

describe("interruption", () => {
  it("at any moment leaves no open file, no task and no temporary file", async () => {
    const pool = await startedPool();
    const machine: Machine = { files: nodeFileSystem, pool };
    await writeFile(path("plain"), long);
    await encryptFile(envelope, path("plain"), path("sealed"), { context });
    for (const delayMs of [0, 1, 2, 4, 6, 8, 10, 13, 16, 20]) {
      for (const [work, source] of [
        [encryptFileOn, "plain"],
        [decryptFileOn, "sealed"],
      ] as const) {
        const reason = new Error("enough");
        const abort = new AbortController();
        const options = { context, signal: abort.signal };
        const run = work(machine, envelope, path(source), path("target"), options).catch(
          (error: unknown) => error,
        );
        await sleep(delayMs);
        abort.abort(reason);
        const outcome = await run;
        if (outcome === reason) await expectOnly(["plain", "sealed"]);
        else expect(outcome).toMatchObject({ plaintextBytes: long.length });
        await rm(path("target"), { force: true });
        expect(await openFiles()).toEqual([]);
      }
    }
    expect(pool.pending).toBe(0);
    await pool.close();
  });

  it.each([0, undefined])(
    "by a signal is obeyed in the middle (concurrency: %s)",
    async (concurrency) => {
      await writeFile(path("plain"), long);
      const abort = new AbortController();
      const reason = new Error("enough");
      let bytes = 0;
      const run = encryptFile(envelope, path("plain"), path("sealed"), {
        context,
        concurrency,
        signal: abort.signal,
        onProgress(progress) {
          ({ bytes } = progress);
          if (bytes > MIB) abort.abort(reason);
        },
      });
      await expect(run).rejects.toBe(reason);
      expect(bytes).toBeLessThan(long.length);
      await expectOnly(["plain"]);
    },
  );

  it("by an error stops the work that has not begun", async () => {
    await writeFile(path("plain"), pattern(4 * MIB));
    let reads = 0;
    const files = watchedFiles((_, name) => {
      if (name !== "read") return;
      if (++reads === 2) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    });
    const run = encryptFileOn({ files, pool: undefined }, envelope, path("plain"), path("sealed"), {
      context,
    });
    await expect(run).rejects.toMatchObject({ code: "EIO" });
    expect(reads).toBeLessThan(10);
  });

  it("by an error of onProgress rejects with that error", async () => {
    await writeFile(path("plain"), pattern(3 * MIB));
    const reason = new Error("stop the presses");
    const onProgress = (): void => {
      throw reason;
    };
    const run = encryptFile(envelope, path("plain"), path("sealed"), { context, onProgress });
    await expect(run).rejects.toBe(reason);
    await expectOnly(["plain"]);
  });

  it.each(["encrypt", "decrypt"] as const)(
    "of %sFile by any one failing call leaves the target complete or absent, and no open file",
    async (operation) => {
      await writeFile(path("plain"), pattern(40_000));
      await encryptFile(envelope, path("plain"), path("sealed"), { context });
      const [work, source] =
        operation === "encrypt" ? [encryptFileOn, "plain"] : [decryptFileOn, "sealed"];
      let completeAfterFailure = 0;
      for (let failing = 0; ; failing++) {
        let failed: string | undefined;
        const files = watchedFiles((call, name) => {
          if (call !== failing) return;
          failed = name;
          const error = new Error("ENOSPC: no space left on device, write");
          throw Object.assign(error, { code: "ENOSPC", syscall: name });
        });
        const machine = { files, pool: undefined };
        const outcome = await work(machine, envelope, path(source), path("target"), {
          context,
        }).catch((error: unknown) => error);
        expect(await openFiles(), failed).toEqual([]);
        const names = await readdir(folder);
        expect(
          names.filter((name) => name.startsWith(".")),
          failed,
        ).toEqual([]);
        if (failed === undefined) {
          expect(outcome).toMatchObject({ plaintextBytes: 40_000 });
          break;
        }
        expect(outcome, failed).toMatchObject({ code: "ENOSPC" });
        if (names.includes("target")) {
          completeAfterFailure++;
          if (operation === "encrypt") await verifyFile(envelope, path("target"), { context });
          else expect(same(await readFile(path("target")), pattern(40_000))).toBe(true);
        }
        await rm(path("target"), { force: true });
      }
      // Removing the temporary name, and what makes the final one last: open, sync, close; the source's close.
      expect(completeAfterFailure).toBe(5);
    },
  );

  it("names the file whose write or read failed", async () => {
    await writeFile(path("plain"), pattern(10));
    for (const [call, name] of [
      ["read", "plain"],
      ["write", "sealed"],
    ] as const) {
      const files = watchedFiles((_, current) => {
        if (current !== call) return;
        const error = new Error(`ENOSPC: no space left on device, ${call}`);
        throw Object.assign(error, { code: "ENOSPC", syscall: call });
      });
      const machine = { files, pool: undefined };
      await expect(
        encryptFileOn(machine, envelope, path("plain"), path("sealed"), { context }),
      ).rejects.toMatchObject({
        message: `ENOSPC: no space left on device, ${call} '${path(name)}'`,
        path: path(name),
      });
    }
  });
});

describe("on threads", () => {
  let pool: WorkerPool;
  beforeAll(async () => {
    pool = await startedPool();
  });
  afterAll(() => pool.close());

  it.each([20 * MIB + 4321, 20 * MIB, 24 * MIB - 1])("restores %d bytes", async (length) => {
    const machine: Machine = { files: nodeFileSystem, pool };
    const plaintext = pattern(length);
    await writeFile(path("plain"), plaintext);
    const seen: number[] = [];
    await encryptFileOn(machine, envelope, path("plain"), path("sealed"), {
      context,
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    expect(seen.at(-1)).toBe(length);
    expect(
      same(await envelope.decrypt(await readFile(path("sealed")), { context }), plaintext),
    ).toBe(true);
    await decryptFileOn(machine, envelope, path("sealed"), path("again"), { context });
    expect(same(await readFile(path("again")), plaintext)).toBe(true);
  });

  it("fails on an altered chunk with its code, and leaves no target", async () => {
    const machine: Machine = { files: nodeFileSystem, pool };
    await writeFile(path("sealed"), await envelope.encrypt(long, { context }));
    const handle = await open(path("sealed"), "r+");
    await handle.write(Buffer.of(1, 2, 3, 4), 0, 4, 19 * MIB);
    await handle.close();
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      decryptFileOn(machine, envelope, path("sealed"), path("plain"), { context }),
    );
    await expectOnly(["sealed"]);
  });

  it("fails with the reason if a thread dies, leaves nothing, and the next file works", async () => {
    await writeFile(path("plain"), long);
    const spawned: ReturnType<typeof realThread>[] = [];
    const mortal = await startedPool(1, () => {
      const thread = realThread();
      spawned.push(thread);
      return thread;
    });
    const machine: Machine = { files: nodeFileSystem, pool: mortal };
    const run = encryptFileOn(machine, envelope, path("plain"), path("sealed"), { context });
    run.catch(() => undefined);
    while (mortal.pending === 0) await sleep(0);
    await spawned[0]?.terminate();
    await expect(run).rejects.toBeInstanceOf(ThreadLost);
    await expectOnly(["plain"]);
    await encryptFileOn(machine, envelope, path("plain"), path("sealed"), { context });
    await verifyFile(envelope, path("sealed"), { context });
    await mortal.close();
  });

  it("works in the calling thread if no thread can be started", async () => {
    await writeFile(path("plain"), long);
    const denied = new WorkerPool(2, () => {
      throw new Error("ERR_ACCESS_DENIED");
    });
    const machine: Machine = { files: nodeFileSystem, pool: denied };
    await encryptFileOn(machine, envelope, path("plain"), path("sealed"), { context });
    await decryptFileOn(machine, envelope, path("sealed"), path("again"), { context });
    expect(same(await readFile(path("again")), long)).toBe(true);
  });
});

describe("kill -9", () => {
  const opener = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
  /** What the process died of; `undefined` where it did not. */
  async function deathOf(...args: readonly string[]): Promise<unknown> {
    try {
      await runProgram("file-process", ...args);
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ signal: "SIGKILL" });
      return error;
    }
  }

  /** Whether the target is there. It must be complete then. */
  async function isThere(
    operation: string,
    target: string,
    plaintext: Uint8Array,
  ): Promise<boolean> {
    if (!(await readdir(folder)).includes(target)) return false;
    const bytes = await readFile(path(target));
    const found = operation === "encrypt" ? await opener.decrypt(bytes, { context: {} }) : bytes;
    expect(same(found, plaintext)).toBe(true);
    return true;
  }

  it.each(["encrypt", "decrypt"])(
    "before any one call of %sFile leaves the source intact, the target complete or absent",
    async (operation) => {
      const plaintext = pattern(20_000);
      const message = await opener.encrypt(plaintext, { context: {} });
      const source = operation === "encrypt" ? plaintext : message;
      await writeFile(path("source"), source);
      const outcomes = { absent: 0, thereAfterDeath: 0, survived: 0 };
      const work = operation === "encrypt" ? encryptFile : decryptFile;
      const workOn = operation === "encrypt" ? encryptFileOn : decryptFileOn;
      let count = 0;
      const machine = { files: watchedFiles(() => count++), pool: undefined };
      await workOn(machine, opener, path("source"), path("whole"), { context: {} });
      await rm(path("whole"));
      const calls = Array.from({ length: count + 2 }, (_, call) => String(call));
      const left = [...calls];
      const lane = async (): Promise<void> => {
        for (let call = left.shift(); call !== undefined; call = left.shift()) {
          const died = await deathOf(operation, path("source"), path(`target-${call}`), call);
          const there = await isThere(operation, `target-${call}`, plaintext);
          if (!there) outcomes.absent++;
          else if (died === undefined) outcomes.survived++;
          else outcomes.thereAfterDeath++;
        }
      };
      await Promise.all([lane(), lane(), lane()]);
      expect(same(await readFile(path("source")), source)).toBe(true);
      // Before the link; between it and the end; past the last call.
      expect(outcomes.absent).toBeGreaterThan(5);
      expect(outcomes.thereAfterDeath).toBe(5);
      expect(outcomes.survived).toBe(2);
      // Whoever writes these targets next removes what was left of them.
      expect((await readdir(folder)).some((name) => name.endsWith(".envelope-part"))).toBe(true);
      for (const call of calls) {
        const options = { context: {}, overwrite: true };
        await work(opener, path("source"), path(`target-${call}`), options);
      }
      await expectOnly([...calls.map((call) => `target-${call}`), "source"].toSorted());
    },
  );

  it("before any one call leaves what was to be replaced, of which a rewrap was interrupted, or the new file", async () => {
    const bytes = pattern(20_000);
    await writeFile(path("source"), bytes);
    const tornTarget = async (name: string): Promise<void> => {
      const { message } = await interruptedRewrap(path(name));
      await writeFile(path(name), withHeader(message, new Uint8Array(512)));
    };
    await tornTarget("whole");
    let count = 0;
    const machine = { files: watchedFiles(() => count++), pool: undefined };
    const options = { context: {}, overwrite: true, preserve: true };
    await encryptFileOn(machine, opener, path("source"), path("whole"), options);
    const left = Array.from({ length: count }, (_, call) => call);
    const outcomes = { old: 0, new: 0 };
    const lane = async (): Promise<void> => {
      for (let call = left.shift(); call !== undefined; call = left.shift()) {
        const target = `target-${call}`;
        await tornTarget(target);
        expect(await deathOf("replace", path("source"), path(target), String(call))).toBeDefined();
        const isNew = await verifyFile(opener, path(target), { context: {} }).then(
          () => true,
          () => false,
        );
        if (!isNew) await verifyFile(rotated, path(target), { context: interruptedContext });
        outcomes[isNew ? "new" : "old"]++;
        await encryptFile(opener, path("source"), path(target), options);
        await verifyFile(opener, path(target), { context: {} });
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    expect(outcomes.old).toBeGreaterThan(5);
    expect(outcomes.new).toBeGreaterThan(1);
    const targets = Array.from({ length: count }, (_, call) => `target-${call}`);
    await expectOnly([...targets, "source", "whole"].toSorted());
  });

  it("while threads write leaves the source intact, the target complete or absent", async () => {
    await writeFile(path("source"), long);
    for (const ms of ["60", "120", "180"]) {
      await deathOf("encrypt", path("source"), path(`target-${ms}`), ms, "threads");
      await isThere("encrypt", `target-${ms}`, long);
    }
    expect(same(await readFile(path("source")), long)).toBe(true);
  });
});
