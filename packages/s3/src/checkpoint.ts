/**
 * How far a run over a bucket is, in a file: a run that was killed is taken up from there.
 *
 * The file names the last object before which every object is done, with the counts of exactly those objects. It is
 * replaced whole, so a reader finds one state or the next one.
 *
 * @module
 */
import { readFile, rm } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { EnvelopeError } from "@env/core";
import { writeFileWhole } from "@env/node-stream";

/** What a run does, where. A checkpoint is of use to the same run alone. */
export interface RunIdentity {
  readonly run: "report" | "rewrap" | "rewrap of sidecars" | "dry run" | "dry run of sidecars";
  readonly Bucket: string;
  readonly Prefix: string;
}

/** How far a run is, including what earlier runs of its checkpoint did. */
export interface BucketProgress {
  readonly objects: number;
  /**
   * Objects whose key block changed, or would. What a killed run had changed and not yet noted counts as unchanged.
   */
  readonly rewrapped: number;
  /** Objects that are not encrypted in this package's formats. */
  readonly unencrypted: number;
  readonly failed: number;
}

/** One CMK that objects depend on. */
export interface CmkUse {
  readonly provider: string;
  readonly keyId: string;
  readonly objects: number;
  /** Objects by the version that had wrapped their data keys, where the KMS reports versions. A rewrap only. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface RunState {
  /** The key of the last object that is done, as all before it are. */
  readonly startAfter: string;
  readonly progress: BucketProgress;
  readonly cmks: readonly CmkUse[];
}

/** The checkpoint of one run. Without a path it keeps nothing. */
export class Checkpoint {
  /** What an earlier run has left. */
  readonly earlier: RunState | undefined;
  readonly #path: string | undefined;
  readonly #identity: RunIdentity;
  readonly #every: number;
  #unsaved = 0;
  #saving: Promise<void> | undefined;

  private constructor(
    path: string | undefined,
    identity: RunIdentity,
    every: number,
    earlier: RunState | undefined,
  ) {
    this.#path = path;
    this.#identity = identity;
    this.#every = every;
    this.earlier = earlier;
  }

  /**
   * @param every - Objects between two states that are saved. A killed run repeats at most twice as many, besides those
   * that were in progress.
   * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for a file that is not a checkpoint of this run; what the file
   * system throws.
   */
  static async open(
    path: string | undefined,
    identity: RunIdentity,
    every: number,
  ): Promise<Checkpoint> {
    const earlier = path === undefined ? undefined : await readState(path, identity);
    return new Checkpoint(path, identity, every, earlier);
  }

  /**
   * Notes that one more object is done, and saves the state from time to time while the run goes on.
   *
   * @throws what the file system throws, also from the save before.
   */
  async note(state: () => RunState): Promise<void> {
    if (++this.#unsaved >= this.#every) await this.save(state());
  }

  /** Begins to save a state, once the one before is saved. */
  async save(state: RunState): Promise<void> {
    this.#unsaved = 0;
    await this.#saving;
    const path = this.#path;
    if (path === undefined) return;
    this.#saving = writeFileWhole(path, { overwrite: true }, async (file) => {
      await file.writeFile(`${JSON.stringify({ ...this.#identity, ...state })}\n`);
    });
    this.#saving.catch(() => undefined); // Seen by whoever saves next.
  }

  /** Waits until what was saved is in the file. */
  async settle(): Promise<void> {
    await this.#saving;
  }

  /** Removes the file: the run is done. */
  async remove(): Promise<void> {
    await this.settle();
    if (this.#path !== undefined) await rm(this.#path, { force: true });
  }
}

async function readState(path: string, identity: RunIdentity): Promise<RunState | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const state = parseState(text, identity);
  if (state !== undefined) return state;
  throw new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    `${path} is not the checkpoint of a ${identity.run} of this bucket and prefix: name another file, or remove it`,
  );
}

function parseState(text: string, identity: RunIdentity): RunState | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(found)) return undefined;
  const { startAfter, progress, cmks, ...rest } = found;
  if (!isDeepStrictEqual(rest, { ...identity })) return undefined;
  if (typeof startAfter !== "string" || !isProgress(progress)) return undefined;
  if (!Array.isArray(cmks) || !cmks.every((use) => isCmkUse(use))) return undefined;
  return { startAfter, progress, cmks };
}

function isProgress(found: unknown): found is BucketProgress {
  if (!isRecord(found)) return false;
  const { objects, rewrapped, unencrypted, failed } = found;
  return [objects, rewrapped, unencrypted, failed].every((count) => Number.isSafeInteger(count));
}

function isCmkUse(found: unknown): found is CmkUse {
  if (!isRecord(found) || !isRecord(found["versions"])) return false;
  const { provider, keyId, objects, versions } = found;
  const counts = [objects, ...Object.values(versions)];
  return (
    typeof provider === "string" &&
    typeof keyId === "string" &&
    counts.every((count) => Number.isSafeInteger(count))
  );
}

function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === "object" && found !== null;
}
