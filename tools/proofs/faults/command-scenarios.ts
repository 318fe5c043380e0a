/**
 * What the `envelope` command writes: a new keystore with its configuration, files, a key, and an archive of the log.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { main } from "@env/cli";
import { createKeystore, openKeystore, type Keystore } from "@env/kms";
import { codeOf, require, type Place, type Scenario } from "./scenario.ts";

const plaintext = Buffer.alloc(20_000, "What the command was given. ");
const CONTEXT = ["--context", "tenant=acme"];
const SECOND = "alias/second";
/** Records of the audit log before it is cut, beside those of its first key, and how many remain. */
const [PAST, KEPT] = [20, 5];

/** Runs the command without faults, in this process: starting another for each reading takes most of the time. */
async function envelope({ faulty }: Place, ...args: readonly string[]): Promise<void> {
  let errors = "";
  const stderr = new Writable({
    write(chunk, _, done) {
      errors += String(chunk);
      done();
    },
  });
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  const { signal } = new AbortController();
  const config = ["--quiet", "--config", join(faulty, "envelope.config.json")];
  const status = await main([...config, ...args], {
    stdin: Readable.from([]),
    stdout,
    stderr,
    signal,
  });
  require(status === 0, `envelope ${args.join(" ")} ended with ${status}: ${errors}`);
}

const init = (place: Place, ...more: readonly string[]): Promise<void> =>
  envelope(place, "init", "--keystore", join(place.faulty, "dev.kms"), ...more);

async function opened(place: Place, path: string): Promise<Buffer> {
  const target = join(place.sound, "opened");
  await envelope(place, "decrypt", ...CONTEXT, "--force", "--output", target, path);
  return readFile(target);
}

async function withKeystore<T>(
  { faulty }: Place,
  use: (keystore: Keystore) => Promise<T>,
): Promise<T> {
  const root = { keyFile: join(faulty, "dev.kms.key") };
  using keystore = await openKeystore(join(faulty, "dev.kms"), { root });
  const [finding] = await keystore.verify();
  require(finding === undefined, `${finding?.record}: ${finding?.problem}`);
  return await use(keystore);
}

function requireOnly({ faulty }: Place, ...names: readonly string[]): void {
  const all = ["dev.kms", "dev.kms.key", "envelope.config.json", ...names].toSorted();
  const found = readdirSync(faulty).toSorted();
  require(found.join() === all.join(), `left behind: ${found.join(", ")}`);
}

const initialising: Scenario = {
  name: "envelope init",
  changes: 1,
  isSealed: false,
  prepare: (place) => writeFile(join(place.sound, "plain"), plaintext),
  work: { command: ["init"] },
  async read(place) {
    if (!existsSync(join(place.faulty, "envelope.config.json"))) return 0;
    const sealed = join(place.sound, "sealed");
    const plain = join(place.sound, "plain");
    await envelope(place, "encrypt", ...CONTEXT, "-o", sealed, "--force", plain);
    require(plaintext.equals(await opened(place, sealed)), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    // Completes what was interrupted. Where that is complete, another environment replaces the file once more.
    const isThere = existsSync(join(place.faulty, "envelope.config.json"));
    await init(place, ...(isThere ? ["--environment", "other"] : []));
    // Whoever makes a keystore of this name removes what a killed process left beside it, also where it is refused.
    const root = { keyFile: join(place.faulty, "dev.kms.key") };
    const refused = await createKeystore(join(place.faulty, "dev.kms"), { root }).catch(codeOf);
    require(refused === "ERR_ENVELOPE_KEYSTORE_IO", "an existing keystore is not refused");
    require((await initialising.read(place)) === 1, "there is no configuration");
    requireOnly(place);
  },
};

async function initialise(place: Place): Promise<void> {
  await init(place);
  await writeFile(join(place.faulty, "report"), plaintext);
}

const encrypting: Scenario = {
  name: "envelope encrypt",
  changes: 1,
  isSealed: false,
  prepare: initialise,
  work: { command: ["encrypt", ...CONTEXT, "report"] },
  async read(place) {
    if (!existsSync(join(place.faulty, "report.envelope"))) return 0;
    require(plaintext.equals(
      await opened(place, join(place.faulty, "report.envelope")),
    ), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    await envelope(place, "encrypt", ...CONTEXT, "--force", join(place.faulty, "report"));
    require((await encrypting.read(place)) === 1, "there is no message");
    requireOnly(place, "report", "report.envelope");
  },
};

const decrypting: Scenario = {
  name: "envelope decrypt",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await initialise(place);
    await envelope(place, "encrypt", ...CONTEXT, join(place.faulty, "report"));
  },
  work: { command: ["decrypt", ...CONTEXT, "-o", "copy", "report.envelope"] },
  async read({ faulty }) {
    if (!existsSync(join(faulty, "copy"))) return 0;
    require(plaintext.equals(await readFile(join(faulty, "copy"))), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    const [copy, sealed] = [join(place.faulty, "copy"), join(place.faulty, "report.envelope")];
    await envelope(place, "decrypt", ...CONTEXT, "--force", "-o", copy, sealed);
    require((await decrypting.read(place)) === 1, "there is no plaintext");
    requireOnly(place, "copy", "report", "report.envelope");
  },
};

const rewrapping: Scenario = {
  name: "envelope rewrap",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await decrypting.prepare(place, async () => undefined);
    await envelope(place, "keys", "rotate", "alias/app");
    await writeFile(
      join(place.sound, "before"),
      await readFile(join(place.faulty, "report.envelope")),
    );
  },
  work: { command: ["rewrap", ...CONTEXT, "report.envelope"] },
  async read(place) {
    require(plaintext.equals(
      await opened(place, join(place.faulty, "report.envelope")),
    ), "the plaintext is wrong");
    const before = await readFile(join(place.sound, "before"));
    return before.equals(await readFile(join(place.faulty, "report.envelope"))) ? 0 : 1;
  },
  async again(place) {
    await envelope(place, "rewrap", ...CONTEXT, join(place.faulty, "report.envelope"));
    require((await rewrapping.read(place)) === 1, "it was not rewrapped");
    requireOnly(place, "report", "report.envelope");
  },
};

const creatingKey: Scenario = {
  name: "envelope keys create",
  changes: 1,
  isSealed: false,
  prepare: (place) => init(place),
  work: { command: ["keys", "create", "--alias", SECOND] },
  read: (place) =>
    withKeystore(place, async (keystore) => {
      const { Aliases } = await keystore.as().listAliases();
      return Aliases.some(({ AliasName }) => AliasName === SECOND) ? 1 : 0;
    }),
  async again(place) {
    if ((await creatingKey.read(place)) === 0) {
      await envelope(place, "keys", "create", "--alias", SECOND);
    }
    require((await creatingKey.read(place)) === 1, "there is no key");
    requireOnly(place);
  },
};

const archiving: Scenario = {
  name: "envelope audit archive",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await init(place);
    await withKeystore(place, async (keystore) => {
      for (let i = 0; i < PAST; i++) await keystore.as().describeKey({ KeyId: "alias/app" });
    });
  },
  work: { command: ["audit", "archive", ".", "--keep-records", String(KEPT)] },
  read: (place) =>
    withKeystore(place, async ({ audit }) => {
      const { entries } = await audit.page({ operations: ["CreateAlias"] });
      if (entries.length > 0) return 0;
      const archives = readdirSync(place.faulty).filter((name) =>
        /^audit-[-\d]+\.json$/.test(name),
      );
      require(archives.length > 0, "there is no archive");
      for (const name of archives) {
        const { intact } = await audit.verifyArchive(join(place.faulty, name));
        require(intact, `the archive ${name} is not intact`);
      }
      return 1;
    }),
  async again(place) {
    await envelope(place, "audit", "archive", place.faulty, "--keep-records", String(KEPT));
    require((await archiving.read(place)) === 1, "the log was not cut");
    const left = readdirSync(place.faulty).filter((name) => name.includes(".partial-"));
    require(left.length === 0, `left behind: ${left.join(", ")}`);
  },
};

export const commandScenarios: readonly Scenario[] = [
  initialising,
  encrypting,
  decrypting,
  rewrapping,
  creatingKey,
  archiving,
];
