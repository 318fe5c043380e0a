// Copies objects under a customer key into encrypted ones: CUSTOMER_KEY=<base64> node migrate.ts <from> <to>
import { KMS } from "@aws-sdk/client-kms";
import { GetObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { Envelope } from "@env/core";
import { encryptedS3 } from "@env/s3";

const [from = "", to = ""] = process.argv.slice(2);
const customer = { SSECustomerAlgorithm: "AES256", SSECustomerKey: process.env["CUSTOMER_KEY"] };
const client = new S3Client({});
const envelope = new Envelope({ cmks: [awsKms({ client: new KMS({}), key: "alias/objects" })] });
const s3 = encryptedS3({ client, envelope, context: { app: "archive" } });

for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: from })) {
  for (const { Key = "" } of Contents) {
    if (await s3.head({ Bucket: to, Key }).catch(() => undefined)) continue; // An earlier run did it.
    const old = await client.send(new GetObjectCommand({ Bucket: from, Key, ...customer }));
    const { ContentType, CacheControl, Metadata, ContentLength, Body } = old;
    const kept = { ContentType, CacheControl, Metadata, IfNoneMatch: "*" };
    const stream = Body?.transformToWebStream() ?? new ReadableStream<Uint8Array>();
    await s3.put({ Bucket: to, Key, Body: stream, ...kept }, { plaintextBytes: ContentLength });
    console.log(Key);
  }
}
