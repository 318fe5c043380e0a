/**
 * A process that changes a keystore: `writer.ts <path> <key file> <name> <tag> <count> <shared key>…`.
 * Prints a line for each change once it was acknowledged, as JSON: see ledger.ts.
 */
import { openKeystore } from "../../src/index.ts";
import type { Acknowledged } from "./ledger.ts";

const [path = "", keyFile = "", name = "", tag = "", count = "0", ...shared] =
  process.argv.slice(2);
using keystore = await openKeystore(path, { root: { keyFile }, busyTimeout: 60_000 });
const client = keystore.as();
const own: string[] = [];

for (let i = 0; i < Number(count); i++)
  process.stdout.write(`${JSON.stringify(await change(i))}\n`);

/** One change of ten kinds, the same ones for the same numbers. */
async function change(i: number): Promise<Acknowledged> {
  const round = Math.floor(i / 10);
  const KeyId = shared[round % shared.length] ?? "";
  const mine = own.at(-1) ?? "";
  const AliasName = `alias/${name}/${round}`;
  switch (i % 10) {
    case 2:
      await client.createAlias({ AliasName, TargetKeyId: mine });
      return { change: "alias", name: AliasName, keyId: mine };
    case 3:
      await client.updateAlias({ AliasName, TargetKeyId: own.at(-2) });
      return { change: "alias", name: AliasName, keyId: own.at(-2) ?? "" };
    case 4:
      if (round % 2 === 0) {
        await client.deleteAlias({ AliasName });
        return { change: "alias", name: AliasName, keyId: undefined };
      }
      await client.disableKey({ KeyId: mine });
      return { change: "disabled", keyId: mine };
    case 5: {
      const value = `${Date.now()}`;
      await client.tagResource({ KeyId, Tags: [{ TagKey: tag, TagValue: value }] });
      return { change: "tag", keyId: KeyId, tag, value };
    }
    case 6: {
      const GranteePrincipal = `arn:aws:iam::000000000000:user/${name}`;
      const grant = await client.createGrant({ KeyId, GranteePrincipal, Operations: ["Decrypt"] });
      return { change: "grant", keyId: KeyId, grantId: grant.GrantId };
    }
    case 7:
      await client.rotateKeyOnDemand({ KeyId: own.at(-2) });
      return { change: "rotation", keyId: own.at(-2) ?? "" };
    case 8: {
      const { Policy } = await client.getKeyPolicy({ KeyId: mine });
      const changed = JSON.stringify({ ...(JSON.parse(Policy) as object), Id: `${name}-${i}` });
      await client.putKeyPolicy({ KeyId: mine, Policy: changed });
      return { change: "policy", keyId: mine, policy: changed };
    }
    case 9: {
      const arn = `arn:aws:iam::000000000000:user/${name}-${round}`;
      await keystore.iam.put({ arn, tags: { round: `${round}` } });
      return { change: "principal", arn, tag: `${round}` };
    }
    default: {
      const { KeyMetadata } = await client.createKey({ Description: `${name} ${i}` });
      own.push(KeyMetadata.KeyId);
      return { change: "key", keyId: KeyMetadata.KeyId, description: `${name} ${i}` };
    }
  }
}
