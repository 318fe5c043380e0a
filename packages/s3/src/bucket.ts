/**
 * Rewraps or reports all objects of a bucket: concurrently, in bounded memory, and from where an earlier run stopped.
 *
 * What a run was doing when it was killed is done again by the next one, which finds most of it `current`.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isEnvelopeError } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { Checkpoint, type BucketProgress, type CmkUse, type RunIdentity } from "./checkpoint.ts";
import type { EncryptedS3 } from "./encrypted-s3.ts";
import type { ObjectRewrapOptions } from "./options.ts";
import { inOrder } from "./in-order.ts";
import { ownerOfSidecar } from "./layout.ts";
import { namesOf, type NamedObject } from "./listing.ts";
import { customerKeyOf, hasName, NotEncrypted, type CustomerKey } from "./object-front.ts";

/** The objects of a run, and the customer key of those that are under SSE-C. */
export interface BucketInput extends CustomerKey {
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

export interface BucketFailure {
  readonly Key: string;
  readonly error: unknown;
}

export interface BucketResult extends BucketProgress {
  /** The CMKs that objects depend on after the run, up to 10,000 of them and of their versions. */
  readonly cmks: readonly CmkUse[];
  /** What could not be done, without what earlier runs of the checkpoint could not do. */
  readonly failures: readonly BucketFailure[];
}

/** What was found for one object. `undefined` takes its place for an object that is not looked at. */
interface Finding {
  readonly changed: boolean;
  readonly uses: readonly { provider: string; keyId: string; version?: string | undefined }[];
}

const MAX_FAILURES = 1000;
const MAX_CMKS = 10_000;
/** Attempts at one object whose KMS or store was busy. */
const ATTEMPTS = 5;
const COMMON = ["concurrency", "checkpoint", "onProgress", "onFailure", "signal"];
const REPORT_OPTIONS = new Set(COMMON);
const REWRAP_OPTIONS = new Set([...COMMON, "context", "from", "dryRun", "sidecarsOnly"]);

/**
 * Rewraps every encrypted object of a bucket, as `EncryptedS3.rewrap` does.
 *
 * @throws what listing throws, the signal's reason, and `ERR_ENVELOPE_FORMAT` for a checkpoint of another run. An object
 * that fails is counted and reported, and the run goes on.
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
  const what =
    `${dryRun === true ? "dry run" : "rewrap"}${sidecarsOnly ? " of sidecars" : ""}` as const;
  return run(s3, input, what, options, async (Key) => {
    const sidecar = ownerOfSidecar(Key);
    if ((sidecar !== undefined) !== sidecarsOnly) return undefined;
    const result =
      sidecar === undefined
        ? await s3.rewrap({ Bucket, Key, ...customerKeyOf(input) }, rewrap)
        : await s3.rewrapSidecar({ Bucket, Key: sidecar.Key }, sidecar.id, rewrap);
    const uses = result.entries
      .filter(({ action }) => action !== "removed")
      .map(({ provider, keyId, fromVersion }) => ({ provider, keyId, version: fromVersion }));
    return { changed: result.changed, uses };
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
  return run(s3, input, "report", options, async (Key) => {
    if (ownerOfSidecar(Key) !== undefined) return undefined;
    const { entries } = await s3.head(
      { Bucket, Key, ...customerKeyOf(input) },
      { signal: options.signal },
    );
    return { changed: false, uses: entries };
  });
}

async function run(
  s3: EncryptedS3,
  { Bucket, Prefix = "" }: BucketInput,
  what: RunIdentity["run"],
  { concurrency = 32, checkpoint: path, onProgress, onFailure, signal }: BucketOptions,
  work: (key: string) => Promise<Finding | undefined>,
): Promise<BucketResult> {
  const checkpoint = await Checkpoint.open(path, { run: what, Bucket, Prefix }, concurrency);
  const { earlier } = checkpoint;
  const count = { objects: 0, rewrapped: 0, unencrypted: 0, failed: 0, ...earlier?.progress };
  const failures: BucketFailure[] = [];
  const uses = new CmkUses(earlier?.cmks);
  let startAfter = earlier?.startAfter ?? "";
  const state = () => ({ startAfter, progress: { ...count }, cmks: uses.all() });
  const look = async ({ Key }: NamedObject): Promise<Outcome> => {
    try {
      return { Key, finding: await patiently(() => work(Key), signal) };
    } catch (error) {
      signal?.throwIfAborted();
      return { Key, error };
    }
  };
  const names = namesOf(s3.client, { Bucket, Prefix, StartAfter: earlier?.startAfter }, signal);
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
      await checkpoint.note(state);
    }
  } catch (error) {
    if (startAfter !== "") await checkpoint.save(state());
    await checkpoint.settle();
    throw error;
  }
  await checkpoint.remove();
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
  readonly #uses = new Map<
    string,
    CmkUse & { objects: number; versions: Record<string, number> }
  >();
  #versions = 0;

  constructor(earlier: readonly CmkUse[] = []) {
    for (const use of earlier) {
      this.#uses.set(nameOf(use), { ...use, versions: { ...use.versions } });
      this.#versions += Object.keys(use.versions).length;
    }
  }

  add(entries: Finding["uses"]): void {
    for (const { provider, keyId, version } of entries) {
      const name = nameOf({ provider, keyId });
      const use = this.#uses.get(name) ?? { provider, keyId, objects: 0, versions: {} };
      if (this.#uses.size < MAX_CMKS) this.#uses.set(name, use);
      use.objects++;
      if (version === undefined) continue;
      const isNew = !Object.hasOwn(use.versions, version);
      if (isNew && this.#versions++ >= MAX_CMKS) continue;
      use.versions[version] = (isNew ? 0 : (use.versions[version] ?? 0)) + 1;
    }
  }

  all(): CmkUse[] {
    return structuredClone([...this.#uses.values()]);
  }
}

function nameOf({ provider, keyId }: Pick<CmkUse, "provider" | "keyId">): string {
  return `${provider} ${keyId}`;
}
