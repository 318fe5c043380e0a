/**
 * What the figures share: sizes, data, an envelope, a folder for large files, progress.
 *
 * The mistake it avoids: numbers that hang on a KMS or a disk. Data keys come from a KMS in memory,
 * and files lie in memory where there is room for them; where they lie is told in the rows.
 *
 * @module
 */
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryKms } from "@env/core/testing";
import { Cmk, Envelope, type EnvelopeOptions } from "@env/core";
import { takeTurns, type Contender } from "./measure.ts";
import type { Row } from "./row.ts";

export const MIB: number = 2 ** 20;
export const GIB: number = 2 ** 30;

export interface Figure {
  /** The name that `--only` takes. */
  readonly name: string;
  run(bench: Bench): Promise<readonly Row[]>;
}

export interface BenchOptions {
  readonly quick: boolean;
  /** Shows what is being done. */
  readonly show: (text: string) => void;
}

export class Bench {
  readonly quick: boolean;
  readonly rounds: number;
  readonly #show: (text: string) => void;
  #figure = "";

  constructor({ quick, show }: BenchOptions) {
    this.quick = quick;
    this.rounds = quick ? 3 : 5;
    this.#show = show;
  }

  start(figure: string): void {
    this.#figure = figure;
    this.show("preparing");
  }

  show(text: string): void {
    this.#show(`${this.#figure}: ${text}`);
  }

  takeTurns(
    contenders: readonly Contender[],
    prepare?: () => void | Promise<void>,
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const { rounds } = this;
    return takeTurns(contenders, {
      rounds,
      ...(prepare && { prepare }),
      turn: (name, round) => {
        this.show(round === 0 ? `${name}, warming up` : `${name}, round ${round} of ${rounds}`);
      },
    });
  }
}

/** An envelope under one CMK of a KMS in memory. `rotate` gives that a new version. */
export function openEnvelope(options: Omit<EnvelopeOptions, "cmks"> = {}): {
  envelope: Envelope;
  rotate: () => void;
} {
  const kms = new MemoryKms();
  const id = kms.createKey();
  const envelope = new Envelope({ ...options, cmks: [new Cmk(kms.driver(id))] });
  return { envelope, rotate: () => kms.rotate(id) };
}

/** The context of all messages. */
export const CONTEXT = { context: { app: "bench" } } as const;

/** Random bytes, filled anew for each round, repeated up to any length. */
export class Data {
  readonly #pool: Buffer;
  readonly bytes: number;

  /** @param pool - Bytes until it repeats: more than caches hold. */
  constructor(bytes: number, pool: number = Math.min(bytes, 64 * MIB)) {
    this.bytes = bytes;
    this.#pool = Buffer.alloc(pool);
    this.renew();
  }

  renew(): void {
    randomFillSync(this.#pool);
  }

  /** @yields Views of `pieceBytes`, the last of them maybe shorter. */
  *pieces(pieceBytes: number): Generator<Buffer, void> {
    for (let left = this.bytes, at = 0; left > 0;) {
      const length = Math.min(pieceBytes, left, this.#pool.length - at);
      yield this.#pool.subarray(at, at + length);
      left -= length;
      at = (at + length) % this.#pool.length;
    }
  }

  digest(): string {
    return digestOf(this.pieces(MIB));
  }

  writeTo(path: string): void {
    const fd = openSync(path, "w");
    try {
      for (const piece of this.pieces(8 * MIB)) {
        for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
      }
    } finally {
      closeSync(fd);
    }
  }
}

export function digestOf(pieces: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** A broken path is often a fast one: what was measured has to have worked. */
export function requireSame(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) {
    throw new Error(`${what}: expected ${String(expected)}, found ${String(found)}`);
  }
}

/** Seconds that `work` takes. */
export async function seconds(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

export interface Folder {
  readonly path: string;
  /** What kind of place it is, for the notes. */
  readonly place: string;
  remove(): void;
}

const TMPFS = 0x01021994;

/** A new folder with room for `bytes`: in memory if it can be, or on disk; `undefined` for neither. */
export function folderFor(bytes: number, prefer: "memory" | "disk" = "memory"): Folder | undefined {
  const parents = prefer === "memory" ? ["/dev/shm", tmpdir()] : [tmpdir(), "/dev/shm"];
  for (const parent of parents) {
    let memory: boolean;
    try {
      const { type, bavail, bsize } = statfsSync(parent);
      if (bavail * bsize < bytes * 1.05) continue;
      memory = type === TMPFS;
    } catch {
      continue; // There is no /dev/shm on many systems.
    }
    const path = mkdtempSync(join(parent, "env-bench-"));
    const remove = (): void => rmSync(path, { recursive: true, force: true });
    process.once("exit", remove);
    return { path, place: memory ? "tmpfs" : "a disk, page cache included", remove };
  }
  return undefined;
}
