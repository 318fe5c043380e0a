/**
 * Rewraps or reports all objects of a bucket: concurrently, in bounded memory, and from where an earlier run stopped.
 *
 * A checkpoint names the last object before which every object is done. What was in progress when a run was killed is
 * done again by the next one, which finds most of it `current`.
 *
 * @module
 */
import { readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isEnvelopeError } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { writeFileWhole } from "@env/node-stream";
import type { EncryptedS3 } from "./encrypted-s3.ts";
import type { ObjectRewrapOptions } from "./options.ts";
import { inOrder } from "./in-order.ts";
import { ownerOfSidecar } from "./layout.ts";
import { namesOf, type NamedObject } from "./listing.ts";
import { hasName, NotEncrypted } from "./object-front.ts";

/** The objects of a run. */
export interface BucketInput {
  readonly Bucket: string;
  /** Only objects whose keys start with it. Default: all. */
  readonly Prefix?: string | undefined;
}

export interface BucketOptions {
  /** Objects in progress at a time, 1 to 1024. Default: 32. */
  readonly concurrency?: number | undefined;
  /** The path of a file that says how far a run is, until it is done. A run that finds it goes on from there. Default: none. */
  readonly checkpoint?: string | undefined;
  /** Called after every object. */
  readonly onProgress?: ((progress: BucketProgress) => void) | undefined;
  /** Called for every object that could not be done. Default: the first 1000 are in the result. */
  readonly onFailure?: ((failure: BucketFailure) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BucketRewrapOptions
  extends BucketOptions, Pick<ObjectRewrapOptions, "context" | "from" | "dryRun"> {
  /**
   * Rewraps sidecars without looking at their objects: two requests for each instead of three. Objects with
   * another placement are left out. Default: false.
   */
  readonly sidecarsOnly?: boolean | undefined;
}

/** How far a run is, including what earlier runs of its checkpoint did. */
export interface BucketProgress {
  readonly objects: number;
  /** Objects whose key block changed, or would. */
  readonly rewrapped: number;
  /** Objects that are not encrypted in this package's formats. */
  readonly unencrypted: number;
  readonly failed: number;
}

export interface BucketFailure {
  readonly Key: string;
  readonly error: unknown;
}

/** One CMK that objects depend on. */
export interface CmkUse {
  readonly provider: string;
  readonly keyId: string;
  readonly objects: number;
  /** Objects by the version that had wrapped their data keys, where the KMS reports versions. A rewrap only. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface BucketResult extends BucketProgress {
  /** What this run, without earlier ones, saw of CMKs: up to 10,000 of them. */
  readonly cmks: readonly CmkUse[];
  readonly failures: readonly BucketFailure[];
}

/** What was found for one object. `undefined` takes its place for an object that is not looked at. */
interface Finding {
  readonly changed: boolean;
  readonly uses: readonly { provider: string; keyId: string; version?: string | undefined }[];
}

const MAX_FAILURES = 1000;
const MAX_CMKS = 10_000;
/** Objects between two checkpoints. */
const CHECKPOINT_OBJECTS = 1000;
/** Attempts at one object whose KMS or store was busy. */
const ATTEMPTS = 5;
const COMMON = ["concurrency", "checkpoint", "onProgress", "onFailure", "signal"];
const REPORT_OPTIONS = new Set(COMMON);
const REWRAP_OPTIONS = new Set([...COMMON, "context", "from", "dryRun", "sidecarsOnly"]);

/**
 * Rewraps every encrypted object of a bucket, as `EncryptedS3.rewrap` does.
 *
 * @throws what listing throws, the signal's reason, and TypeError for a checkpoint of another run. An object that fails
 * is counted and reported, and the run goes on.
 */
export function rewrapBucket(
  s3: EncryptedS3,
  input: BucketInput,
  options: BucketRewrapOptions = {},
): Promise<BucketResult> {
  checkOptions(options, REWRAP_OPTIONS, "rewrapBucket");
  const { Bucket } = input;
  const { sidecarsOnly = false, context, from, dryRun, signal } = options;
  const rewrap = { context, from, dryRun, signal };
  return run(s3, input, options, async (Key) => {
    const sidecar = ownerOfSidecar(Key);
    if ((sidecar !== undefined) !== sidecarsOnly) return undefined;
    const result =
      sidecar === undefined
        ? await s3.rewrap({ Bucket, Key }, rewrap)
        : await s3.rewrapSidecar({ Bucket, Key: sidecar.Key }, sidecar.id, rewrap);
    const { changed, entries } = result;
    const uses = entries.map(({ provider, keyId, fromVersion }) => ({
      provider,
      keyId,
      version: fromVersion,
    }));
    return { changed, uses };
  });
}

/** Reports which CMKs the objects of a bucket depend on. It calls no KMS. Throws like {@link rewrapBucket}. */
export function reportBucket(
  s3: EncryptedS3,
  input: BucketInput,
  options: BucketOptions = {},
): Promise<BucketResult> {
  checkOptions(options, REPORT_OPTIONS, "reportBucket");
  const { Bucket } = input;
  return run(s3, input, options, async (Key) => {
    if (ownerOfSidecar(Key) !== undefined) return undefined;
    const { entries } = await s3.head({ Bucket, Key }, { signal: options.signal });
    return { changed: false, uses: entries };
  });
}

async function run(
  s3: EncryptedS3,
  input: BucketInput,
  { concurrency = 32, checkpoint, onProgress, onFailure, signal }: BucketOptions,
  work: (key: string) => Promise<Finding | undefined>,
): Promise<BucketResult> {
  const earlier = checkpoint === undefined ? undefined : await readCheckpoint(checkpoint, input);
  const count = { objects: 0, rewrapped: 0, unencrypted: 0, failed: 0, ...earlier?.progress };
  const failures: BucketFailure[] = [];
  const uses = new CmkUses();
  let { startAfter } = earlier ?? {};
  let unsaved = 0;
  const save = async (): Promise<void> => {
    unsaved = 0;
    if (checkpoint === undefined || startAfter === undefined) return;
    await writeCheckpoint(checkpoint, { ...input, startAfter, progress: count });
  };
  const look = async ({ Key }: NamedObject): Promise<Outcome> => {
    try {
      return { Key, finding: await patiently(() => work(Key), signal) };
    } catch (error) {
      signal?.throwIfAborted();
      return { Key, error };
    }
  };
  const names = namesOf(s3.client, { ...input, StartAfter: startAfter }, signal);
  try {
    for await (const { Key, finding, error } of inOrder(names, concurrency, look)) {
      if (finding !== undefined) {
        count.objects++;
        if (finding.changed) count.rewrapped++;
        uses.add(finding.uses);
      } else if (error !== undefined) {
        count.objects++;
        if (error instanceof NotEncrypted) count.unencrypted++;
        else {
          count.failed++;
          if (failures.length < MAX_FAILURES) failures.push({ Key, error });
          onFailure?.({ Key, error });
        }
      }
      startAfter = Key;
      onProgress?.({ ...count });
      if (++unsaved >= CHECKPOINT_OBJECTS) await save();
    }
  } catch (error) {
    await save();
    throw error;
  }
  if (checkpoint !== undefined) await rm(checkpoint, { force: true });
  return { ...count, cmks: uses.all(), failures };
}

/** What became of one object: neither member for one that is not looked at. */
interface Outcome {
  readonly Key: string;
  readonly finding?: Finding | undefined;
  readonly error?: unknown;
}

/** Calls again where a KMS or the store is busy, after a growing pause. */
async function patiently<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const busy = isEnvelopeError(error) ? error.retryable : hasName(error, "SlowDown");
      if (!busy || attempt === ATTEMPTS) throw error;
      await sleep(100 * 2 ** attempt, undefined, { signal });
    }
  }
}

/** Counts objects by the CMKs that can open them. Objects claim what they like, so there is a bound. */
class CmkUses {
  readonly #uses = new Map<string, { objects: number; readonly versions: Map<string, number> }>();

  add(entries: Finding["uses"]): void {
    for (const { provider, keyId, version } of entries) {
      const name = `${provider} ${keyId}`;
      const use = this.#uses.get(name) ?? { objects: 0, versions: new Map<string, number>() };
      if (this.#uses.size < MAX_CMKS) this.#uses.set(name, use);
      use.objects++;
      if (version === undefined || use.versions.size === MAX_CMKS) continue;
      use.versions.set(version, (use.versions.get(version) ?? 0) + 1);
    }
  }

  all(): CmkUse[] {
    return [...this.#uses].map(([name, { objects, versions }]) => {
      const space = name.indexOf(" ");
      const [provider, keyId] = [name.slice(0, space), name.slice(space + 1)];
      return { provider, keyId, objects, versions: Object.fromEntries(versions) };
    });
  }
}

/** How far a run is, as a file has it. */
interface Checkpoint extends BucketInput {
  readonly startAfter: string;
  readonly progress: BucketProgress;
}

/** @throws TypeError for a file that is not a checkpoint of this run; what the file system throws. */
async function readCheckpoint(
  path: string,
  { Bucket, Prefix }: BucketInput,
): Promise<Checkpoint | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const found = parseCheckpoint(text);
  if (found?.Bucket === Bucket && found.Prefix === Prefix) return found;
  throw new TypeError(
    `${path} is not the checkpoint of a run over this bucket and prefix: name another file, or remove it`,
  );
}

function parseCheckpoint(text: string): Checkpoint | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return isCheckpoint(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isCheckpoint(found: unknown): found is Checkpoint {
  if (typeof found !== "object" || found === null) return false;
  const { startAfter, progress } = found as Partial<Checkpoint>;
  if (typeof startAfter !== "string" || typeof progress !== "object") return false;
  const { objects, rewrapped, unencrypted, failed } = progress;
  return [objects, rewrapped, unencrypted, failed].every((count) => Number.isSafeInteger(count));
}

function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  return writeFileWhole(path, { overwrite: true }, async (file) => {
    await file.writeFile(`${JSON.stringify(checkpoint)}\n`);
  });
}
