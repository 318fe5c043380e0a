/**
 * Measures what the second core gives, from memory to memory: streams that use the threads of the
 * process, as they do where nothing else is asked for, and streams in the calling thread alone
 * (`concurrency: 0`), over pieces of 1 MiB.
 *
 * The mistake it avoids: threads that are started within the time. A long message passes before.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { decryptStream, encryptStream } from "@env/node-stream";
import { CONTEXT, MIB, openEnvelope, type Figure } from "../bench.ts";
import { measurePasses, through } from "../passes.ts";
import type { Row } from "../row.ts";
import { SideProcesses, type Measures, type Sides } from "../sides.ts";

const ALL = "env, all cores";
const ALONE = "env, one thread";

export const cores: Figure = {
  name: "cores",
  async run(bench) {
    const sides = await SideProcesses.start(bench, "cores", Object.keys(coreSides));
    try {
      const rows: Row[] = [];
      for (const direction of ["encrypt", "decrypt"]) {
        const values = await sides.takeTurns(bench, direction);
        rows.push({
          kind: "comparison",
          figure: `memory to memory, ${availableParallelism()} cores, ${direction}`,
          unit: "MiB/s",
          ours: values.get(ALL) ?? [],
          peer: ALONE,
          theirs: values.get(ALONE),
          atLeast: 1.5,
        });
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const coreSides: Sides = {
  [ALL]: (quick) => measured(quick, {}),
  [ALONE]: (quick) => measured(quick, { concurrency: 0 }),
};

function measured(quick: boolean, options: { concurrency?: number }): Promise<Measures> {
  const { envelope } = openEnvelope();
  const passes = {
    encrypt: through(() => encryptStream(envelope, { ...CONTEXT, ...options })),
    decrypt: through(() => decryptStream(envelope, { ...CONTEXT, ...options })),
  };
  return measurePasses(passes, (quick ? 64 : 256) * MIB, MIB);
}
