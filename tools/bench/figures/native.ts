/**
 * Measures the native backend beside the portable one, from memory to memory: runs of chunks, and what the second
 * core and one call for a result set give. Streams and small messages with it are in their own figures.
 *
 * The mistake it avoids: a backend's own calls compared with the library's. Both sides go through the same code, except
 * for the result set, where the calls are what differs.
 *
 * @module
 */
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { cryptoBackend } from "@env/core/crypto";
import { seconds, type Figure } from "../bench.ts";
import type { Row, Unit } from "../row.ts";
import { SideProcesses, useNative, type Measures, type Sides } from "../sides.ts";
import { BARE as BARE_CHUNKS, memorySides, opensslSpeed, OURS } from "./memory.ts";

const NATIVE = "native";
const PORTABLE = "portable";
const BARE = "bare createCipheriv";
const OPENSSL = "openssl speed";
const ALONE = "native, one thread";

/** A result set: a column of e-mail addresses. */
const VALUES = 1000;
const VALUE_BYTES = 40;
const INFO_BYTES = 160;

interface Measured {
  readonly measure: string;
  readonly figure: string;
  readonly unit: Unit;
  /** Peers, and what the ratio has to reach. */
  readonly atLeast: Readonly<Record<string, number | undefined>>;
}

const measured: readonly Measured[] = [
  ...(["seal", "open"] as const).map((measure) => ({
    measure,
    figure: `native, memory to memory, one thread, ${measure}`,
    unit: "MiB/s" as const,
    atLeast: { [OPENSSL]: 1.2, [PORTABLE]: undefined, [BARE]: undefined },
  })),
  {
    measure: "values",
    figure: `native, ${VALUES} values of ${VALUE_BYTES} B in one call`,
    unit: "calls/s",
    atLeast: { [PORTABLE]: 5 },
  },
  {
    measure: "threads",
    figure: "native, memory to memory, two threads, seal",
    unit: "MiB/s",
    atLeast: { [ALONE]: 1.7 },
  },
];

export const native: Figure = {
  name: "native",
  async run(bench) {
    const sides = await SideProcesses.start(bench, "native", Object.keys(nativeSides));
    try {
      const rows: Row[] = [];
      for (const { measure, figure, unit, atLeast } of measured) {
        const direction = measure === "seal" || measure === "open" ? measure : undefined;
        const limit = {
          name: OPENSSL,
          measure: () => opensslSpeed(direction ?? "seal", bench.quick),
        };
        const names = [NATIVE, ...Object.keys(atLeast)];
        const values = await sides.takeTurns(bench, measure, direction ? [limit] : [], names);
        for (const [peer, bound] of Object.entries(atLeast)) {
          rows.push({
            kind: "comparison",
            figure,
            unit,
            ours: values.get(NATIVE) ?? [],
            peer,
            theirs: values.get(peer),
            ...(bound !== undefined && { atLeast: bound }),
          });
        }
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const nativeSides: Sides = {
  async [NATIVE](quick) {
    return { ...(await onNative(quick)), threads: () => inThreads(2, quick) };
  },
  [PORTABLE]: (quick) => measures(quick),
  [BARE]: (quick) => memorySides[BARE_CHUNKS]?.(quick),
  [ALONE]: async (quick) => ({ threads: () => inThreads(1, quick) }),
};

/** The measures of this thread, once it uses the native backend. */
export async function onNative(quick: boolean): Promise<Measures> {
  if (!(await useNative())) throw new Error("the addon is not built");
  return measures(quick);
}

async function measures(quick: boolean): Promise<Measures> {
  const runs = await memorySides[OURS]?.(quick);
  return { ...runs, values: await resultSet() };
}

/** Result sets per second: in one call, where the backend has that, otherwise in a call for each value. */
async function resultSet(): Promise<() => Promise<number>> {
  const backend = cryptoBackend();
  const key = await backend.hmacKey(new Uint8Array(32));
  const sealedBytes = VALUE_BYTES + 48;
  const infos = new Uint8Array(VALUES * INFO_BYTES).map((_, i) => i);
  const sealed = new Uint8Array(VALUES * sealedBytes);
  const out = new Uint8Array(VALUES * VALUE_BYTES);
  const part = (
    bytes: Uint8Array<ArrayBuffer>,
    i: number,
    length: number,
  ): Uint8Array<ArrayBuffer> => bytes.subarray(i * length, (i + 1) * length);
  for (let i = 0; i < VALUES; i++) {
    const [info, plaintext] = [part(infos, i, INFO_BYTES), part(out, i, VALUE_BYTES)];
    await backend.sealPayload(key, info, plaintext, part(sealed, i, sealedBytes));
  }
  const infoLengths = new Uint32Array(VALUES).fill(INFO_BYTES);
  const sealedLengths = new Uint32Array(VALUES).fill(sealedBytes);
  const open = async (): Promise<void> => {
    if (backend.openPayloads !== undefined) {
      const results = backend.openPayloads(key, infos, infoLengths, sealed, sealedLengths, out);
      if (results.some((result) => result !== -1)) throw new Error("a value does not verify");
      return;
    }
    for (let i = 0; i < VALUES; i++) {
      const [info, payload] = [part(infos, i, INFO_BYTES), part(sealed, i, sealedBytes)];
      await backend.openPayload(key, info, payload, part(out, i, VALUE_BYTES));
    }
  };
  return async () => {
    const sets = 100;
    const took = await seconds(async () => {
      for (let i = 0; i < sets; i++) await open();
    });
    return sets / took;
  };
}

/** MiB/s of threads that seal at the same time, together. */
async function inThreads(count: number, quick: boolean): Promise<number> {
  const threads = Array.from({ length: count }, () => {
    const file = join(import.meta.dirname, "../native-thread.ts");
    return new Worker(file, { workerData: { quick } });
  });
  await Promise.all(threads.map((thread) => once(thread, "message")));
  const answers = threads.map((thread) => once(thread, "message"));
  for (const thread of threads) thread.postMessage("seal", []);
  const rates = await Promise.all(answers);
  await Promise.all(threads.map((thread) => thread.terminate()));
  return rates.reduce((sum, [rate]) => sum + Number(rate), 0);
}
