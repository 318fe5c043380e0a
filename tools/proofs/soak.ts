/**
 * The mistake it stops: a leak that no test is long enough to show. For as long as it is told, it encrypts and decrypts
 * messages, encrypts, verifies, rewraps and decrypts files, and calls a keystore, and looks at the memory and the
 * open handles every ten seconds. It fails where any of them still grows after a third of the run, which is its warm-up.
 *
 *     node --conditions=@env/source --max-semi-space-size=2 tools/proofs/soak.ts [--minutes 30]
 *
 * Without that flag V8's space for new objects goes on growing for as long as a run takes, to more than 100 MiB that hold
 * nothing: resident memory would then say nothing about the rest.
 *
 * The keystore's log is cut to its last 20,000 records as the run goes on, so that the disk is not part of what is
 * measured.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Envelope } from "@env/core";
import { createKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { decryptFile, encryptFile, rewrapFile, verifyFile } from "@env/node-stream";
import { command, report } from "../command.ts";

/** What is looked at every ten seconds. Memory in MiB. */
export interface Sample {
  /** After a full garbage collection. */
  readonly heap: number;
  /** What JavaScript holds outside of its heap. */
  readonly external: number;
  /** Memory of the whole process: threads, SQLite and what the allocator keeps. */
  readonly resident: number;
  /** Open files, sockets, timers and threads, as Node counts them. */
  readonly resources: number;
  /** Descriptors of the process. 0 where the system does not list them. */
  readonly descriptors: number;
}

/**
 * The part of a run that is not compared: caches of records and of statements fill, code is compiled, and the allocator
 * takes what it then reuses.
 */
const WARM_UP = 1 / 3;

/** How much more the median of the last part may be than that of the part before, both as long, after the warm-up. */
const ALLOWED: Sample = { heap: 2, external: 2, resident: 16, resources: 0, descriptors: 0 };

const SAMPLE_MS = 10_000;
const RECORDS = 20_000;
const FILE_BYTES = 9 << 20;
const context = { tenant: "soak" };

/** What still grew after the warm-up, one sentence each. */
export function growth(samples: readonly Sample[]): string[] {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const half = Math.floor(warm.length / 2);
  if (half === 0) return ["the run was too short for three samples"];
  const parts = [warm.slice(0, half), warm.slice(-half)];
  return (Object.keys(ALLOWED) as (keyof Sample)[]).flatMap((name) => {
    const [before, after] = parts.map((part) => median(part.map((one) => one[name])));
    if (before === undefined || after === undefined || after <= before + ALLOWED[name]) return [];
    return [`${name} grew from ${before} to ${after}, and at most ${ALLOWED[name]} is allowed`];
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

async function sample(collect: () => void): Promise<Sample> {
  collect();
  await setImmediate(); // Buffers are freed by finalizers, which run between two turns.
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  const mib = (bytes: number): number => Math.round(bytes / 104_857.6) / 10;
  return {
    heap: mib(heapUsed),
    external: mib(external),
    resident: mib(rss),
    resources: process.getActiveResourcesInfo().length,
    descriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0,
  };
}

/** One round of the work. Everything that is decrypted is compared. */
async function round(keystore: Keystore, folder: string, number: number): Promise<void> {
  const client = keystore.as();
  const cmk = localFile({ client, key: "alias/soak" });
  await using envelope = new Envelope({ cmks: [cmk] });
  for (let i = 0; i < 100; i++) {
    const plaintext = Buffer.alloc(1 + ((number * 7919 + i * 104_729) % 40_000), i);
    const message = await envelope.encrypt(plaintext, { context });
    const decrypted = await envelope.decrypt(message, { context });
    if (!plaintext.equals(decrypted)) throw new Error("a message changed");
  }

  const path = (name: string): string => join(folder, name);
  const overwrite = { context, overwrite: true };
  await encryptFile(envelope, path("plain"), path("sealed"), overwrite);
  await verifyFile(envelope, path("sealed"), { context });
  await client.rotateKeyOnDemand({ KeyId: await idOf(keystore) }).catch(limitReached);
  await rewrapFile(envelope, path("sealed"), { context });
  await decryptFile(envelope, path("sealed"), path("again"), overwrite);
  if (!readFileSync(path("plain")).equals(readFileSync(path("again")))) {
    throw new Error("a file changed");
  }

  // The keystore ends a round with as many records as it began with: what it holds is not what is measured.
  const KeyId = await idOf(keystore);
  const EncryptionContext = { round: `${number}` };
  const Plaintext = Buffer.from("soak");
  const { CiphertextBlob } = await client.encrypt({ KeyId, Plaintext, EncryptionContext });
  await client.decrypt({ CiphertextBlob, EncryptionContext });
  const GranteePrincipal = "arn:aws:iam::000000000000:user/soak";
  const grant = await client.createGrant({ KeyId, GranteePrincipal, Operations: ["Decrypt"] });
  await client.revokeGrant({ KeyId, GrantId: grant.GrantId });
  await client.tagResource({ KeyId, Tags: [{ TagKey: "round", TagValue: `${number}` }] });
  await keystore.audit.applyRetention({ maxRecords: RECORDS });
}

async function idOf(keystore: Keystore): Promise<string> {
  return (await keystore.as().describeKey({ KeyId: "alias/soak" })).KeyMetadata.KeyId;
}

/** A key has a limited number of rotations on demand; the run goes on with what it has. */
function limitReached(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "LimitExceededException") throw error;
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({ args, options: { minutes: { type: "string", default: "30" } } });
  const end = Date.now() + Number(values.minutes) * 60_000;
  const collect = collector();
  const folder = mkdtempSync(join(tmpdir(), "env-soak-"));
  const samples: Sample[] = [];
  let rounds = 0;
  try {
    const root = { keyFile: join(folder, "soak.key") };
    using keystore = await createKeystore(join(folder, "soak.kms"), { root });
    const { KeyMetadata } = await keystore.as().createKey();
    const { KeyId } = KeyMetadata;
    await keystore.as().createAlias({ AliasName: "alias/soak", TargetKeyId: KeyId });
    writeFileSync(join(folder, "plain"), Buffer.alloc(FILE_BYTES, "soak "));
    for (let next = Date.now(); Date.now() < end; rounds++) {
      await round(keystore, folder, rounds);
      if (Date.now() < next) continue;
      next = Date.now() + SAMPLE_MS;
      const now = await sample(collect);
      samples.push(now);
      console.log(JSON.stringify({ rounds: rounds + 1, ...now }));
    }
    const findings = (await keystore.verify()).map(({ record }) => `${record} does not verify`);
    const done = `${values.minutes} minutes, ${rounds} rounds, ${samples.length} samples: nothing grows`;
    return report("soak", [...findings, ...growth(samples)], done);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
