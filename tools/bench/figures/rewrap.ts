/**
 * Measures the rewrap in place of an encrypted file of 8 GiB, without the calls to the KMS, each time
 * after its CMK got a new version.
 *
 * The mistakes it avoids: a rewrap that had nothing to do, or that copied (the result is asked, and the
 * inode compared), `fsync` that costs nothing (the file is on a disk where there is room), and a payload
 * that is believed to be untouched: all of it is hashed before and after, and the kernel is asked what
 * the process wrote.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { MAX_HEADER_BYTES, parseHeader } from "@env/core/message";
import { rewrapFile } from "@env/node-stream";
import { CONTEXT, MIB, openEnvelope, requireSame, type Figure } from "../bench.ts";
import { giantSize, makeGiant } from "../giant.ts";
import type { Row } from "../row.ts";

export const rewrap: Figure = {
  name: "rewrap",
  async run(bench) {
    let kmsMs = 0;
    const { envelope, rotate } = openEnvelope({
      observer: (event) => {
        if (event.type === "kms-call") kmsMs += event.durationMs;
      },
    });
    const size = giantSize(bench);
    const figure = `in-place rewrap of ${size} GiB, without the KMS`;
    const giant = await makeGiant(bench, envelope);
    if (giant === undefined) {
      const note = `no folder has ${size} GiB free`;
      return [{ kind: "limit", figure, unit: "ms", ours: undefined, note }];
    }
    const { path, folder } = giant;
    try {
      bench.show("hashing the payload");
      const before = await payloadDigest(path);
      const { ino } = statSync(path);
      const written: number[] = [];
      const values = await bench.takeTurns([
        {
          name: "env",
          measure: async () => {
            rotate();
            kmsMs = 0;
            const writtenBefore = bytesWritten();
            const started = performance.now();
            const result = await rewrapFile(envelope, path, CONTEXT);
            const took = performance.now() - started - kmsMs;
            written.push(bytesWritten() - writtenBefore);
            requireSame("the method", result.method, "in-place");
            requireSame("the inode", statSync(path).ino, ino);
            return took;
          },
        },
      ]);
      bench.show("hashing the payload again");
      requireSame("the payload after all rewraps", await payloadDigest(path), before);
      const note = `file on ${folder.place}; its whole payload had the same SHA-256 before and after`;
      const rows: Row[] = [
        { kind: "limit", figure, unit: "ms", ours: values.get("env"), below: 25, note },
      ];
      if (!written.some(Number.isNaN)) {
        rows.push({
          kind: "limit",
          figure: "in-place rewrap, bytes written, journal included",
          unit: "bytes",
          ours: written.slice(1),
        });
      }
      return rows;
    } finally {
      folder.remove();
    }
  },
};

/** SHA-256 of all behind the header. */
async function payloadDigest(path: string): Promise<string> {
  const file = await open(path);
  const front = Buffer.alloc(MAX_HEADER_BYTES);
  const { bytesRead } = await file.read(front, 0, front.length, 0);
  await file.close();
  const start = parseHeader(front.subarray(0, bytesRead)).length;
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { start, highWaterMark: MIB }), hash);
  return hash.digest("hex");
}

/** Bytes that this process gave to `write` so far. NaN where the kernel does not tell. */
function bytesWritten(): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  } catch {
    return NaN;
  }
}
