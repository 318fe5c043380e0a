/**
 * The process of one side of a comparison. It measures what it is sent the name of, and answers with
 * the value.
 *
 *     node --expose-gc tools/bench/side.ts FIGURE SIDE [--quick]
 *
 * @module
 */
import { command } from "../command.ts";
import { fileSides } from "./figures/files.ts";
import { memorySides } from "./figures/memory.ts";
import { nativeSides } from "./figures/native.ts";
import { s3Sides } from "./figures/s3.ts";
import { smallSides } from "./figures/small.ts";
import { streamSides } from "./figures/streams.ts";
import { coreSides } from "./figures/cores.ts";
import { collectGarbage } from "./measure.ts";
import type { Answer, Sides } from "./sides.ts";

const figures: Readonly<Record<string, Sides>> = {
  cores: coreSides,
  files: fileSides,
  memory: memorySides,
  native: nativeSides,
  s3: s3Sides,
  small: smallSides,
  streams: streamSides,
};

await command(import.meta, async ([figure = "", side = "", mode]) => {
  const make = figures[figure]?.[side];
  if (make === undefined || process.send === undefined) {
    console.error(`side: a process of bench, not to be started by hand`);
    return 2;
  }
  const answer = (message: Answer): void => void process.send?.(message);
  process.once("SIGTERM", () => process.exit(0)); // Files are removed on exit.
  process.once("SIGINT", () => process.exit(130));
  const fail = (error: unknown): void => {
    answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  };
  try {
    const measures = await make(mode === "--quick");
    process.on("message", (name: string) => {
      const measured = async (): Promise<number> => {
        const measure = measures?.[name];
        if (measure === undefined) throw new Error(`there is no measure "${name}"`);
        return measure();
      };
      measured().then((value) => {
        collectGarbage(); // Before the next side's turn, not in it.
        answer({ value });
      }, fail);
    });
    answer({ ready: measures !== undefined });
  } catch (error) {
    fail(error);
  }
  return 0;
});
