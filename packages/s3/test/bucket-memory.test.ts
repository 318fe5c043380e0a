/**
 * A bucket with more objects than memory should hold: neither lists nor results are collected. Its objects are made when
 * they are asked for, by a client without HTTP, which would take an hour. `SLOW=1` for a million of them.
 */
import { join } from "node:path";
import { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  CopyObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Cmk, Envelope } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import { tempFolder } from "@env/testkit/folder";
import { expect, it } from "vitest";
import {
  encryptedS3,
  reportBucket,
  rewrapBucket,
  type BucketProgress,
  type SealedObject,
} from "../src/index.ts";
import { Bucket, context } from "./support/s3.ts";

const OBJECTS = process.env["SLOW"] === undefined ? 5_000 : 1_000_000;
const PAGE = 1000;
const concurrency = 32;
/** What one object in progress may need, and what a page of the list may. */
const HEAP_BYTES = concurrency * 64 * 1024 + PAGE * 1024;

/** A client of an S3 whose objects all have the same content. */
function endless(sealed: () => SealedObject): S3Client {
  async function send(command: unknown): Promise<object> {
    if (command instanceof ListObjectsV2Command) return page(command.input.ContinuationToken);
    if (command instanceof CopyObjectCommand) return { CopyObjectResult: { ETag: '"1"' } };
    const { input, body } = sealed();
    if (!(command instanceof GetObjectCommand) || !(body instanceof Uint8Array)) {
      throw new TypeError("no other request is made, and a short object is an array");
    }
    const end = Math.min(Number(/-(\d+)$/.exec(command.input.Range ?? "")?.[1]) + 1, body.length);
    return {
      ETag: '"0"',
      ContentLength: end,
      ContentRange: `bytes 0-${end - 1}/${body.length}`,
      Metadata: { ...input.Metadata },
      Body: Readable.from([body.subarray(0, end)]),
    };
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is used
  return { send } as unknown as S3Client;
}

/** A KMS that costs nothing, and protects nothing. */
function unsafeDriver(keyId: string): CmkDriver {
  return {
    provider: "unsafe",
    keyId,
    wrap: async ({ plaintext }) => ({ wrapped: plaintext.slice(), keyId }),
    unwrap: async ({ wrapped }) => ({ plaintext: wrapped.slice() }),
    classify: () => "ERR_ENVELOPE_KMS_ERROR",
  };
}

function page(token = "0"): object {
  const from = Number(token);
  const end = Math.min(from + PAGE, OBJECTS);
  return {
    Contents: Array.from({ length: end - from }, (_, i) => ({
      Key: String(from + i).padStart(7, "0"),
      Size: 1,
    })),
    NextContinuationToken: end < OBJECTS ? String(end) : undefined,
  };
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

it.each(["rewrap", "report"] as const)(
  "a %s of a large bucket needs memory for what is in progress alone",
  async (run) => {
    const cmks = ["old", "new"].map((keyId) => new Cmk(unsafeDriver(keyId)));
    let sealed: SealedObject | undefined;
    const client = endless(() => sealed ?? expect.unreachable());
    const by = (all: Cmk[]) =>
      encryptedS3({ client, envelope: new Envelope({ cmks: all }), context });
    sealed = await by(cmks.slice(0, 1)).seal({ Bucket, Key: "0", Body: "an object" });

    const used: number[] = [];
    const onProgress = ({ objects }: BucketProgress): void => {
      if (objects % (OBJECTS / 10) !== 0) return;
      collectGarbage();
      used.push(process.memoryUsage().heapUsed);
    };
    const options = { concurrency, onProgress, checkpoint: join(tempFolder(), "checkpoint") };
    const result = await (run === "rewrap"
      ? rewrapBucket(by(cmks), { Bucket }, options)
      : reportBucket(by(cmks), { Bucket }, options));
    const rewrapped = run === "rewrap" ? OBJECTS : 0;
    expect(result).toMatchObject({ objects: OBJECTS, rewrapped, failed: 0 });
    const [first = 0, ...later] = used;
    console.info(
      `${OBJECTS} objects: ${Math.round(first / 2 ** 20)} MiB of heap after a tenth, then at most ${Math.round((Math.max(...later) - first) / 1024)} KiB more`,
    );
    expect(Math.max(...later) - first).toBeLessThan(HEAP_BYTES);
  },
);
