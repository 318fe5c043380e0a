/** A keystore in a folder that goes away with the test. */
import { join } from "node:path";
import { createKeystore, type Keystore, type KmsClient, type RootKeySource } from "@env/kms";
import { tempFolder } from "@env/testkit/folder";
import { onTestFinished } from "vitest";

export interface TempKeystore {
  readonly folder: string;
  readonly path: string;
  readonly keystore: Keystore;
  readonly client: KmsClient;
  /** The id of a key with the alias `alias/app`. */
  readonly keyId: string;
}

export async function tempKeystore(
  root?: RootKeySource,
  busyTimeout = 5000,
): Promise<TempKeystore> {
  const folder = tempFolder();
  const path = join(folder, "dev.kms");
  const keystore = await createKeystore(path, {
    root: root ?? { keyFile: `${path}.key` },
    busyTimeout,
  });
  onTestFinished(() => keystore.close());
  const client = keystore.as();
  const { KeyMetadata } = await client.createKey();
  await client.createAlias({ AliasName: "alias/app", TargetKeyId: KeyMetadata.KeyId });
  return { folder, path, keystore, client, keyId: KeyMetadata.KeyId };
}
