/**
 * A process that rewraps or reports a bucket from a checkpoint, and prints the result:
 * `bucket-process.ts <JSON of a {@link BucketJob}>`.
 */
import { KMS } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { Envelope, type Cmk } from "@env/core";
import type { S3ClientOptions } from "@env/test-servers/s3";
import { encryptedS3, reportBucket, rewrapBucket } from "../../src/index.ts";

export interface BucketJob {
  readonly run: "report" | "rewrap" | "rewrap of sidecars";
  readonly s3: S3ClientOptions;
  readonly Bucket: string;
  readonly kmsUrl: string;
  readonly oldKey: string;
  readonly newKey: string;
  readonly context: Readonly<Record<string, string>>;
  readonly checkpoint: string;
  readonly concurrency: number;
}

const job = JSON.parse(process.argv[2] ?? "") as BucketJob;
const { run, Bucket, checkpoint, concurrency } = job;
const { region, credentials } = job.s3;
const kms = new KMS({ endpoint: job.kmsUrl, region, credentials });
const cmkOf = (key: string): Cmk => awsKms({ client: kms, key });
const s3 = encryptedS3({
  client: new S3Client(job.s3),
  envelope: new Envelope({ cmks: [cmkOf(job.newKey)] }),
  context: job.context,
});
const result =
  run === "report"
    ? await reportBucket(s3, { Bucket }, { checkpoint, concurrency })
    : await rewrapBucket(
        s3,
        { Bucket },
        {
          checkpoint,
          concurrency,
          from: [cmkOf(job.oldKey)],
          sidecarsOnly: run === "rewrap of sidecars",
        },
      );
const { failures: _, ...counts } = result;
console.log(JSON.stringify(counts));
process.exit();
