/**
 * Rotation: the CMK gets a new version, old messages stay readable, and a rewrap moves them to the
 * new version. Only the header of a message changes, and the data key never leaves the KMS.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Envelope } from "@env/core";
import { createKeystore } from "@env/kms";
import { localFile } from "@env/local-file";

const folder = mkdtempSync(join(tmpdir(), "env-example-"));
const path = join(folder, "dev.kms");
const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
try {
  const client = keystore.as();
  const { KeyMetadata } = await client.createKey({ Description: "orders" });
  const { KeyId } = KeyMetadata;
  await using cmk = localFile({ client, key: KeyId });
  await using envelope = new Envelope({ cmks: [cmk] });

  const context = { tenant: "acme" };
  const messages = await Promise.all(
    Array.from({ length: 100 }, (_, n) => envelope.encryptText(`order ${n}`, { context })),
  );

  await client.rotateKeyOnDemand({ KeyId });
  console.log(
    `rotated; the oldest still opens: ${await envelope.decryptText(messages[0] ?? "", { context })}`,
  );

  for (const round of ["first", "second"]) {
    let [changed, seen] = [0, 0];
    for (const [index, message] of messages.entries()) {
      const result = await envelope.rewrap(message, { context });
      messages[index] = result.message;
      changed += Number(result.changed);
      seen += Number(result.plaintextSeen);
    }
    console.log(
      `${round} rewrap: ${changed} of ${messages.length} changed, ${seen} data keys seen`,
    );
  }
  console.log(
    `opens under version 2: ${await envelope.decryptText(messages[99] ?? "", { context })}`,
  );
} finally {
  keystore.close();
  rmSync(folder, { recursive: true });
}
