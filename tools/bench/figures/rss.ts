/**
 * Measures the most memory that a process ever holds while it encrypts a file of 1 GiB and one of
 * 8 GiB, over the same process that has loaded all and does nothing.
 *
 * The mistakes it avoids: a look at the memory now and then, which misses the peak (the kernel's own
 * high-water mark is read), and a process that others have filled before (each run has its own). The
 * sources are sparse, which the reader cannot tell; the targets are written in full.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { folderFor, GIB, type Figure } from "../bench.ts";
import { median } from "../measure.ts";
import type { Limit, Row } from "../row.ts";

export const rss: Figure = {
  name: "rss",
  async run(bench) {
    const sizes = bench.quick ? ([0.25, 1] as const) : ([1, 8] as const);
    const figure = (size: number): string => `peak memory over idle, ${size} GiB`;
    const apart = `peak memory, ${sizes[0]} GiB against ${sizes[1]} GiB`;
    const bytes = sizes[1] * GIB;
    const folder = process.platform === "linux" ? folderFor(bytes * 1.01) : undefined;
    if (folder === undefined) {
      const why =
        process.platform === "linux" ? `no folder has ${sizes[1]} GiB free` : "Linux only";
      return [...sizes.map(figure), apart].map((name): Row => ({
        kind: "limit",
        figure: name,
        unit: "MB",
        ours: undefined,
        note: why,
      }));
    }
    const source = join(folder.path, "source");
    const target = join(folder.path, "target");
    const peak = (size: number): number => {
      if (size === 0) return run();
      const fd = openSync(source, "w");
      ftruncateSync(fd, size * GIB);
      closeSync(fd);
      const value = run(source, target);
      rmSync(target);
      return value;
    };
    try {
      const values = await bench.takeTurns(
        [0, ...sizes].map((size) => ({ name: `${size} GiB`, measure: () => peak(size) })),
      );
      const idle = median(values.get("0 GiB") ?? []);
      const over = sizes.map((size) =>
        (values.get(`${size} GiB`) ?? []).map((value) => value - idle),
      );
      const note = `an idle process holds ${idle.toFixed(0)} MB; target on ${folder.place}`;
      const rows = sizes.map((size, i): Limit & Row => ({
        kind: "limit",
        figure: figure(size),
        unit: "MB",
        ours: over[i] ?? [],
        below: 96,
        note,
      }));
      const [small, large] = over.map((list) => median(list));
      const difference = (Math.abs((large ?? NaN) - (small ?? NaN)) / (small ?? NaN)) * 100;
      return [...rows, { kind: "limit", figure: apart, unit: "%", ours: [difference], below: 10 }];
    } finally {
      folder.remove();
    }
  },
};

/** Peak of a new process, in MB. */
function run(...files: readonly string[]): number {
  const script = join(import.meta.dirname, "..", "peak-rss.ts");
  return Number(execFileSync(process.execPath, [script, ...files], { encoding: "utf8" }));
}
