/**
 * Encrypted objects in stores that speak the protocol of S3: every method and placement, sizes at the edges of chunks and
 * parts, and what a rewrap relies on. A store that is not installed is skipped, and the run says why.
 *
 *     WEED=<program> RUSTFS=<program> node --conditions=@env/source packages/s3/acceptance/stores.ts [name]
 *     S3_URL=http://… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… node … stores.ts S3_URL
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Envelope, type Cmk } from "@env/core";
import { memoryCmk } from "@env/core/testing";
import {
  encryptedS3,
  reportBucket,
  rewrapBucket,
  type EncryptedS3,
  type Placement,
} from "../src/index.ts";
import { credentials, stores, type Store } from "./store-servers.ts";

const Bucket = "acceptance";
const context = { app: "acceptance" };
const MIB = 2 ** 20;
const SIZES = [0, 1, 16_383, 16_384, 16_385, 100_000, 5 * MIB, 17 * MIB + 1];
const placements: readonly Placement[] = ["metadata", "sidecar", "inline"];

const wanted = process.argv[2]?.toLowerCase() ?? "";
const chosen = stores.filter(({ name }) => name.toLowerCase().includes(wanted));
if (chosen.length === 0) {
  console.error(
    `No store has such a name. There are: ${stores.map(({ name }) => name).join("; ")}`,
  );
  process.exit(2);
}
let failed = 0;
for (const store of chosen) failed += await run(store);
process.exitCode = failed === 0 ? 0 : 1;

/** The number of checks that failed. */
async function run(store: Store): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "s3-store-"));
  const started = await store.start(folder);
  const { name, ignoresIfMatch } = store;
  if (typeof started === "string") {
    console.log(`${name}: skipped, because ${started}`);
    rmSync(folder, { recursive: true });
    return 0;
  }
  const client = new S3Client({
    endpoint: started.url,
    region: "us-east-1",
    forcePathStyle: true,
    ...(process.env["S3_URL"] !== started.url && { credentials }),
    // As the documentation says for stores that are not AWS's.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const failures: string[] = [];
  try {
    await client.send(new CreateBucketCommand({ Bucket }));
    for (const [what, check] of checks(client, ignoresIfMatch !== true)) {
      await check().catch((error: unknown) => void failures.push(`${what}: ${String(error)}`));
    }
  } finally {
    client.destroy();
    await started.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const outcome = failures.length === 0 ? "passed" : `FAILED\n${failures.join("\n")}`;
  console.log(`${name}${started.version}: ${outcome}`);
  return failures.length;
}

type Check = readonly [what: string, check: () => Promise<void>];

function checks(client: S3Client, conditionalCopies: boolean): readonly Check[] {
  const [old, current] = [memoryCmk(), memoryCmk()];
  const by = (placement: Placement, ...cmks: Cmk[]): EncryptedS3 =>
    encryptedS3({ client, envelope: new Envelope({ cmks }), context, placement });
  return [
    ...placements.flatMap((placement) =>
      of(placement, by(placement, old), by(placement, current), old),
    ),
    [
      "no upload is left",
      async () => {
        const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
        deepEqual(Uploads, []);
      },
    ],
    [
      "a rewrap does not overwrite what others store meanwhile",
      async () => {
        const name = { Bucket, Key: "race" };
        const s3 = by("metadata", old);
        await s3.put({ ...name, Body: "one" });
        const { ETag } = await s3.head(name);
        await s3.put({ ...name, Body: "two" });
        await rejects(s3.put({ ...name, Body: "three", IfMatch: ETag ?? "" }), {
          name: "PreconditionFailed",
        });
        await rejects(s3.put({ ...name, Body: "three", IfNoneMatch: "*" }), {
          name: "PreconditionFailed",
        });
        equal(await (await s3.get(name)).text(), "two");
        if (!conditionalCopies) return;
        let left = 1;
        const send = async (command: CopyObjectCommand): Promise<unknown> => {
          if (command instanceof CopyObjectCommand && left-- > 0) {
            await s3.put({ ...name, Body: "meanwhile" });
          }
          return client.send(command);
        };
        const racing = encryptedS3({
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is used
          client: { send } as unknown as S3Client,
          envelope: new Envelope({ cmks: [current] }),
          context,
        });
        equal((await racing.rewrap(name, { from: [old] })).changed, true);
        equal(left < 0, true);
        equal(await (await by("metadata", current).get(name)).text(), "meanwhile");
      },
    ],
    [
      "buckets are reported",
      async () => {
        await client.send(new PutObjectCommand({ Bucket, Key: "plain", Body: "not encrypted" }));
        const {
          objects,
          unencrypted,
          failed: broken,
        } = await reportBucket(by("metadata", old), { Bucket });
        ok(objects > 10);
        deepEqual([unencrypted, broken], [1, 0]);
      },
    ],
  ];
}

function of(placement: Placement, s3: EncryptedS3, moved: EncryptedS3, old: Cmk): Check[] {
  const nameOf = (size: number) => ({ Bucket, Key: `${placement}/ü ${size}` });
  const compare = async (from: EncryptedS3, size: number): Promise<void> => {
    const object = await from.get(nameOf(size));
    equal(Buffer.compare(await object.bytes(), pattern(size)), 0, "another plaintext");
    deepEqual([object.ContentType, object.Metadata], ["text/x-mine", { mine: "1" }]);
  };
  const kept = { ContentType: "text/x-mine", Metadata: { mine: "1" } };
  return [
    ...SIZES.map((size): Check => [
      `${placement}: ${size} bytes`,
      async () => {
        const bytes = pattern(size);
        const Body = size > MIB ? Readable.from([bytes]) : bytes;
        await s3.put({ ...nameOf(size), ...kept, Body });
        await compare(s3, size);
        const middle = Math.floor(size / 2);
        const range = await s3.getRange(nameOf(size), middle, middle + MIB);
        equal(Buffer.compare(range, bytes.subarray(middle, middle + MIB)), 0, "another range");
        equal((await s3.head(nameOf(size))).plaintextBytes, size);
      },
    ]),
    [
      `${placement}: rewrap`,
      async () => {
        const input = { Bucket, Prefix: `${placement}/` };
        const result = await rewrapBucket(moved, input, { from: [old] });
        deepEqual(result.failures, []);
        equal(result.rewrapped, SIZES.length);
        for (const size of SIZES) await compare(moved, size);
        await rejects(async () => (await s3.get(nameOf(1))).bytes(), {
          code: "ERR_ENVELOPE_NO_KEY",
        });
      },
    ],
    [
      `${placement}: copy, reencrypt, list and delete`,
      async () => {
        const from = nameOf(100_000);
        const [copy, again] = ["copy", "again"].map((end) => ({
          Bucket,
          Key: `copies/${placement}-${end}`,
        }));
        if (copy === undefined || again === undefined) return;
        await moved.copy({ from, ...copy });
        await moved.reencrypt({ from, ...again }, { context: { app: "another" } });
        equal((await (await moved.get(copy)).bytes()).length, 100_000);
        equal(
          (await (await moved.get(again, { context: { app: "another" } })).bytes()).length,
          100_000,
        );
        const listed: string[] = [];
        for await (const { Key, encryption } of moved.list({ Bucket, Prefix: "copies/" })) {
          listed.push(`${Key} ${encryption?.placement}`);
        }
        deepEqual(
          listed,
          [again, copy].map(({ Key }) => `${Key} ${placement}`),
        );
        for (const name of [copy, again]) await moved.delete(name);
        for await (const { Key } of moved.list({ Bucket, Prefix: "copies/" }))
          throw new Error(`${Key} is left`);
      },
    ],
  ];
}

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
}
