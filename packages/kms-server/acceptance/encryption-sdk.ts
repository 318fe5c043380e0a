/**
 * The AWS Encryption SDK for JavaScript: a message under two keys, opened with each of them alone.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import {
  buildClient,
  CommitmentPolicy,
  getClient,
  KMS,
  KmsKeyringNode,
} from "@aws-crypto/client-node";

const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const {
  AWS_ENDPOINT_URL: endpoint = "",
  KEY_ARN: first = "",
  SECOND_KEY_ARN: second = "",
} = process.env;
// Its types are not those that exactOptionalPropertyTypes asks for.
const clientProvider = getClient(KMS as never, { endpoint });
const plaintext = randomBytes(100_000);
const context = { app: "orders", stage: "test" };

const { result } = await encrypt(
  new KmsKeyringNode({ clientProvider, generatorKeyId: first, keyIds: [second] }),
  plaintext,
  { encryptionContext: context },
);
for (const key of [first, second]) {
  const opened = await decrypt(new KmsKeyringNode({ clientProvider, keyIds: [key] }), result);
  if (!opened.plaintext.equals(plaintext)) throw new Error("another plaintext came back");
  if (opened.messageHeader.encryptionContext["app"] !== "orders") throw new Error("no context");
}

result.set([~(result.at(-1) ?? 0)], result.length - 1);
const altered = await decrypt(new KmsKeyringNode({ clientProvider, keyIds: [first] }), result).then(
  () => true,
  () => false,
);
if (altered) throw new Error("an altered message was opened");
