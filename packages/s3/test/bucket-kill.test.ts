/**
 * Processes that are killed at random requests while they work on a bucket, until one comes to its end: every object is
 * done, none is stored twice, and the counts are those of a run that nobody killed. `SLOW=1` for the full size.
 */
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { KMS } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { Envelope } from "@env/core";
import { createKeystore } from "@env/kms";
import { createKmsServer } from "@env/kms-server";
import { startS3Server, type S3Server } from "@env/test-servers/s3";
import { tempFolder } from "@env/testkit/folder";
import { start } from "@env/testkit/programs";
import { seededRandom } from "@env/testkit/random";
import { expect, it, onTestFinished } from "vitest";
import { encryptedS3, type BucketResult, type EncryptedS3 } from "../src/index.ts";
import type { BucketJob } from "./support/bucket-process.ts";
import { Bucket, context } from "./support/s3.ts";

const SLOW = process.env["SLOW"] !== undefined;
const OBJECTS = SLOW ? 2000 : 60;
const KILLS = SLOW ? 100 : 3;
const concurrency = 4;
/** Objects that a process repeats at most after the one before it was killed. */
const REPEATED = 3 * concurrency;
const random = seededRandom();

interface Killing {
  readonly server: S3Server;
  /** By the old CMK, and by the new one. */
  readonly before: EncryptedS3;
  readonly after: EncryptedS3;
  readonly folder: string;
  /** Starts processes, and kills all but the last. What that one reports, and how many were killed. */
  run(what: BucketJob["run"]): Promise<{ readonly result: BucketResult; readonly kills: number }>;
}

async function setUp(): Promise<Killing> {
  const folder = tempFolder();
  const server = await startS3Server({ buckets: [Bucket] });
  const s3 = server.clientOptions;
  const root = { keyFile: join(tempFolder(), "kms.key") };
  const keystore = await createKeystore(join(tempFolder(), "kms"), { root, region: s3.region });
  const kmsServer = createKmsServer(keystore, { port: 0 });
  const kmsUrl = await kmsServer.listen();
  const newKey = async (): Promise<string> => (await keystore.as().createKey()).KeyMetadata.Arn;
  const keys = { oldKey: await newKey(), newKey: await newKey() };
  const client = new S3Client(s3);
  const kms = new KMS({ endpoint: kmsUrl, region: s3.region, credentials: s3.credentials });
  onTestFinished(async () => {
    client.destroy();
    kms.destroy();
    await server.close();
    await kmsServer.close();
    keystore.close();
  });
  const by = (key: string): EncryptedS3 =>
    encryptedS3({
      client,
      envelope: new Envelope({ cmks: [awsKms({ client: kms, key })] }),
      context,
    });
  const common = { s3, Bucket, kmsUrl, context, concurrency, ...keys };

  async function run(what: BucketJob["run"]) {
    const checkpoint = join(folder, "checkpoint");
    const job: BucketJob = { run: what, checkpoint, ...common };
    for (let kills = 0; ; kills++) {
      const child = start("bucket-process", JSON.stringify(job));
      const output = text(child.stdout);
      const closed = once(child, "close");
      // All of them together ask for fewer objects than there are.
      let left = kills < KILLS ? 1 + random(OBJECTS / (KILLS + 1)) : Infinity;
      server.hook = async () => {
        if (--left !== 0) return;
        const kill = (): boolean => child.kill("SIGKILL");
        // What the killed process asked for is done all the same, or it was killed when that was done.
        if (random(2) === 0) setImmediate(kill);
        else {
          kill();
          await closed;
        }
      };
      const [code, signal] = (await closed) as [number | null, string | null];
      server.hook = undefined;
      if (signal === "SIGKILL") continue;
      expect(code).toBe(0);
      expect(existsSync(checkpoint)).toBe(false);
      return { result: JSON.parse(await output) as BucketResult, kills };
    }
  }
  return { server, before: by(keys.oldKey), after: by(keys.newKey), folder, run };
}

const bodyOf = (i: number): string => `object ${i}`;
const keyOf = (i: number): string => `objects/${i}`;

async function fill({ before, server }: Killing, placement: "metadata" | "sidecar") {
  for (let i = 0; i < OBJECTS; i++) {
    await before.put({ Bucket, Key: keyOf(i), Body: bodyOf(i) }, { placement });
  }
  server.put(Bucket, "a file", { body: Buffer.from("not encrypted") });
  server.put(Bucket, "damaged", { body: Buffer.from("x"), metadata: { "env-v": "1" } });
  server.requests.length = 0;
}

it.each([
  { run: "rewrap", placement: "metadata", stores: "CopyObject", others: 1 },
  { run: "rewrap of sidecars", placement: "sidecar", stores: "PutObject", others: 0 },
] as const)(
  "a $run of placement $placement stores each object once, however often it is killed",
  async ({ run, placement, stores, others }) => {
    const killing = await setUp();
    const { server, before, after, folder } = killing;
    await fill(killing, placement);
    const { result, kills } = await killing.run(run);
    expect(kills).toBe(KILLS);
    expect(result).toMatchObject({
      objects: OBJECTS + 2 * others,
      unencrypted: others,
      failed: others,
    });
    expect(result.cmks.map(({ objects }) => objects)).toEqual([OBJECTS]);
    // What was stored and not noted counts as unchanged.
    expect(result.rewrapped).toBeLessThanOrEqual(OBJECTS);
    expect(result.rewrapped).toBeGreaterThanOrEqual(OBJECTS - kills * REPEATED);

    const handled = server.requests.filter(({ status = 500 }) => status < 300);
    const stored = handled.filter(({ operation }) => operation === stores).map(({ key }) => key);
    expect(stored).toHaveLength(OBJECTS);
    expect(new Set(stored).size).toBe(OBJECTS);
    const reads = handled.filter(({ operation }) => operation === "GetObject");
    expect(reads.length).toBeLessThanOrEqual(OBJECTS + 2 + kills * (REPEATED + concurrency));
    expect(server.uploads).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
    for (let i = 0; i < OBJECTS; i++) {
      expect(await (await after.get({ Bucket, Key: keyOf(i) })).text()).toBe(bodyOf(i));
    }
    await expect(
      before.get({ Bucket, Key: keyOf(0) }).then((got) => got.text()),
    ).rejects.toMatchObject({ code: "ERR_ENVELOPE_NO_KEY" });
  },
);

it("a report that was killed counts every object and every CMK exactly once", async () => {
  const killing = await setUp();
  await fill(killing, "metadata");
  await killing.after.put({ Bucket, Key: "zz", Body: "x" });
  const { result, kills } = await killing.run("report");
  expect(kills).toBe(KILLS);
  expect(result).toMatchObject({ objects: OBJECTS + 3, rewrapped: 0, unencrypted: 1, failed: 1 });
  expect(result.cmks.map(({ objects }) => objects)).toEqual([OBJECTS, 1]);
  expect(readdirSync(killing.folder)).toEqual([]);
});
