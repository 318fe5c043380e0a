/**
 * All backends on the same random input: the same bytes, the same refusals, the same kinds of error.
 *
 * `CASES=10000000` runs more cases, `SEED=` repeats a run, and `BACKENDS=native,node` leaves some out.
 */
import { randomInt } from "node:crypto";
import type { ChunkKeys, CryptoBackend, HmacKey, MessageKeys } from "@env/core/crypto";
import { backend as node } from "@env/core/crypto/node";
import { backend as web } from "@env/core/crypto/web";
import { expect, it } from "vitest";
import { isBuilt, native } from "./support/native.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CASES = Number(process.env["CASES"] ?? 500);
const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const CHUNK = 16_384;
/** How many cases have the same keys: to derive them takes most of the time, and does not depend on a case. */
const PER_KEY = 16;
const UNTOUCHED = 0xa5;
/** The place of what does not verify may be left alone or overwritten with zeros: here, both are the same. */
const CLEARED = 0;
/** What inputs are parts of, at any offset. */
const PATTERN = new Uint8Array(2 ** 17).map((_, i) => i * 31 + (i >> 8) * 7);

/** Whole numbers that a seed determines. Source: Steele and Vigna's SplitMix, in 32 bits. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % limit;
  }

  bytes(length: number): Bytes {
    const start = this.below(PATTERN.length - length);
    return PATTERN.subarray(start, start + length);
  }

  /** Mostly short; every sixteenth around the border of a chunk. */
  length(): number {
    if (this.below(16) > 0) return this.below(300);
    return Math.max(0, CHUNK * this.below(4) - 20 + this.below(40));
  }

  index(): number {
    const near = [0, 2 ** 31, 2 ** 32, 2 ** 38 - 8][this.below(4)] ?? 0;
    return near + this.below(4);
  }
}

interface Case {
  readonly plaintext: Bytes;
  readonly index: number;
  readonly last: boolean;
  /** What is added to the lengths of the outputs. Not 0 is refused. */
  readonly off: number;
  readonly alter: (sealed: Bytes) => Bytes;
}

function drawn(random: Random): Case {
  const last = random.below(4) > 0;
  const length = last || random.below(8) === 0 ? random.length() : CHUNK * random.below(3);
  const [kind, place] = [random.below(8), random.below(2 ** 31)];
  return {
    plaintext: random.bytes(length),
    index: random.index(),
    last,
    off: random.below(32) === 0 ? random.below(5) - 2 : 0,
    alter(sealed) {
      const altered = new Uint8Array(sealed);
      if (kind < 3)
        altered[place % sealed.length] = (sealed[place % sealed.length] ?? 0) ^ (1 << kind);
      if (kind === 3) return altered.subarray(0, place % (sealed.length + 1));
      if (kind === 4)
        return Uint8Array.from([...sealed.subarray(-100), ...sealed.subarray(0, place % 100)]);
      return altered;
    },
  };
}

/** The result of a call, the name of its error, or the bytes that it wrote. */
type Said = unknown;

/** What a backend makes of cases under the same keys: results, errors and all that it wrote. */
class Subject {
  readonly backend: CryptoBackend;
  readonly said: Said[] = [];
  readonly #info: Bytes;
  readonly #dataKey: HmacKey;
  readonly #keys: ChunkKeys;

  private constructor(
    backend: CryptoBackend,
    info: Bytes,
    dataKey: HmacKey,
    { keys, commitment }: MessageKeys,
  ) {
    this.backend = backend;
    this.#info = info;
    this.#dataKey = dataKey;
    this.#keys = keys;
    this.said.push(commitment);
  }

  static async create(backend: CryptoBackend, raw: Bytes, info: Bytes): Promise<Subject> {
    const dataKey = await backend.hmacKey(raw);
    return new Subject(backend, info, dataKey, await backend.messageKeys(dataKey, info));
  }

  /** Seals a run of chunks, alters it and opens what it then is. */
  async run({ plaintext, index, last, off, alter }: Case): Promise<void> {
    const tags = 16 * (Math.floor(plaintext.length / CHUNK) + (last ? 1 : 0));
    const sealed = await this.#call(array(plaintext.length + tags + off, UNTOUCHED), (out) =>
      this.backend.sealChunks(this.#keys, index, plaintext, last, out),
    );
    const altered = sealed.length === 0 ? sealed : alter(sealed);
    await this.#call(array(openedLength(altered.length) + off, CLEARED), (out) =>
      this.backend.openChunks(this.#keys, index, altered, out),
    );
  }

  /** Does the same with a whole payload. */
  async payload({ plaintext, off, alter }: Case): Promise<void> {
    const tags = 16 * (Math.floor(plaintext.length / CHUNK) + 1);
    const sealed = await this.#call(array(plaintext.length + 32 + tags + off, UNTOUCHED), (out) =>
      this.backend.sealPayload(this.#dataKey, this.#info, plaintext, out),
    );
    const altered = alter(sealed);
    await this.#call(array(openedLength(Math.max(0, altered.length - 32)) + off, CLEARED), (out) =>
      this.backend.openPayload(this.#dataKey, this.#info, altered, out),
    );
  }

  async #call(out: Bytes, work: (out: Bytes) => unknown): Promise<Bytes> {
    let written = out;
    try {
      const result = await work(out);
      this.said.push(result);
      // What follows a chunk that does not verify may have been opened or not.
      if (typeof result === "number" && result >= 0)
        written = out.subarray(0, (result + 1) * CHUNK);
    } catch (error) {
      this.said.push(error instanceof Error ? error.name : error);
    }
    this.said.push(written);
    return out;
  }
}

function array(length: number, fill: number): Bytes {
  return new Uint8Array(Math.max(0, length)).fill(fill);
}

function openedLength(sealed: number): number {
  return sealed - 16 * Math.ceil(sealed / (CHUNK + 16));
}

function isSame(one: Said, other: Said): boolean {
  if (!(one instanceof Uint8Array && other instanceof Uint8Array)) return one === other;
  return Buffer.compare(one, other) === 0;
}

it.skipIf(!isBuilt)(
  `agrees with the other backends on ${CASES} random cases (SEED=${SEED})`,
  // None: how long a run takes is for who asks for it.
  { timeout: 0 },
  async () => {
    const all: readonly CryptoBackend[] = [native(), node, web];
    const names = process.env["BACKENDS"]?.split(",");
    const backends = all.filter(({ name }) => names?.includes(name) ?? true);
    const random = new Random(SEED);
    for (let done = 0; done < CASES; done += PER_KEY) {
      const [raw, info] = [random.bytes(32), random.bytes(random.below(400))];
      const cases = Array.from({ length: Math.min(PER_KEY, CASES - done) }, () => drawn(random));
      const [first, ...others] = await Promise.all(
        backends.map(async (backend) => {
          const subject = await Subject.create(backend, raw, info);
          for (const each of cases) await subject.run(each);
          for (const each of cases.slice(0, 1)) await subject.payload(each);
          return subject;
        }),
      );
      for (const { backend, said } of others) {
        const step = first?.said.findIndex((each, at) => !isSame(each, said[at])) ?? -1;
        if (step >= 0) {
          // A commitment, then four results for each case, then those of a payload.
          const what = { after: done, backend: backend.name, step };
          expect({ ...what, said: said[step] }).toEqual({ ...what, said: first?.said[step] });
        }
      }
    }
  },
);
