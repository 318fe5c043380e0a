/**
 * Moving a keystore to another place, such as from a file to PostgreSQL, or back.
 *
 * Records are sealed in the same way everywhere, so rows are copied as they are, and only the state is sealed anew. At no
 * time is the keystore usable at both places, and whatever ends a move, nothing is lost:
 *
 * 1. The state here says `moving`: no change here is possible any more, from any process.
 * 2. All rows are copied. The state there says `arriving`: nobody can use it.
 * 3. What is there is read again, compared and verified.
 * 4. The state here says `moved`. From now on, only the other place counts.
 * 5. The state there says nothing of the move: it is a keystore.
 *
 * A move that was interrupted is run again: before 4, it continues or begins anew; after 4, it does 5. Every step is one
 * transaction that requires the step before, so two moves at a time do no harm either.
 *
 * Source: spec/kms-store-v1.md#moving
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import {
  descriptorDigest,
  insertDescriptor,
  readDescriptor,
  sealDescriptor,
  type SealedDescriptor,
} from "./descriptor.ts";
import type { Engine } from "./engine.ts";
import { alreadyThere, io, keystoreError } from "./file-errors.ts";
import { moveProblem, type Move } from "./freshness.ts";
import {
  auditPages,
  compareRows,
  countRows,
  different,
  plain,
  tablesToCopy,
  type Counts,
} from "./move-rows.ts";
import type { NewKeystore, OpenKeystore } from "./open-keystore.ts";
import { newSourceKey, type NewKeyFile, type RootKeySource } from "./root-key.ts";
import { RecordStore, type Departure } from "./record-store.ts";
import { rowsOf } from "./tables.ts";
import type { Finding } from "./verify.ts";

/** How far a move is. */
export interface MoveProgress {
  /** `verify`: what is here. `copy`: the audit log, after the records. `compare`: everything. `finish`: the last two steps. */
  readonly step: "compare" | "copy" | "finish" | "stop" | "verify" | "verify copy";
  /** Records so far, where the step counts them. */
  readonly records: number;
}

export interface MoveReport {
  readonly keystoreId: string;
  /** Records, and the descriptor: all were compared. */
  readonly records: number;
  readonly auditRecords: number;
}

/** The place that a keystore goes to. */
export interface Target {
  /** The text that errors show. */
  readonly place: string;
  /** Whether there is something already. */
  isTaken(): Promise<boolean>;
  /** Opens what is there, on its way or not. */
  open(): Promise<OpenKeystore>;
  /** Makes it. The result is open, on its way, and has read nothing yet. */
  create(
    make: () => Promise<NewKeystore>,
    prepare: (open: OpenKeystore) => Promise<void>,
  ): Promise<OpenKeystore>;
}

export interface MoveOptions {
  /** Where the root key is sealed at the other place. Default: as it is here. */
  readonly root?: RootKeySource | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called between steps, and after each page of a step. */
  readonly onProgress?: ((progress: MoveProgress) => void) | undefined;
  readonly verify: (keystore: OpenKeystore) => Promise<readonly Finding[]>;
  /** What a key file is left of, if there is one. */
  readonly forget: () => void;
}

/**
 * @param source - Open for a move.
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_MOVED`, `ERR_ENVELOPE_KEYSTORE_FORMAT`, `ERR_ENVELOPE_KEYSTORE_IO`
 */
export async function move(
  source: OpenKeystore,
  target: Target,
  options: MoveOptions,
): Promise<MoveReport> {
  const known = await moveOf(source);
  const arrived = await findArrived(source, target, known);
  if (known?.phase === "moved") {
    if (arrived === undefined) throw elsewhere(source, known);
    return finish(source, arrived, known.id, await countRows(source), options);
  }
  return new Transport(source, target, options).run(arrived, known?.id ?? randomUUID());
}

/**
 * Ends a move that was interrupted: the keystore can be used here again.
 *
 * @param isForced - Also after a move that is complete. What is at the other place is another history from then on.
 * @returns The move, or `undefined` if there was none.
 */
export async function cancelMove(
  keystore: OpenKeystore,
  isForced: boolean,
): Promise<Move | undefined> {
  const { store } = keystore.inner;
  return store.write(() => {
    const { move: found } = store.freshness;
    const isPossible = found?.phase === "moving" || (isForced && found?.phase === "moved");
    if (found !== undefined && !isPossible) throw elsewhere(keystore, found);
    store.freshness.setMove(undefined);
    return found;
  });
}

class Transport {
  readonly #source: OpenKeystore;
  readonly #target: Target;
  readonly #options: MoveOptions;
  #keyFile: NewKeyFile | undefined;

  constructor(source: OpenKeystore, target: Target, options: MoveOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  /** @param resumed - What an interrupted move has left. */
  async run(resumed: OpenKeystore | undefined, id: string): Promise<MoveReport> {
    const source = this.#source;
    let arrived = resumed;
    try {
      this.#report("verify");
      await this.#verify(source);
      this.#report("stop");
      const { place } = this.#target;
      await setMove(source, id, ["moving", undefined], { phase: "moving", id, place });
      await source.inner.engine.fence();
      if (arrived === undefined) arrived = await this.#create(id);
      else await this.#copyLog(arrived);
      const counts = await this.#compare(arrived);
      this.#report("verify copy");
      await this.#verify(arrived);
      this.#options.signal?.throwIfAborted();
      this.#report("finish");
      await setMove(source, id, ["moving"], { phase: "moved", id, place });
      return await finish(source, arrived, id, counts, this.#options);
    } catch (error) {
      await this.#giveUp(arrived, id);
      throw error;
    } finally {
      arrived?.close();
    }
  }

  #report(step: MoveProgress["step"], records = 0): void {
    this.#options.signal?.throwIfAborted();
    this.#options.onProgress?.({ step, records });
  }

  async #verify(keystore: OpenKeystore): Promise<void> {
    const [first, ...others] = await this.#options.verify(keystore);
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` and ${others.length} more problems`;
    throw keystoreError(
      "ERR_ENVELOPE_KEYSTORE_FORMAT",
      keystore.path,
      `it was not moved, because it does not verify: ${first.record}: ${first.problem}${more}. keystore.verify() lists all of them; restore a backup`,
    );
  }

  /** Makes the keystore at the other place, with everything in it. */
  async #create(id: string): Promise<OpenKeystore> {
    const { inner, root, path } = this.#source;
    const { keystoreId } = this.#source.descriptor;
    const departure = await inner.store.read(() => inner.store.departure());
    const make = async (): Promise<NewKeystore> => {
      const { sealed, file } = await this.#descriptor();
      this.#keyFile = file;
      const fill = (engine: Engine): void => {
        insertDescriptor(engine, sealed);
        this.#copyRecords(engine);
        const store = new RecordStore(engine, root, keystoreId, true);
        store.arrive(departure, descriptorDigest(sealed), { phase: "arriving", id, place: path });
      };
      return { keystoreId, root, keyFile: file, fill, isMover: true };
    };
    return this.#target.create(make, (open) => this.#copyLog(open));
  }

  async #descriptor(): Promise<{ sealed: SealedDescriptor; file: NewKeyFile | undefined }> {
    const { inner, root, descriptor } = this.#source;
    const { root: given } = this.#options;
    if (given === undefined) {
      const { sealed } = await inner.engine.read(() => readDescriptor(inner.engine));
      return { sealed, file: undefined };
    }
    const { facts, key, file } = await newSourceKey(given, descriptor.keystoreId);
    return { sealed: sealDescriptor({ ...descriptor, root: facts }, key, root), file };
  }

  #copyRecords(to: Engine): void {
    const { engine } = this.#source.inner;
    for (const table of tablesToCopy(engine)) {
      const marks = table.columns.map(() => "?").join(", ");
      const add = to.prepare(`INSERT INTO ${table.name} VALUES (${marks})`);
      for (const row of rowsOf(engine, table)) add.run(...row);
    }
  }

  async #copyLog(to: OpenKeystore): Promise<void> {
    let records = 0;
    for await (const page of auditPages(this.#source)) {
      this.#report("copy", records);
      await to.inner.engine.addAuditRows(page);
      records += page.length;
    }
  }

  /** Reads everything again, and compares it. */
  async #compare(arrived: OpenKeystore): Promise<Counts> {
    this.#report("compare");
    const [from, to] = [this.#source.inner, arrived.inner];
    const left = await from.store.read(() => from.store.departure());
    const there = await to.store.read(() => to.store.departure());
    if (!isDeepStrictEqual(unchanged(left), unchanged(there)))
      throw different(arrived, "the state");
    let records = 0;
    for (const table of tablesToCopy(from.engine)) {
      records += compareRows(arrived, table, rowsOf(from.engine, table), rowsOf(to.engine, table));
      await setImmediate();
      this.#report("compare", records);
    }
    let auditRecords = 0;
    const copies = auditPages(arrived);
    for await (const page of auditPages(this.#source)) {
      const copy = await copies.next();
      if (!isDeepStrictEqual(plain(page), plain(copy.value ?? [])))
        throw different(arrived, "the audit log");
      auditRecords += page.length;
      this.#report("compare", records + auditRecords);
    }
    if ((await copies.next()).done !== true) throw different(arrived, "the audit log");
    return { records, auditRecords };
  }

  /** Takes back what can be: the keystore can be used here again, unless it has moved already. */
  async #giveUp(arrived: OpenKeystore | undefined, id: string): Promise<void> {
    try {
      await setMove(this.#source, id, ["moving"], undefined);
    } catch {
      // It stays on its way, or was moved, and says so. Running the move again continues.
      return;
    }
    await arrived?.inner.engine.destroy().catch(() => undefined);
    this.#keyFile?.withdraw();
  }
}

/** The last step. */
async function finish(
  source: OpenKeystore,
  arrived: OpenKeystore,
  id: string,
  counts: Counts,
  { onProgress, forget }: MoveOptions,
): Promise<MoveReport> {
  onProgress?.({ step: "finish", records: 0 });
  await setMove(arrived, id, ["arriving"], undefined);
  onProgress?.({ step: "finish", records: 0 });
  forget();
  return { keystoreId: source.descriptor.keystoreId, ...counts };
}

/** What an interrupted move has left at the other place. Throws if anything else is there. */
async function findArrived(
  source: OpenKeystore,
  target: Target,
  known: Move | undefined,
): Promise<OpenKeystore | undefined> {
  if (!(await target.isTaken())) return undefined;
  if (known === undefined) throw taken(target);
  const found = await target.open().catch((error: unknown) => {
    // It was usable there, so it may have another root key source now.
    throw known.phase === "moved" ? elsewhere(source, known) : error;
  });
  const there = await moveOf(found).catch((error: unknown) => {
    found.close();
    throw error;
  });
  const isOurs = found.descriptor.keystoreId === source.descriptor.keystoreId;
  if (isOurs && there?.phase === "arriving" && there.id === known.id) return found;
  found.close();
  throw known.phase === "moved" ? elsewhere(source, known) : taken(target);
}

async function moveOf({ inner: { store } }: OpenKeystore): Promise<Move | undefined> {
  return store.read(() => store.freshness.move);
}

/**
 * Goes to the next step, from one of these phases of the same move.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_MOVED` if another process was here.
 */
async function setMove(
  keystore: OpenKeystore,
  id: string,
  from: readonly (Move["phase"] | undefined)[],
  to: Move | undefined,
): Promise<void> {
  const { store } = keystore.inner;
  await store.write(() => {
    const { move: found } = store.freshness;
    if (!from.includes(found?.phase) || (found !== undefined && found.id !== id)) {
      throw keystoreError(
        "ERR_ENVELOPE_KEYSTORE_MOVED",
        keystore.path,
        "another move was made or canceled meanwhile; look at both places before you move again",
      );
    }
    store.freshness.setMove(to);
  });
}

/** What a move leaves as it is, besides the rows. */
function unchanged({ snapshot: { counts, marks, clock }, ends }: Departure): unknown {
  // Others may begin chains meanwhile, and cannot write in them.
  const written = ends.filter(({ heads }) => heads.size > 0);
  return {
    counts,
    marks,
    settled: clock.settled,
    resets: clock.resets,
    ends: written.map(({ number, heads }) => [number, Object.fromEntries(heads)]),
  };
}

function taken({ place }: Target): Error {
  return io(place, alreadyThere);
}

function elsewhere({ path }: OpenKeystore, found: Move): Error {
  return keystoreError("ERR_ENVELOPE_KEYSTORE_MOVED", path, moveProblem(found));
}
