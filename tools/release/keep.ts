/**
 * Keeps what a release writes, so that all later versions can be shown to open it: a keystore with its audit log and
 * root key, and messages under a CMK in it. Run once, before a version is tagged; what is kept never changes.
 *
 *     node --conditions=@env/source tools/release/keep.ts
 *
 * The folder is `spec/vectors/released/<version>`. `tools/test/release/keep.test.ts` opens all of them.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Envelope } from "@env/core";
import { createKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { encryptFile } from "@env/node-stream";
import { command } from "../command.ts";
import { readText, root, type Manifest } from "../workspace.ts";

export const RELEASED = "spec/vectors/released";

/** The files of a kept release. */
export const kept = {
  keystore: "app.kms",
  rootKey: "app.kms.key",
  plaintext: "report.txt",
  message: "report.txt.envelope",
  text: "message.txt",
} as const;

export const ALIAS = "alias/app";
export const context = { tenant: "acme", purpose: "réports" };
export const aad = { table: "reports", id: "42" };
/** Longer than two chunks. */
export const plaintext: string = "A line of the report, as it was when it was written.\n".repeat(
  700,
);

/** Writes a release's folder. */
export async function keep(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const path = (name: keyof typeof kept): string => join(folder, kept[name]);
  using keystore = await createKeystore(path("keystore"), { root: { keyFile: path("rootKey") } });
  await fill(keystore);
  const cmk = localFile({ client: keystore.as("user/alice"), key: ALIAS });
  await using envelope = new Envelope({ cmks: [cmk] });
  writeFileSync(path("plaintext"), plaintext);
  await encryptFile(envelope, path("plaintext"), path("message"), { context, aad });
  const text = await envelope.encryptText(plaintext, { context, aad, storeContext: true });
  writeFileSync(path("text"), text);
}

/** Uses what a keystore has records of: versions, aliases, tags, policies, grants, principals. */
async function fill(keystore: Keystore): Promise<void> {
  const account = keystore.as();
  const { KeyMetadata } = await account.createKey({
    Description: "reports",
    Tags: [{ TagKey: "team", TagValue: "reports" }],
  });
  const { KeyId } = KeyMetadata;
  await account.createAlias({ AliasName: ALIAS, TargetKeyId: KeyId });
  await account.rotateKeyOnDemand({ KeyId });
  const alice = "arn:aws:iam::000000000000:user/alice";
  await keystore.iam.put({ arn: alice, policies: [] });
  await account.createGrant({
    KeyId,
    GranteePrincipal: alice,
    Operations: ["GenerateDataKey", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "DescribeKey"],
  });
}

await command(import.meta, async () => {
  const { version = "" } = JSON.parse(readText("packages/core/package.json")) as Manifest;
  const folder = join(root, RELEASED, version);
  if (existsSync(folder)) {
    console.error(`keep: ${RELEASED}/${version} is there already, and what is kept never changes`);
    return 1;
  }
  await keep(folder);
  console.log(`keep: ${RELEASED}/${version}`);
  return 0;
});
