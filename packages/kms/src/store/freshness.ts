/**
 * Which sealing of every record is the latest, so that no older row can be put back and no row removed.
 *
 * A record is identified by a name, and each of its sealings by a mark, the first bytes of its random salt. The names and
 * marks of all records are spread over 256 buckets, each one sealed row. The marks of the buckets are in the row `state`,
 * which every transaction seals anew. So a change costs a bucket or two, and a read costs nothing while no other process
 * writes: what was verified remains verified until SQLite's `data_version` changes.
 *
 * The state row also keeps what must be as fresh as the whole file: the clock, the digest of the descriptor, the number of
 * records, and the heads of logs. Nothing within the file can show that all of it was put back to an older state. A
 * process that has it open notices, because revisions only rise.
 *
 * Source: spec/kms-store-v1.md#freshness
 *
 * @module
 */
import { hash } from "node:crypto";
import type { StatementSync } from "node:sqlite";
import { Bucket } from "./bucket.ts";
import { advance, newClock, reset, type Clock } from "./clock.ts";
import type { Engine } from "./engine.ts";
import { Fault, keystoreError } from "./file-errors.ts";
import { keystoreUri } from "./keystore-uri.ts";
import { RecordName } from "./record-name.ts";
import { MARK_BYTES, markOf, type RowSealer } from "./row-sealer.ts";

export const BUCKETS = 256;
/** Bytes; a longer row is not read into memory. */
const MAX_SEALED_BYTES = 2 ** 24;
const MAX_HEAD_BYTES = 256;
const NO_MARK = "\0".repeat(MARK_BYTES);

/** A keystore that goes from one place to another is unusable at one of them. */
export interface Move {
  /**
   * `moving`: it goes to `place`, and takes no changes here meanwhile. `moved`: it is at `place`. `arriving`: it comes from `place`, and is
   * not complete here.
   */
  readonly phase: "arriving" | "moved" | "moving";
  /** UUID: the same at both places. */
  readonly id: string;
  /** The other place, as errors show it. */
  readonly place: string;
}

/** What the state row contains besides the marks of the buckets. */
interface Head {
  readonly clock: Clock;
  /** Digest of the descriptor's row: only the latest one may open the keystore. */
  readonly descriptor: string;
  /** The number of records in each list that has had one. */
  readonly counts: Readonly<Record<string, number>>;
  /** Bytes in base64, by name. */
  readonly heads: Readonly<Record<string, string>>;
  /** Absent: it is here. */
  readonly move?: Move | undefined;
}

/** What another place begins with. */
export interface Snapshot extends Head {
  /** Counts the transactions. */
  readonly revision: number;
  /** The marks of all buckets in order; zeros: the bucket has no row. */
  readonly marks: Buffer;
}

interface State extends Snapshot {
  /** The row itself. */
  readonly sealed: Uint8Array;
}

export class Freshness {
  readonly #database: Engine;
  readonly #sealer: RowSealer;
  /** Whether a move goes on here, which may use what others may not. */
  readonly #isMover: boolean;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;
  readonly #buckets = new Map<number, { readonly mark: string; readonly bucket: Bucket }>();
  /** The epoch in which the rows of a list were found to be complete. */
  readonly #complete = new Map<string, number>();
  /** {@link Engine.version} when the state was last read. */
  #version: unknown;
  #epoch = 0;
  /** What the file holds. */
  #state: State | undefined;
  /** What it will hold once the transaction commits. */
  #next: State | undefined;
  /** What it would hold if nothing but the time had changed. */
  #begun: State | undefined;
  /** Marks that the transaction changes, by encoded name; `undefined`: the record is deleted. */
  #changed = new Map<string, string | undefined>();

  constructor(database: Engine, sealer: RowSealer, isMover: boolean) {
    this.#database = database;
    this.#sealer = sealer;
    this.#isMover = isMover;
    this.#statements = prepareAll(database);
  }

  /** Writes the first state of a new keystore, inside the transaction that makes its tables. */
  create(descriptor: string, time: number): void {
    const marks = Buffer.alloc(BUCKETS * MARK_BYTES);
    const clock = newClock(time);
    this.adopt({ revision: 0, clock, descriptor, counts: {}, heads: {}, marks }, time);
  }

  /** Writes the state that follows another place's, whose rows are here, inside the transaction that makes the tables. */
  adopt(snapshot: Snapshot, time: number): void {
    this.#state = { ...snapshot, sealed: new Uint8Array(0) };
    this.#next = this.#state;
    this.begin(time);
    this.flush();
    this.settle(true);
  }

  /** Takes note of what other processes have changed. Every transaction calls it first. */
  refresh(): void {
    const version = this.#database.version();
    if (this.#state === undefined || version !== this.#version) {
      this.#state = this.#readState();
      this.#next = this.#state;
      this.#version = version;
      this.#epoch++;
    }
    if (this.#state.move?.phase !== "moving") this.#requireHere();
  }

  /** A number that changes with every transaction of another process, and with every failed one of this process. */
  get epoch(): number {
    return this.#epoch;
  }

  get clock(): Clock {
    return this.#current.clock;
  }

  /** What another place would begin with. */
  get snapshot(): Snapshot {
    return this.#current;
  }

  get move(): Move | undefined {
    return this.#current.move;
  }

  get descriptor(): string {
    return this.#current.descriptor;
  }

  /** The mark of a record's latest sealing; `undefined`: the record does not exist. */
  mark(name: RecordName): string | undefined {
    const { encoded } = name;
    if (this.#changed.has(encoded)) return this.#changed.get(encoded);
    return this.#bucket(bucketOf(encoded)).get(encoded);
  }

  /** A copy of the bytes kept under a name. */
  head(name: string): Uint8Array<ArrayBuffer> | undefined {
    const text = this.#current.heads[name];
    return text === undefined ? undefined : new Uint8Array(Buffer.from(text, "base64"));
  }

  /** The names in a bucket, in any order, without those added since the transaction began. */
  namesIn(bucket: number): readonly RecordName[] {
    return this.#bucket(bucket)
      .names()
      .filter((name) => !this.#changed.has(name) || this.#changed.get(name) !== undefined)
      .map((name) => RecordName.decode(name));
  }

  /**
   * Throws unless a list leads to every record that belongs to it. Checked once while nobody else writes.
   *
   * @param list - {@link RecordName.list}.
   * @param countRows - How many of its rows a list leads to.
   * @param problemOf - Why a list does not lead to a record; `undefined`: it does.
   */
  requireComplete(
    list: string,
    countRows: () => number,
    problemOf: (name: RecordName) => string | undefined,
  ): void {
    if (this.#complete.get(list) === this.#epoch) return;
    if (countRows() !== (this.#current.counts[list] ?? 0)) {
      // Additional rows are noticed when the list reaches them.
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        for (const name of this.namesIn(bucket)) {
          const problem = name.list === list ? problemOf(name) : undefined;
          if (problem !== undefined) throw name.fault(problem);
        }
      }
    }
    this.#complete.set(list, this.#epoch);
  }

  /** The lists of records of a kind that are not empty. */
  lists(letter: string): readonly string[] {
    return Object.entries(this.#current.counts).flatMap(([list, count]) =>
      list.startsWith(letter) && count > 0 ? [list] : [],
    );
  }

  /** Begins a transaction that changes something, at the machine's `time`. */
  begin(time: number): void {
    this.#requireHere();
    const clock = advance(this.#current.clock, time);
    const isSettling = clock.checkpoint !== this.#current.clock.checkpoint;
    this.#next = { ...this.#current, clock };
    this.#begun = isSettling ? undefined : this.#next;
  }

  /** Whether the transaction has changed more than the time. */
  get isChanged(): boolean {
    return this.#next !== this.#begun || this.#changed.size > 0;
  }

  /** @param mark - `undefined`: the record is deleted. */
  set(name: RecordName, mark: string | undefined): void {
    const change = Number(mark !== undefined) - Number(this.mark(name) !== undefined);
    this.#changed.set(name.encoded, mark);
    if (change === 0) return;
    const { counts } = this.#current;
    const { list } = name;
    this.#change({ counts: { ...counts, [list]: (counts[list] ?? 0) + change } });
  }

  /** Lists an alias, which has no sealing of its own. */
  setPresent(name: RecordName): void {
    this.set(name, NO_MARK);
  }

  /** Resets the clock, and undoes what {@link begin} has just made of it. */
  resetClock(time: number): void {
    this.#change({ clock: reset((this.#state ?? this.#current).clock, time) });
  }

  setDescriptor(descriptor: string): void {
    this.#change({ descriptor });
  }

  setMove(move: Move | undefined): void {
    this.#change({ move });
  }

  setHead(name: string, bytes: Uint8Array): void {
    if (bytes.length > MAX_HEAD_BYTES)
      throw new RangeError(`a head has at most ${MAX_HEAD_BYTES} bytes`);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
    this.#change({ heads: { ...this.#current.heads, [name]: text } });
  }

  /** Remembers what has been changed so far. Returns a function that goes back to it. */
  save(): () => void {
    const next = this.#next;
    const changed = new Map(this.#changed);
    return () => {
      this.#next = next;
      this.#changed = changed;
      this.#epoch++;
    };
  }

  /** Writes all changes. Every transaction that changes something calls it last, before the commit. */
  flush(): void {
    const changes = new Map<number, Map<string, string | undefined>>();
    for (const [name, mark] of this.#changed) {
      const number = bucketOf(name);
      changes.set(number, (changes.get(number) ?? new Map()).set(name, mark));
    }
    const marks = Buffer.from(this.#current.marks);
    for (const [number, changed] of changes) {
      const bucket = this.#bucket(number).with(changed);
      const sealed = this.#sealer.seal(`b${number}`, bucket.bytes);
      const mark = markOf(sealed);
      this.#statements.setBucket.run(number, sealed);
      this.#buckets.set(number, { mark, bucket });
      marks.write(mark, number * MARK_BYTES, "latin1");
    }
    const next = { ...this.#current, revision: this.#current.revision + 1, marks };
    const sealed = this.#sealer.seal(`s${next.revision}`, encodeState(next));
    this.#statements.setState.run(next.revision, sealed);
    this.#next = { ...next, sealed };
  }

  /** Ends the transaction, which is in the file completely or not at all. */
  settle(committed: boolean): void {
    if (committed) {
      this.#state = this.#next;
    } else {
      this.#next = this.#state;
      this.#epoch++;
    }
    this.#changed = new Map();
  }

  get #current(): State {
    if (this.#next === undefined) throw new TypeError("must be called inside read or write");
    return this.#next;
  }

  /** Throws while the keystore is on its way, or at another place. */
  #requireHere(): void {
    const { move } = this.#current;
    if (move === undefined || this.#isMover) return;
    const problem = moveProblem(move);
    throw keystoreError("ERR_ENVELOPE_KEYSTORE_MOVED", this.#database.path, problem);
  }

  #change(part: Partial<State>): void {
    this.#next = { ...this.#current, ...part };
  }

  /** Reads the state in the file, which must not be older than the known one. */
  #readState(): State {
    const row = this.#statements.state.get();
    const revision = row?.["revision"];
    const sealed = row?.["sealed"];
    if (typeof revision !== "number" || !(sealed instanceof Uint8Array)) {
      throw new Fault("the state", "its row is missing or out of bounds");
    }
    const plaintext = this.#sealer.open(`s${revision}`, sealed);
    const state = plaintext === undefined ? undefined : decodeState(plaintext);
    if (state === undefined) throw new Fault("the state", "its row was altered");
    const known = this.#state ?? { revision: 0, sealed };
    if (revision < known.revision) {
      const problem = `the whole file is back at its change ${revision}, and was at ${known.revision}`;
      throw new Fault("the keystore", problem);
    }
    if (revision === known.revision && Buffer.compare(sealed, known.sealed) !== 0) {
      throw new Fault("the keystore", `there are two different changes ${revision}`);
    }
    return { ...state, revision, sealed };
  }

  /** A bucket as it is in the file. */
  #bucket(number: number): Bucket {
    const at = number * MARK_BYTES;
    const mark = this.#current.marks.toString("latin1", at, at + MARK_BYTES);
    const cached = this.#buckets.get(number);
    if (cached?.mark === mark) return cached.bucket;
    const bucket = mark === NO_MARK ? Bucket.empty : this.#readBucket(number, mark);
    this.#buckets.set(number, { mark, bucket });
    return bucket;
  }

  #readBucket(number: number, mark: string): Bucket {
    const sealed = this.#statements.bucket.get(number)?.["sealed"];
    const what = `bucket ${number}`;
    if (!(sealed instanceof Uint8Array)) throw new Fault(what, "its row was removed");
    const plaintext = this.#sealer.open(`b${number}`, sealed);
    const bucket = plaintext === undefined ? undefined : Bucket.parse(plaintext);
    if (bucket === undefined) throw new Fault(what, "its row was altered");
    if (markOf(sealed) !== mark) throw new Fault(what, "an older row of it was put back");
    return bucket;
  }
}

/** Why a keystore cannot be used here. */
export function moveProblem({ phase, place }: Move): string {
  return PROBLEMS[phase](place);
}

const PROBLEMS: Readonly<Record<Move["phase"], (place: string) => string>> = {
  moving: (place) =>
    `it is being moved to ${place} and takes no changes meanwhile. If the move was interrupted, run it again, or cancel it with: envelope kms move --cancel`,
  moved: (place) =>
    `it was moved to ${place}; open it there, in a configuration as ${keystoreUri(place, "alias/…")}`,
  arriving: (place) =>
    `its move from ${place} is not complete; nothing is lost. Run the move again`,
};

function bucketOf(name: string): number {
  return Number.parseInt(hash("sha256", Buffer.from(name, "latin1"), "hex").slice(0, 2), 16);
}

/** u32 length of head || head (JSON) || marks. */
function encodeState({ clock, descriptor, counts, heads, move, marks }: State): Buffer {
  const head: Head = { clock, descriptor, counts, heads, move };
  const text = Buffer.from(JSON.stringify(head));
  const out = Buffer.alloc(4 + text.length + marks.length);
  out.writeUInt32BE(text.length);
  text.copy(out, 4);
  marks.copy(out, 4 + text.length);
  return out;
}

function decodeState(plaintext: Uint8Array): (Head & Pick<State, "marks">) | undefined {
  const bytes = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.length);
  const end = 4 + bytes.readUInt32BE(0);
  const head: unknown = JSON.parse(bytes.toString("utf8", 4, end));
  const marks = bytes.subarray(end);
  return isHead(head) && marks.length === BUCKETS * MARK_BYTES ? { ...head, marks } : undefined;
}

/** The state was sealed under the root key, so this guards against mistakes of another build, not against attackers. */
function isHead(value: unknown): value is Head {
  if (typeof value !== "object" || value === null) return false;
  const { clock, descriptor, counts, heads }: Record<string, unknown> = { ...value };
  return (
    typeof clock === "object" &&
    typeof descriptor === "string" &&
    typeof counts === "object" &&
    typeof heads === "object"
  );
}

type StatementName = keyof ReturnType<typeof prepareAll>;

function prepareAll(database: Engine) {
  const bounded = `CASE WHEN length(sealed) <= ${MAX_SEALED_BYTES} THEN sealed END AS sealed`;
  return {
    state: database.prepare(`SELECT revision, ${bounded} FROM state WHERE id = 1`),
    setState: database.prepare(
      "INSERT INTO state VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, sealed = excluded.sealed",
    ),
    bucket: database.prepare(`SELECT ${bounded} FROM bucket WHERE number = ?`),
    setBucket: database.prepare(
      "INSERT INTO bucket VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET sealed = excluded.sealed",
    ),
  };
}
