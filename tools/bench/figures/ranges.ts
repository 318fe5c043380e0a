/**
 * Measures 1 MiB out of the middle of an encrypted file of 8 GiB, opened for each read: header, key
 * from the KMS (in memory), range. Each read is at another offset and is compared with what was written there.
 *
 * The mistakes it avoids: a reader that is open already, and reads of the file that nobody counted
 * (they are counted by a source around the file). What it cannot avoid: the file is in the page cache.
 *
 * @module
 */
import { open } from "node:fs/promises";
import { openEncrypted } from "@env/node-stream";
import { CONTEXT, MIB, openEnvelope, requireSame, seconds, type Figure } from "../bench.ts";
import { giantSize, makeGiant, type Giant, type Mark } from "../giant.ts";
import type { Row } from "../row.ts";

export const ranges: Figure = {
  name: "ranges",
  async run(bench) {
    const { envelope } = openEnvelope();
    const size = giantSize(bench);
    const time = `1 MiB out of ${size} GiB, opened cold`;
    const reads = `${time}, reads`;
    const giant = await makeGiant(bench, envelope);
    if (giant === undefined) {
      const note = `no folder has ${size} GiB free`;
      return [
        { kind: "limit", figure: time, unit: "ms", ours: undefined, note },
        { kind: "limit", figure: reads, unit: "reads", ours: undefined, note },
      ];
    }
    const range = async (
      source: Parameters<typeof openEncrypted>[1],
      { position, bytes }: Mark,
    ): Promise<void> => {
      await using reader = await openEncrypted(envelope, source, CONTEXT);
      const found = await reader.read(position, position + MIB);
      requireSame("the range", bytes.equals(found), true);
    };
    try {
      const counts: number[] = [];
      const values = await bench.takeTurns([
        {
          name: "env",
          measure: async () => {
            counts.push(await countReads(giant, (source, mark) => range(source, mark)));
            let took = 0;
            for (const mark of giant.marks) took += await seconds(() => range(giant.path, mark));
            return (took / giant.marks.length) * 1000;
          },
        },
      ]);
      const note = `${giant.marks.length} places per round, file on ${giant.folder.place}`;
      const rows: Row[] = [
        { kind: "limit", figure: time, unit: "ms", ours: values.get("env"), below: 15, note },
        { kind: "limit", figure: reads, unit: "reads", ours: counts.slice(1), below: 3, note },
      ];
      return rows;
    } finally {
      giant.folder.remove();
    }
  },
};

/** Most reads that one range of a file took. */
async function countReads(
  { path, marks }: Giant,
  range: (source: Parameters<typeof openEncrypted>[1], mark: Mark) => Promise<void>,
): Promise<number> {
  const file = await open(path);
  let most = 0;
  try {
    const { size } = await file.stat();
    for (const mark of marks) {
      let count = 0;
      const source = {
        size,
        async read(start: number, end: number) {
          count++;
          const length = end - start;
          const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, start);
          return buffer.subarray(0, bytesRead);
        },
      };
      await range(source, mark);
      most = Math.max(most, count);
    }
  } finally {
    await file.close();
  }
  return most;
}
