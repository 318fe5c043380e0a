// Prints a mail that SES stored encrypted: node mail.ts <bucket> <message id> <account> [key]
import { KMS } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { awsKms } from "@env/aws-kms";
import { kmsKeyring, s3EncryptionClient } from "@env/s3/s3ec";

const [bucket = "", messageId = "", account = "", key = "alias/aws/ses"] = process.argv.slice(2);

const objects = s3EncryptionClient({
  client: new S3Client({}),
  keyring: kmsKeyring(awsKms({ client: new KMS({}), key })),
});
const { body } = await objects.get(
  { Bucket: bucket, Key: messageId },
  {
    context: (stored) =>
      stored["aws:ses:message-id"] === messageId && stored["aws:ses:source-account"] === account,
  },
);
process.stdout.write(body);
