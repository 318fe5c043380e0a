/**
 * Work on the file of a keystore: making it, changes with their records in the audit log, a backup, another root key,
 * and cutting off the log's past.
 *
 * @module
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createKeystore, openKeystore, type Keystore, type KmsClient } from "@env/kms";
import { acknowledge, codeOf, require, type Place, type Scenario } from "./scenario.ts";

const Plaintext = Buffer.from("what the first key encrypted");
const EncryptionContext = { tenant: "acme" };
const FIRST = "alias/first";
const ALICE = "arn:aws:iam::000000000000:user/alice";

const paths = ({ faulty, sound }: Place) => ({
  keystore: join(faulty, "app.kms"),
  keyFile: join(faulty, "app.kms.key"),
  otherKeyFile: join(faulty, "other.key"),
  backup: join(faulty, "backup.kms"),
  archive: faulty,
  ciphertext: join(sound, "ciphertext"),
});

async function withKeystore<T>(
  place: Place,
  use: (keystore: Keystore, client: KmsClient) => Promise<T>,
  { path = paths(place).keystore, keyFile = paths(place).keyFile } = {},
): Promise<T> {
  using keystore = await openKeystore(path, { root: { keyFile } });
  return await use(keystore, keystore.as());
}

/** A key with an alias, and a ciphertext of it that must always decrypt. */
async function fill(keystore: Keystore, place?: Place): Promise<void> {
  const client = keystore.as();
  const { KeyMetadata } = await client.createKey();
  await client.createAlias({ AliasName: FIRST, TargetKeyId: KeyMetadata.KeyId });
  if (place === undefined) return;
  const { CiphertextBlob } = await client.encrypt({ KeyId: FIRST, Plaintext, EncryptionContext });
  await writeFile(paths(place).ciphertext, CiphertextBlob);
}

async function create(place: Place, past = 0): Promise<void> {
  const { keystore: path, keyFile } = paths(place);
  using keystore = await createKeystore(path, { root: { keyFile } });
  await fill(keystore, place);
  for (let i = 0; i < past; i++) await keystore.as().describeKey({ KeyId: FIRST });
}

/** Every record verifies, the log is whole, and the first key decrypts what it encrypted. */
async function requireIntact(keystore: Keystore, place: Place): Promise<void> {
  const client = keystore.as();
  if (existsSync(paths(place).ciphertext)) {
    const CiphertextBlob = await readFile(paths(place).ciphertext);
    const decrypted = await client.decrypt({ CiphertextBlob, EncryptionContext });
    require(Plaintext.equals(decrypted.Plaintext), "the plaintext is wrong");
  }
  const [finding] = await keystore.verify();
  if (finding !== undefined) throw new Refused(`${finding.record}: ${finding.problem}`);
  const { intact } = await keystore.audit.verify();
  require(intact, "verify() names nothing, and the audit log is not intact");
}

/** What `verify()` names is named to whoever operates the keystore, as the refusals of calls are. */
class Refused extends Error {
  readonly code = "ERR_ENVELOPE_KEYSTORE_FORMAT";
}

/** The process goes on after a fault: the keystore takes changes, and nothing else lies beside it. */
async function requireUsable(place: Place, ...more: readonly string[]): Promise<void> {
  await withKeystore(place, async (keystore, client) => {
    await client.createKey();
    await client.generateDataKey({ KeyId: FIRST, KeySpec: "AES_256" });
    await requireIntact(keystore, place);
  });
  const expected = new Set(["app.kms", "app.kms.key", ...more]);
  const left = readdirSync(place.faulty).filter((name) => !expected.has(name));
  require(left.length === 0, `left behind: ${left.join(", ")}`);
}

/** Changes of the kinds that a keystore has, and whether each is there. */
const changes: readonly {
  readonly make: (keystore: Keystore, client: KmsClient) => Promise<unknown>;
  readonly isThere: (keystore: Keystore, client: KmsClient) => Promise<boolean>;
}[] = [
  {
    make: (_, client) => client.createKey({ Description: "second" }),
    isThere: async (_, client) => (await client.listKeys()).Keys.length >= 2,
  },
  {
    make: async (_, client) =>
      client.createAlias({ AliasName: "alias/second", TargetKeyId: await idOf(client, FIRST) }),
    isThere: async (_, client) => {
      const { Aliases } = await client.listAliases();
      return Aliases.some(({ AliasName }) => AliasName === "alias/second");
    },
  },
  {
    make: async (_, client) => client.rotateKeyOnDemand({ KeyId: await idOf(client, FIRST) }),
    isThere: async (_, client) => {
      const { Rotations } = await client.listKeyRotations({ KeyId: await idOf(client, FIRST) });
      return Rotations.length > 0;
    },
  },
  {
    make: (keystore) => keystore.iam.put({ arn: ALICE, tags: { team: "reports" } }),
    isThere: async (keystore) => {
      const { Principals } = await keystore.iam.list();
      return Principals.some(({ arn }) => arn === ALICE);
    },
  },
  {
    // A change of the audit log alone.
    make: (_, client) => client.generateRandom({ NumberOfBytes: 16 }),
    isThere: async (keystore) => {
      const { entries } = await keystore.audit.page({ operations: ["GenerateRandom"] });
      return entries.length > 0;
    },
  },
  {
    make: async (_, client) =>
      client.updateKeyDescription({ KeyId: await idOf(client, FIRST), Description: "last" }),
    isThere: async (_, client) =>
      (await client.describeKey({ KeyId: FIRST })).KeyMetadata.Description === "last",
  },
];

async function idOf(client: KmsClient, alias: string): Promise<string> {
  return (await client.describeKey({ KeyId: alias })).KeyMetadata.KeyId;
}

/** How many changes are there. They must be the first ones. */
async function changesIn(keystore: Keystore): Promise<number> {
  const client = keystore.as();
  const there: boolean[] = [];
  for (const { isThere } of changes) there.push(await isThere(keystore, client));
  const count = there.filter(Boolean).length;
  require(there.lastIndexOf(true) <
    count, `a later change is there without an earlier: ${there.join()}`);
  return count;
}

/** The file of a keystore that was whole when it got its name, or nothing: 1 or 0. */
async function readWhole(place: Place, path: string, keyFile?: string): Promise<number> {
  if (!existsSync(path)) return 0;
  await withKeystore(
    place,
    async (keystore, client) => {
      await client.generateDataKey({ KeyId: FIRST, KeySpec: "AES_256" });
      await requireIntact(keystore, place);
    },
    { path, ...(keyFile === undefined ? {} : { keyFile }) },
  );
  return 1;
}

const creating: Scenario = {
  name: "create a keystore and its key file",
  changes: 1,
  isSealed: true,
  prepare: async () => undefined,
  async work(place) {
    const { keystore: path, keyFile } = paths(place);
    const keystore = await createKeystore(path, { root: { keyFile }, prepare: (one) => fill(one) });
    acknowledge();
    keystore.close();
  },
  read: (place) => readWhole(place, paths(place).keystore),
  async again(place) {
    const { keystore: path, keyFile } = paths(place);
    if (existsSync(path)) {
      // As for any keystore that exists: this also removes what a killed process left beside it.
      const refused = await createKeystore(path, { root: { keyFile } }).catch(codeOf);
      require(refused === "ERR_ENVELOPE_KEYSTORE_IO", "an existing keystore is not refused");
    } else {
      (await createKeystore(path, { root: { keyFile }, prepare: (one) => fill(one) })).close();
    }
    await requireUsable(place);
  },
};

const changing: Scenario = {
  name: "open a keystore, change it, close it",
  changes: changes.length,
  isSealed: true,
  prepare: (place) => create(place),
  async work(place) {
    await withKeystore(place, async (keystore, client) => {
      for (const { make } of changes) {
        await make(keystore, client);
        acknowledge();
      }
    });
  },
  read: (place) =>
    withKeystore(place, async (keystore) => {
      await requireIntact(keystore, place);
      return changesIn(keystore);
    }),
  again: (place) => requireUsable(place),
};

/** Leaves a change in the write-ahead log where it is killed before the end. */
const filling: Scenario = {
  ...changing,
  name: "fill a keystore's log",
  work: (place) =>
    withKeystore(place, async (_, client) => {
      await client.tagResource({
        KeyId: await idOf(client, FIRST),
        Tags: [{ TagKey: "team", TagValue: "reports" }],
      });
    }),
};

/** What a killed process left in the write-ahead log is taken into the file by whoever opens it next. */
const reopening: Scenario = {
  ...changing,
  name: "the same, after a process that was killed",
  async prepare(place, killBefore) {
    await changing.prepare(place, killBefore);
    await killBefore(filling, "write app.kms");
  },
};

const backingUp: Scenario = {
  name: "back a keystore up",
  changes: 1,
  isSealed: true,
  prepare: (place) => create(place),
  async work(place) {
    await withKeystore(place, async (keystore) => {
      await keystore.backup(paths(place).backup);
      acknowledge();
    });
  },
  async read(place) {
    await withKeystore(place, (keystore) => requireIntact(keystore, place));
    return readWhole(place, paths(place).backup);
  },
  async again(place) {
    rmSync(paths(place).backup, { force: true });
    await withKeystore(place, (keystore) => keystore.backup(paths(place).backup));
    require((await readWhole(place, paths(place).backup)) === 1, "there is no backup");
    await requireUsable(place, "backup.kms");
  },
};

const changingRoot: Scenario = {
  name: "change the root key's file",
  changes: 1,
  isSealed: true,
  prepare: (place) => create(place),
  async work(place) {
    await withKeystore(place, async (keystore) => {
      await keystore.changeRoot({ keyFile: paths(place).otherKeyFile });
      acknowledge();
    });
  },
  async read(place) {
    const { keyFile, otherKeyFile } = paths(place);
    const opens = async (file: string): Promise<boolean> => {
      try {
        await withKeystore(place, (one) => requireIntact(one, place), { keyFile: file });
        return true;
      } catch (error) {
        if (codeOf(error) !== "ERR_ENVELOPE_KEYSTORE_ROOT_KEY") throw error;
        return false;
      }
    };
    const [old, other] = [await opens(keyFile), await opens(otherKeyFile)];
    if (!old && !other) throw new Unopenable("neither key file opens the keystore");
    require(old !== other, "both key files open the keystore");
    return other ? 1 : 0;
  },
  async again(place) {
    const { keyFile, otherKeyFile, keystore: path } = paths(place);
    // The next step of whoever was interrupted: a file of another name, since an existing one is never overwritten.
    const third = join(place.sound, "third.key");
    for (const from of [keyFile, otherKeyFile]) {
      await withKeystore(place, (one) => one.changeRoot({ keyFile: third }), {
        keyFile: from,
      }).catch((error: unknown) => {
        if (codeOf(error) !== "ERR_ENVELOPE_KEYSTORE_ROOT_KEY") throw error;
      });
    }
    require((await readWhole(place, path, third)) === 1, "the third key file does not open it");
  },
};

class Unopenable extends Error {
  readonly code = "ERR_ENVELOPE_KEYSTORE_ROOT_KEY";
}

/** Records of the log before it is cut, and how many remain. */
const [PAST, KEPT] = [20, 5];

const cutting: Scenario = {
  name: "cut off the audit log into an archive",
  changes: 1,
  isSealed: true,
  prepare: (place) => create(place, PAST),
  async work(place) {
    await withKeystore(place, async (keystore) => {
      await cut(keystore, place);
      acknowledge();
    });
  },
  read: (place) =>
    withKeystore(place, async (keystore) => {
      await requireIntact(keystore, place);
      const { entries } = await keystore.audit.page({ operations: ["CreateAlias"] });
      if (entries.length > 0) return 0;
      await requireArchived(keystore, place);
      return 1;
    }),
  async again(place) {
    await withKeystore(place, async (keystore) => {
      await cut(keystore, place);
      await requireArchived(keystore, place);
      await requireIntact(keystore, place);
    });
    const left = readdirSync(place.faulty).filter((name) => name.includes(".partial-"));
    require(left.length === 0, `left behind: ${left.join(", ")}`);
  },
};

async function cut(keystore: Keystore, place: Place): Promise<void> {
  await keystore.audit.applyRetention({ maxRecords: KEPT, archive: paths(place).archive });
}

/** What was cut off is in archives that verify. */
async function requireArchived(keystore: Keystore, { faulty }: Place): Promise<void> {
  const archives = readdirSync(faulty).filter((name) => /\.jsonl?$|archive|audit/.test(name));
  require(archives.length > 0, "there is no archive");
  for (const name of archives) {
    const { intact } = await keystore.audit.verifyArchive(join(faulty, name));
    if (!intact) throw new Refused(`the archive ${name} is not intact`);
  }
}

/** Only prepares others. */
export const preparations: readonly Scenario[] = [filling];

export const keystoreScenarios: readonly Scenario[] = [
  creating,
  changing,
  reopening,
  backingUp,
  changingRoot,
  cutting,
];
