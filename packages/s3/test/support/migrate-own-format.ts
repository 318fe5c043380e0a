// Copies objects of a format of one's own into encrypted ones: node migrate.ts <from> <to>
// The old body is AES-256-GCM: nonce (12 bytes), ciphertext, tag (16). Its metadata "key" is a data key of AWS KMS.
import { createDecipheriv } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { KMS } from "@aws-sdk/client-kms";
import {
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { Envelope } from "@env/core";
import { encryptedS3 } from "@env/s3";

const [from = "", to = ""] = process.argv.slice(2);
const client = new S3Client({});
const kms = new KMS({});
const envelope = new Envelope({ cmks: [awsKms({ client: kms, key: "alias/objects" })] });
const s3 = encryptedS3({ client, envelope, context: { app: "archive" } });

for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: from })) {
  for (const { Key = "" } of Contents) {
    if (await s3.head({ Bucket: to, Key }).catch(() => undefined)) continue; // An earlier run did it.
    const old = await client.send(new HeadObjectCommand({ Bucket: from, Key }));
    const { ContentType, ContentLength: size = 0, ETag: IfMatch } = old;
    const { key = "", ...Metadata } = old.Metadata ?? {};
    const range = async (start: number, end: number): Promise<Readable> => {
      const Range = `bytes=${start}-${end - 1}`;
      const read = new GetObjectCommand({ Bucket: from, Key, IfMatch, Range });
      const { Body } = await client.send(read);
      return Body instanceof Readable ? Body : Readable.from([]);
    };
    const [nonce, tag] = [await range(0, 12), await range(size - 16, size)];
    const { Plaintext = new Uint8Array() } = await kms.decrypt({
      CiphertextBlob: Buffer.from(key, "base64"),
      KeyId: "alias/old",
    });
    const decipher = createDecipheriv(
      "aes-256-gcm",
      Plaintext,
      Buffer.concat(await nonce.toArray()),
    );
    decipher.setAuthTag(Buffer.concat(await tag.toArray()));
    const ciphertext = size > 28 ? await range(12, size - 16) : Readable.from([]);
    pipeline(ciphertext, decipher, () => undefined); // Nothing is stored where the tag does not fit.
    await s3.put(
      { Bucket: to, Key, Body: decipher, ContentType, Metadata, IfNoneMatch: "*" },
      { plaintextBytes: size - 28 },
    );
    console.log(Key);
  }
}
