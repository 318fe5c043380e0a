/**
 * All backends on the same random input: the same bytes, the same refusals, the same kinds of error.
 *
 * `CASES=10000000` runs more cases, `SEED=` repeats a run, and `BACKENDS=native,node` leaves some out.
 */
import { randomInt } from "node:crypto";
import type { ChunkKeys, CryptoBackend, HmacKey } from "@env/core/crypto";
import { backend as node } from "@env/core/crypto/node";
import { backend as web } from "@env/core/crypto/web";
import { expect, it } from "vitest";
import { isBuilt, native } from "./support/native.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CASES = Number(process.env["CASES"] ?? 500);
const SEED = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const CHUNK = 16_384;
const UNTOUCHED = 0xa5;
/** The place of what does not verify may be left alone or overwritten with zeros: here, both are the same. */
const CLEARED = 0;

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
    const first = this.below(256);
    return new Uint8Array(length).map((_, i) => first + i * 31);
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
  readonly raw: Bytes;
  readonly info: Bytes;
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
    raw: random.bytes(32),
    info: random.bytes(random.below(400)),
    plaintext: random.bytes(length),
    index: random.index(),
    last,
    off: random.below(32) === 0 ? random.below(5) - 2 : 0,
    alter(sealed) {
      const altered = new Uint8Array(sealed);
      if (kind < 3)
        altered[place % sealed.length] = (sealed[place % sealed.length] ?? 0) ^ (1 << kind);
      if (kind === 3) return altered.slice(0, place % (sealed.length + 1));
      if (kind === 4)
        return Uint8Array.of(...altered.subarray(-100), ...altered.subarray(0, place % 100));
      return altered;
    },
  };
}

/** What a backend makes of a case: results, errors and all that it wrote. */
async function outcome(
  backend: CryptoBackend,
  { raw, info, plaintext, ...rest }: Case,
): Promise<string[]> {
  const { index, last, off, alter } = rest;
  const said: string[] = [];
  const call = async (out: Bytes, work: (out: Bytes) => unknown): Promise<Bytes> => {
    let written = out;
    try {
      const result = await work(out);
      said.push(String(result));
      // What follows a chunk that does not verify may have been opened or not.
      if (typeof result === "number" && result >= 0)
        written = out.subarray(0, (result + 1) * CHUNK);
    } catch (error) {
      said.push(error instanceof Error ? error.name : String(error));
    }
    said.push(Buffer.from(written).toString("hex"));
    return out;
  };
  const array = (length: number, fill: number): Bytes =>
    new Uint8Array(Math.max(0, length + off)).fill(fill);
  const dataKey: HmacKey = await backend.hmacKey(raw);
  const { keys, commitment }: { keys: ChunkKeys; commitment: Bytes } = await backend.messageKeys(
    dataKey,
    info,
  );
  said.push(Buffer.from(commitment).toString("hex"));

  const tags = 16 * (Math.floor(plaintext.length / CHUNK) + (last ? 1 : 0));
  const run = await call(array(plaintext.length + tags, UNTOUCHED), (out) =>
    backend.sealChunks(keys, index, plaintext, last, out),
  );
  const alteredRun = run.length === 0 ? run : alter(run);
  const runLength = alteredRun.length - 16 * Math.ceil(alteredRun.length / (CHUNK + 16));
  await call(array(runLength, CLEARED), (out) => backend.openChunks(keys, index, alteredRun, out));

  const payload = await call(
    array(plaintext.length + 32 + 16 * (Math.floor(plaintext.length / CHUNK) + 1), UNTOUCHED),
    (out) => backend.sealPayload(dataKey, info, plaintext, out),
  );
  const altered = payload.length === 0 ? payload : alter(payload);
  const chunks = Math.max(0, altered.length - 32);
  await call(array(chunks - 16 * Math.ceil(chunks / (CHUNK + 16)), CLEARED), (out) =>
    backend.openPayload(dataKey, info, altered, out),
  );
  return said;
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
    for (let done = 0; done < CASES; done++) {
      const each = drawn(random);
      const [first, ...others] = await Promise.all(
        backends.map((backend) => outcome(backend, each)),
      );
      for (const [i, other] of others.entries()) {
        const differs = first?.findIndex((said, at) => said !== other[at]) ?? -1;
        if (differs >= 0) {
          const what = {
            case: done,
            backend: backends[i + 1]?.name,
            step: differs,
            length: each.plaintext.length,
          };
          expect({ ...what, said: other[differs] }).toEqual({ ...what, said: first?.[differs] });
        }
      }
    }
  },
);
