/**
 * Work on encrypted files: each writes, replaces or changes one of them.
 *
 * @module
 */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Envelope, inspect } from "@env/core";
import { createKeystore, openKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { decryptFile, encryptFile, recoverFile, rewrapFile } from "@env/node-stream";
import { acknowledge, require, type Place, type Scenario } from "./scenario.ts";

export const context = { tenant: "acme" };
/** Longer than one chunk. */
export const plaintext: Buffer = Buffer.alloc(40_000, "What was written must be read. ");
const other = Buffer.alloc(20_000, "What was there before. ");

const SEALED = "report.envelope";
const ALIASES = ["alias/one", "alias/two"];

/** A keystore whose I/O does not count, with the CMKs of the files. */
async function makeKeystore({ sound }: Place): Promise<void> {
  const root = { keyFile: join(sound, "key") };
  using keystore = await createKeystore(join(sound, "kms"), { root });
  for (const AliasName of ALIASES) {
    const { KeyMetadata } = await keystore.as().createKey();
    await keystore.as().createAlias({ AliasName, TargetKeyId: KeyMetadata.KeyId });
  }
}

async function withKeystore<T>(
  { sound }: Place,
  use: (keystore: Keystore) => Promise<T>,
): Promise<T> {
  using keystore = await openKeystore(join(sound, "kms"), {
    root: { keyFile: join(sound, "key") },
  });
  return await use(keystore);
}

/** @param cmks - How many of the CMKs the envelope has. */
async function withEnvelope<T>(
  place: Place,
  cmks: number,
  use: (envelope: Envelope) => Promise<T>,
): Promise<T> {
  return withKeystore(place, async (keystore) => {
    const client = keystore.as();
    await using envelope = new Envelope({
      cmks: ALIASES.slice(0, cmks).map((key) => localFile({ client, key })),
    });
    return await use(envelope);
  });
}

/** Decrypts as a new process does, which finishes what an earlier one began. */
async function opened(place: Place, name: string): Promise<Buffer> {
  const target = join(place.sound, "opened");
  await withEnvelope(place, 2, (envelope) =>
    decryptFile(envelope, join(place.faulty, name), target, { context, overwrite: true }),
  );
  return readFile(target);
}

async function requireOnly({ faulty }: Place, ...names: readonly string[]): Promise<void> {
  const found = (await readdir(faulty)).toSorted();
  require(found.join() === names.toSorted().join(), `left behind: ${found.join(", ")}`);
}

async function seal(place: Place, bytes: Uint8Array, cmks: number, overwrite = false) {
  const source = join(place.sound, "plain");
  await writeFile(source, bytes);
  const target = join(place.faulty, SEALED);
  await withEnvelope(place, cmks, (envelope) =>
    encryptFile(envelope, source, target, { context, overwrite, concurrency: 0 }),
  );
}

/** 0 for the bytes that were there before, 1 for the new ones. */
function which(bytes: Buffer, before: Buffer | undefined): number {
  if (bytes.equals(plaintext)) return 1;
  require(before?.equals(bytes) ?? false, "the plaintext is wrong");
  return 0;
}

async function isThere({ faulty }: Place, name: string): Promise<boolean> {
  return (await readdir(faulty)).includes(name);
}

const encrypting = (name: string, before: Buffer | undefined): Scenario => ({
  name,
  changes: 1,
  isSealed: true,
  async prepare(place) {
    await makeKeystore(place);
    if (before !== undefined) await seal(place, before, 1);
  },
  async work(place) {
    await seal(place, plaintext, 1, before !== undefined);
    acknowledge();
  },
  async read(place) {
    if (before === undefined && !(await isThere(place, SEALED))) return 0;
    return which(await opened(place, SEALED), before);
  },
  async again(place) {
    await seal(place, plaintext, 1, true);
    await requireOnly(place, SEALED);
  },
});

const decrypting: Scenario = {
  name: "decrypt a file over another",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await makeKeystore(place);
    await seal(place, plaintext, 1);
    await cp(join(place.faulty, SEALED), join(place.sound, SEALED));
    await rm(join(place.faulty, SEALED));
    await writeFile(join(place.faulty, "report"), other);
  },
  async work(place) {
    await decrypt(place);
    acknowledge();
  },
  async read(place) {
    return which(await readFile(join(place.faulty, "report")), other);
  },
  async again(place) {
    await decrypt(place);
    await requireOnly(place, "report");
  },
};

async function decrypt(place: Place): Promise<void> {
  const [source, target] = [join(place.sound, SEALED), join(place.faulty, "report")];
  const options = { context, overwrite: true, concurrency: 0 };
  await withEnvelope(place, 2, (envelope) => decryptFile(envelope, source, target, options));
}

/** @param cmks - With a second CMK the header becomes longer, and the file is copied. */
const rewrapping = (name: string, cmks: 1 | 2): Scenario => ({
  name,
  changes: 1,
  isSealed: true,
  async prepare(place) {
    await makeKeystore(place);
    // The padding of a file leaves room for a second CMK: a message has none.
    const sealed = await withEnvelope(place, 1, (envelope) =>
      envelope.encrypt(plaintext, cmks === 1 ? { context, headerAlignment: 4096 } : { context }),
    );
    await writeFile(join(place.faulty, SEALED), sealed);
    await writeFile(join(place.sound, "before"), sealed);
    await withKeystore(place, async (keystore) => {
      const { KeyMetadata } = await keystore.as().describeKey({ KeyId: "alias/one" });
      await keystore.as().rotateKeyOnDemand({ KeyId: KeyMetadata.KeyId });
    });
  },
  async work(place) {
    await rewrap(place, cmks);
    acknowledge();
  },
  async read(place) {
    const bytes = await opened(place, SEALED);
    require(bytes.equals(plaintext), "the plaintext is wrong");
    const [now, before] = await Promise.all([
      readFile(join(place.faulty, SEALED)),
      readFile(join(place.sound, "before")),
    ]);
    if (now.equals(before)) return 0;
    require(inspect(now).entries?.length === cmks, "the key block has other entries");
    return 1;
  },
  async again(place) {
    await rewrap(place, cmks);
    require((await opened(place, SEALED)).equals(plaintext), "the plaintext is wrong");
    await requireOnly(place, SEALED);
  },
});

async function rewrap(place: Place, cmks: number): Promise<void> {
  await withEnvelope(place, cmks, (envelope) =>
    rewrapFile(envelope, join(place.faulty, SEALED), { context }),
  );
}

const inPlace = rewrapping("rewrap a file in place", 1);

/** Begins with what a process leaves that is killed when the journal is on disk and the header is still the old one. */
const recovering: Scenario = {
  ...inPlace,
  name: "finish an interrupted rewrap",
  async prepare(place, killBefore) {
    await inPlace.prepare(place, killBefore);
    await killBefore(inPlace, `write ${SEALED}`);
  },
  async work({ faulty }) {
    const recovery = await recoverFile(join(faulty, SEALED));
    require(recovery === "finished", "there was nothing to finish");
    acknowledge();
  },
};

export const fileScenarios: readonly Scenario[] = [
  encrypting("encrypt a file", undefined),
  encrypting("encrypt a file over another", other),
  decrypting,
  inPlace,
  rewrapping("rewrap a file by copying it", 2),
  recovering,
];
