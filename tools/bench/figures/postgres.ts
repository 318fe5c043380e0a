/**
 * Measures a keystore in PostgreSQL beside one in a file: data keys, each recorded on disk before it is answered, on one, two and
 * three nodes, and how many round trips a call costs.
 *
 * The mistakes it avoids: a database that does not wait for its disk, nodes that share a process, and a round trip that is
 * counted by the client, which does not see all of them: each transaction raises a number in the database.
 *
 * @module
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { createKeystore } from "@env/kms";
import { startPostgres, type Postgres } from "@env/testkit/postgres";
import { folderFor, MIB, type Bench, type Figure } from "../bench.ts";
import type { Row } from "../row.ts";

const NODES = [1, 2, 3];
const CALLERS = 64;
const NAME = `GenerateDataKey in PostgreSQL, ${CALLERS} callers on each node`;

export const postgres: Figure = {
  name: "postgres",
  async run(bench) {
    const folder = folderFor(1024 * MIB, "disk");
    const database = await startPostgres();
    const missing = typeof database === "string" ? database : "no folder has 1 GiB free";
    if (folder === undefined || typeof database === "string") {
      return [{ kind: "limit", figure: NAME, unit: "ms", ours: undefined, note: missing }];
    }
    const nodes: ChildProcess[] = [];
    try {
      return await measure(bench, join(folder.path, "file.kms"), database, nodes);
    } finally {
      for (const node of nodes) node.kill();
      await database.stop();
      folder.remove();
    }
  },
};

async function measure(
  bench: Bench,
  path: string,
  database: Postgres,
  nodes: ChildProcess[],
): Promise<readonly Row[]> {
  const seconds = bench.quick ? 2 : 10;
  const start = async (at: string, count: number): Promise<readonly ChildProcess[]> => {
    const keyFile = `${path}-${nodes.length}.key`;
    const keystore = await createKeystore(at, { root: { keyFile } });
    const { KeyMetadata } = await keystore.as().createKey();
    keystore.close();
    const program = join(import.meta.dirname, "..", `kms-node${extname(import.meta.filename)}`);
    const made = Array.from({ length: count }, () =>
      fork(program, [at, keyFile, KeyMetadata.KeyId, String(CALLERS)]),
    );
    nodes.push(...made);
    for (const node of made) await once(node, "message");
    return made;
  };
  const inFile = await start(path, 1);
  const inDatabase = await start(database.url, Math.max(...NODES));

  const transactions = (): number =>
    Number(
      database.run("psql", "-qtAX", database.url, "-c", "SELECT sum(commits) FROM envelope.chain"),
    );
  const times = new Map<number, number[]>();
  const trips: number[] = [];
  const rates = await bench.takeTurns([
    { name: "a file", measure: async () => (await load(inFile, seconds)).length / seconds },
    ...NODES.map((count) => ({
      name: `${count} nodes`,
      measure: async () => {
        const before = transactions();
        const calls = await load(inDatabase.slice(0, count), seconds);
        times.set(count, calls);
        trips.push((transactions() - before) / calls.length);
        return calls.length / seconds;
      },
    })),
  ]);
  const rateOf = (count: number): readonly number[] => rates.get(`${count} nodes`) ?? [];
  const one = rateOf(1);
  const beside = (count: number): Extract<Row, { readonly kind: "comparison" }> => ({
    kind: "comparison",
    figure: `${NAME}, ${count} nodes`,
    unit: "calls/s",
    ours: rateOf(count),
    peer: "one node",
    theirs: one,
  });
  return [
    {
      kind: "comparison",
      figure: NAME,
      unit: "calls/s",
      ours: one,
      peer: "env, in a file",
      theirs: rates.get("a file"),
      atLeast: 0.5,
      note: "PostgreSQL on the same machine, with its disk; one node",
    },
    beside(2),
    { ...beside(3), atLeast: 1 },
    ...[...times].map(([count, calls]): Row => ({
      kind: "limit",
      figure: `${NAME}, ${count} of them, 99th percentile`,
      unit: "ms",
      ours: [calls.toSorted((a, b) => a - b)[Math.floor(calls.length * 0.99)] ?? NaN],
    })),
    {
      kind: "limit",
      figure: "round trips for each call",
      unit: "round trips",
      ours: trips,
      below: 1,
    },
  ];
}

/** The milliseconds of each call that the nodes have answered together. */
async function load(nodes: readonly ChildProcess[], seconds: number): Promise<number[]> {
  const answers = nodes.map(async (node) => {
    const answer = once(node, "message");
    node.send(seconds);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It is what kms-node.ts sends.
    return ((await answer) as [number[]])[0];
  });
  return (await Promise.all(answers)).flat();
}
