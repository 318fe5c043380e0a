/**
 * Measures what the second core gives: the same file in shared memory encrypted and decrypted by the
 * pool's threads and by the calling thread alone (`concurrency: 0`). The pool takes files without the
 * bytes crossing between threads, so that is from memory to memory.
 *
 * The mistake it avoids: a pool that is started within the time. It runs once before.
 *
 * @module
 */
import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { decryptFile, encryptFile } from "@env/node-stream";
import {
  CONTEXT,
  Data,
  digestOf,
  folderFor,
  MIB,
  openEnvelope,
  requireSame,
  seconds,
  type Figure,
} from "../bench.ts";
import type { Row } from "../row.ts";

const POOL = "env, all cores";
const ALONE = "env, one thread";

export const cores: Figure = {
  name: "cores",
  async run(bench) {
    const bytes = (bench.quick ? 256 : 1024) * MIB;
    const folder = folderFor(3 * bytes);
    const names = ["encrypt", "decrypt"] as const;
    const figure = (name: string): string =>
      `memory to memory, ${availableParallelism()} cores, ${name}`;
    if (folder === undefined) {
      return names.map((name) => ({
        kind: "limit",
        figure: figure(name),
        unit: "MiB/s",
        ours: undefined,
        note: `no folder has ${(3 * bytes) / MIB} MiB free`,
      }));
    }
    const { envelope } = openEnvelope();
    const data = new Data(bytes);
    const plain = join(folder.path, "plain");
    const message = join(folder.path, "message");
    const again = join(folder.path, "again");
    const work = {
      encrypt: (concurrency?: number) =>
        encryptFile(envelope, plain, message, { ...CONTEXT, concurrency }),
      decrypt: (concurrency?: number) =>
        decryptFile(envelope, message, again, { ...CONTEXT, concurrency }),
    };
    const rows: Row[] = [];
    try {
      for (const name of names) {
        const target = name === "encrypt" ? message : again;
        const measure = async (concurrency?: number): Promise<number> => {
          rmSync(target, { force: true });
          return bytes / MIB / (await seconds(() => work[name](concurrency)));
        };
        const values = await bench.takeTurns(
          [
            { name: POOL, measure: () => measure() },
            { name: ALONE, measure: () => measure(0) },
          ],
          () => {
            if (name === "decrypt") return;
            data.renew();
            data.writeTo(plain);
          },
        );
        rows.push({
          kind: "comparison",
          figure: figure(name),
          unit: "MiB/s",
          ours: values.get(POOL) ?? [],
          peer: ALONE,
          theirs: values.get(ALONE) ?? [],
          atLeast: 1.5,
          note: `files of ${bytes / MIB} MiB on ${folder.place}`,
        });
      }
      requireSame("decrypted file", digestOf([readFileSync(again)]), data.digest());
      return rows;
    } finally {
      folder.remove();
    }
  },
};
