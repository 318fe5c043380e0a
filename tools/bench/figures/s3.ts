/**
 * Measures encrypted objects against the bare SDK: both put and get the same bytes in the same parts, with the same S3 on
 * this machine, which is a process of its own.
 *
 * The mistake it avoids: a network that hides what encryption costs. There is none, so the ratio is the worst there is.
 *
 * @module
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { GetObjectCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { encryptedS3, rewrapBucket } from "@env/s3";
import { CONTEXT, Data, MIB, openEnvelope, requireSame, type Figure } from "../bench.ts";
import { SideProcesses, type Measures, type Sides } from "../sides.ts";

const OURS = "env";
const PEER = "AWS SDK, no encryption";
const PIECE = 64 * 1024;
const Bucket = "bench";
const PARTS = { partSize: 8 * MIB, queueSize: 4 };
/** How the sides learn where S3 is. */
const CLIENT_OPTIONS = "BENCH_S3";

export const s3: Figure = {
  name: "s3",
  async run(bench) {
    const store = fork(join(import.meta.dirname, "../s3-process.ts"));
    const [options] = (await once(store, "message")) as [S3ClientConfig];
    process.env[CLIENT_OPTIONS] = JSON.stringify(options);
    const sides = await SideProcesses.start(bench, "s3", [OURS, PEER]);
    const alone = await SideProcesses.start(bench, "s3", [OURS]);
    try {
      const size = `${bytesOf(bench.quick) / MIB} MiB`;
      const [put, get] = [await sides.takeTurns(bench, "put"), await sides.takeTurns(bench, "get")];
      const memory = await sides.takeTurns(bench, "peak");
      const rewrap = await alone.takeTurns(bench, "rewrap");
      return [
        ...[put, get].map((values, i) => ({
          kind: "comparison" as const,
          figure: `S3 ${i === 0 ? "put" : "get"}, ${size}`,
          unit: "MiB/s" as const,
          ours: values.get(OURS) ?? [],
          peer: PEER,
          theirs: values.get(PEER),
          atLeast: 0.85,
          note: "S3 in a process of its own on this machine, without TLS",
        })),
        {
          kind: "limit",
          figure: "S3, rewrap of a sidecar",
          unit: "ms",
          ours: rewrap.get(OURS),
          below: 2,
          note: "two requests each, 32 at a time: 2 ms is 500 a second",
        },
        {
          kind: "limit",
          figure: `S3, peak memory of put and get of ${size}`,
          unit: "MB",
          ours: memory.get(OURS),
          note: `${Math.round(memory.get(PEER)?.at(-1) ?? NaN)} MB without encryption`,
        },
      ];
    } finally {
      sides.end();
      alone.end();
      store.disconnect();
    }
  },
};

export const s3Sides: Sides = {
  [OURS]: (quick) => {
    const client = newClient();
    const { envelope, rotate } = openEnvelope();
    const objects = encryptedS3({ client, envelope, ...CONTEXT });
    const name = { Bucket, Key: "ours" };
    return {
      ...measured(quick, {
        put: async (Body) => void (await objects.put({ ...name, Body }, PARTS)),
        get: async () => (await objects.get(name)).body,
      }),
      async rewrap() {
        const count = quick ? 200 : 2000;
        const sidecars = encryptedS3({ client, envelope, ...CONTEXT, placement: "sidecar" });
        for (let i = 0; i < count; i++) await sidecars.put({ Bucket, Key: `s/${i}`, Body: "x" });
        rotate();
        const started = performance.now();
        const input = { Bucket, Prefix: "s/" };
        const { rewrapped } = await rewrapBucket(objects, input, { sidecarsOnly: true });
        requireSame("rewrapped sidecars", rewrapped, count);
        return (performance.now() - started) / count;
      },
    };
  },
  [PEER]: (quick) => {
    const client = newClient();
    const name = { Bucket, Key: "theirs" };
    const put = async (Body: Readable): Promise<void> => {
      await new Upload({ client, params: { ...name, Body }, ...PARTS }).done();
    };
    const get = async (): Promise<AsyncIterable<Uint8Array>> => {
      const { Body } = await client.send(new GetObjectCommand(name));
      if (Body instanceof Readable) return Body;
      throw new Error("the SDK gives no stream");
    };
    return measured(quick, { put, get });
  },
};

function newClient(): S3Client {
  const options = JSON.parse(process.env[CLIENT_OPTIONS] ?? "{}") as S3ClientConfig;
  return new S3Client(options);
}

function bytesOf(quick: boolean): number {
  return (quick ? 64 : 256) * MIB;
}

interface Calls {
  readonly put: (body: Readable) => Promise<void>;
  readonly get: () => Promise<AsyncIterable<Uint8Array>>;
}

/** MiB per second of each call, and the peak of the process's memory in MB. */
function measured(quick: boolean, { put, get }: Calls): Measures {
  const bytes = bytesOf(quick);
  const data = new Data(bytes, MIB);
  const source = (): Readable => Readable.from(data.pieces(PIECE), { objectMode: false });
  const rate = async (work: () => Promise<void>): Promise<number> => {
    const started = performance.now();
    await work();
    return (bytes / MIB / (performance.now() - started)) * 1000;
  };
  return {
    put: () => rate(() => put(source())),
    get: () =>
      rate(async () => {
        let got = 0;
        for await (const { length } of await get()) got += length;
        requireSame("bytes of the object", got, bytes);
      }),
    peak: () => process.resourceUsage().maxRSS / 1000,
  };
}
