/** A process that changes a keystore: `writer.ts <path> <key file> <shared key> <name> <count> [keys]`. */
import { openKeystore } from "../../src/index.ts";

const [path = "", keyFile = "", shared = "", name = "", count = "0", only] = process.argv.slice(2);
using keystore = await openKeystore(path, { root: { keyFile }, busyTimeout: 30_000 });
const client = keystore.as();

for (let i = 0; i < Number(count); i++) {
  const kind = only === "keys" ? 0 : i % 10;
  if (kind < 5) {
    const { KeyMetadata } = await client.createKey({ Description: `${name} ${i}` });
    console.log(`key ${KeyMetadata.KeyId}`);
  } else if (kind < 7) {
    const AliasName = `alias/${name}/${i}`;
    await client.createAlias({ AliasName, TargetKeyId: shared });
    console.log(`alias ${AliasName}`);
  } else if (kind < 8) {
    await client.rotateKeyOnDemand({ KeyId: shared });
    console.log("rotation");
  } else {
    await client.updateKeyDescription({ KeyId: shared, Description: `${name} ${i}` });
    console.log("description");
  }
}
