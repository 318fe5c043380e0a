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
import {
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { Envelope } from "@env/core";
import { encryptedS3, rewrapBucket } from "@env/s3";
import { CONTEXT, Data, MIB, openEnvelope, requireSame, type Figure } from "../bench.ts";
import { SideProcesses, type Measures, type Sides } from "../sides.ts";

const OURS = "env";
const PEER = "AWS SDK, no encryption";
const PIECE = 64 * 1024;
const Bucket = "bench";
/** Where a side has its sidecars, so that turns of one are not those of the other. */
const prefixes = { [OURS]: "s/", [PEER]: "t/" };
const AT_A_TIME = 32;
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
    const alone = await SideProcesses.start(bench, "s3", [OURS, PEER]);
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
          ours: rewrap.get(OURS)?.map((rate) => 1000 / rate),
          below: 2,
          note: "two requests each, 32 at a time: 2 ms is 500 a second",
        },
        {
          kind: "comparison",
          figure: "S3, rewraps of sidecars",
          unit: "calls/s",
          ours: rewrap.get(OURS) ?? [],
          peer: PEER,
          theirs: rewrap.get(PEER),
          note: "the peer only gets and puts each sidecar, 32 at a time: what the SDK and this machine allow",
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
      rewrap: rewrapRate(quick, client, envelope, prefixes[OURS], async () => {
        rotate();
        const input = { Bucket, Prefix: prefixes[OURS] };
        const options = { sidecarsOnly: true, concurrency: AT_A_TIME };
        return (await rewrapBucket(objects, input, options)).rewrapped;
      }),
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
    const rewrap = async (): Promise<number> => {
      const Prefix = prefixes[PEER];
      const listed = paginateListObjectsV2({ client }, { Bucket, Prefix });
      let count = 0;
      for await (const { Contents = [] } of listed) {
        const keys = Contents.flatMap(({ Key = "" }) => (SIDECAR.test(Key) ? [Key] : [])).values();
        const lane = async (): Promise<void> => {
          for (const Key of keys) {
            const read = await client.send(new GetObjectCommand({ Bucket, Key }));
            const Body = (await read.Body?.transformToByteArray()) ?? new Uint8Array();
            const IfMatch = read.ETag ?? "*";
            await client.send(new PutObjectCommand({ Bucket, Key, Body, IfMatch }));
            count++;
          }
        };
        await inLanes(lane);
      }
      return count;
    };
    return {
      ...measured(quick, { put, get }),
      rewrap: rewrapRate(quick, client, openEnvelope().envelope, prefixes[PEER], rewrap),
    };
  },
};

const SIDECAR = /\.envelope-keys$/;

async function inLanes(lane: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
}

/** Sidecars per second of `rewrap`, which says how many it has done. They are stored before the first round. */
function rewrapRate(
  quick: boolean,
  client: S3Client,
  envelope: Envelope,
  prefix: string,
  rewrap: () => Promise<number>,
): () => Promise<number> {
  const count = quick ? 200 : 1000;
  const sidecars = encryptedS3({ client, envelope, ...CONTEXT, placement: "sidecar" });
  let stored: Promise<void> | undefined;
  const store = async (): Promise<void> => {
    const keys = Array.from({ length: count }, (_, i) => `${prefix}${i}`).values();
    await inLanes(async () => {
      for (const Key of keys) await sidecars.put({ Bucket, Key, Body: "x" });
    });
  };
  return async () => {
    await (stored ??= store());
    const started = performance.now();
    requireSame("rewrapped sidecars", await rewrap(), count);
    return (count / (performance.now() - started)) * 1000;
  };
}

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
