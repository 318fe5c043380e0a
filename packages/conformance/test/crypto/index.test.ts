import { existsSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { inflateSync } from "node:zlib";
import { cryptoBackend, type CryptoBackend } from "@env/core/crypto";
import { describe, expect, it } from "vitest";
import {
  brokenBackends,
  cryptoCases,
  cryptoClauses,
  type BrokenBackend,
  type CobblestoneTest,
  type CryptoHarness,
} from "../../src/crypto/index.ts";

const backend = cryptoBackend();

/** One of Wycheproof's tests, if they lie beside this checkout, and one of them with a changed tag. */
function cobblestoneTests(): CobblestoneTest[] {
  const file = new URL(
    "../../../../../shared/vectors/wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json",
    import.meta.url,
  );
  if (!existsSync(file)) return [];
  interface Test {
    readonly tcId: number;
    readonly comment: string;
    readonly key: string;
    readonly ctx: string;
    readonly ct: string;
    readonly result: string;
  }
  const { testGroups } = JSON.parse(readFileSync(file, "utf8")) as {
    testGroups: { tests: Test[] }[];
  };
  return testGroups.flatMap(({ tests }) =>
    tests.map(({ tcId, comment, key, ctx, ct, result }) => ({
      name: `${tcId}: ${comment}`,
      key: new Uint8Array(Buffer.from(key, "hex")),
      context: new Uint8Array(Buffer.from(ctx, "hex")),
      payload: new Uint8Array(inflateSync(Buffer.from(ct, "hex"))),
      valid: result === "valid",
    })),
  );
}

const cobblestone = cobblestoneTests();

/** Opens with the backend of another thread. */
async function openInThread(
  shared: unknown,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const worker = new Worker(new URL("../support/crypto-thread.ts", import.meta.url), {
    execArgv: ["--conditions=@env/source"],
    workerData: { shared, sealed },
  });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** The names of the failed cases, all of them or those of one clause. */
async function failures(made: CryptoBackend, clause?: string): Promise<string[]> {
  const failed: string[] = [];
  for (const c of cryptoCases({ backend: made, cobblestone })) {
    if (clause !== undefined && c.clause !== clause) continue;
    try {
      await c.run();
    } catch {
      failed.push(c.name);
    }
  }
  return failed;
}

/** Threads and batches are for synchronous backends. */
const applicable = brokenBackends.filter(
  ({ clause }) => backend.synchronous || !(clause === "B8" || clause === "B9"),
);

const caught = new Map<BrokenBackend, Promise<string[]>>();
function caughtBy(broken: BrokenBackend): Promise<string[]> {
  const known = caught.get(broken) ?? failures(broken.make(backend), broken.clause);
  caught.set(broken, known);
  return known;
}

describe(`the backend ${backend.name}`, () => {
  const harness: CryptoHarness = { backend, cobblestone, openInThread };
  it.for(cryptoCases(harness))("$name", async ({ skip, run }, context) => {
    context.skip(skip !== undefined, skip);
    await expect(run()).resolves.toBeUndefined();
  });
});

describe("the suite", () => {
  it.for(applicable)("catches a backend that $name ($clause)", async (broken) => {
    expect(await caughtBy(broken)).not.toEqual([]);
  });

  it("has no case that nothing fails", async () => {
    const all = cryptoCases({ backend: brokenBackends[0]?.make(backend) ?? backend, cobblestone });
    const unproven = new Set(all.filter(({ skip }) => skip === undefined).map(({ name }) => name));
    for (const broken of applicable) {
      for (const name of await caughtBy(broken)) unproven.delete(name);
    }
    expect([...unproven]).toEqual([]);
  });

  it.for(Object.keys(cryptoClauses))("is tested by a broken backend for %s", (clause) => {
    expect(brokenBackends.map((broken) => broken.clause)).toContain(clause);
  });

  it("gives every broken backend and every case a distinct name", () => {
    const names = brokenBackends.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const cases = cryptoCases({ backend }).map(({ name }) => name);
    expect(new Set(cases).size).toBe(cases.length);
  });
});
