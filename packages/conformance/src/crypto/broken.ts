/**
 * Crypto backends that are broken on purpose, each in one way that is an easy mistake.
 *
 * They test the suite: each must fail a case of the clause that names its fault, and each case must be failed by
 * at least one of them.
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- faults take opaque keys and types for what they are not
import type { Bytes } from "@env/core";
import { VERIFIED, type ChunkKeys, type CryptoBackend, type HmacKey } from "@env/core/crypto";
import type { CryptoClause } from "./harness.ts";
import { concat } from "../bytes.ts";
import { CHUNK_BYTES, COMMITMENT_BYTES, sealedLength, TAG_BYTES } from "./reference.ts";

/** One fault. */
export interface BrokenBackend {
  /** The fault, phrased to follow "a backend that". */
  readonly name: string;
  /** The clause that it breaks, possibly among others. */
  readonly clause: CryptoClause;
  /** Adds the fault to a correct backend. */
  readonly make: (honest: CryptoBackend) => CryptoBackend;
}

type Changes = { readonly [Member in keyof CryptoBackend]?: CryptoBackend[Member] };

function broken(
  clause: CryptoClause,
  name: string,
  changes: (honest: CryptoBackend) => Changes,
): BrokenBackend {
  return { clause, name, make: (honest) => ({ ...plain(honest), ...changes(honest) }) };
}

/** Returns the backend as an object whose methods can be replaced, with batches if it is synchronous. */
function plain(honest: CryptoBackend): CryptoBackend {
  const members = honest.synchronous ? { ...batches(honest), ...honest } : { ...honest };
  for (const name of METHODS) {
    const method = honest[name];
    if (method !== undefined) Object.assign(members, { [name]: method.bind(honest) });
  }
  return members;
}

const METHODS = [
  "random",
  "randomPublic",
  "sha256",
  "equal",
  "hmacKey",
  "hmacSha512",
  "messageKeys",
  "sealChunks",
  "openChunks",
  "sealPayload",
  "openPayload",
  "openPayloads",
  "sealPayloads",
  "share",
  "adopt",
] as const;

type Batches = Required<Pick<CryptoBackend, "openPayloads" | "sealPayloads">>;

/** What a synchronous backend without batches could offer. */
function batches(honest: CryptoBackend): Batches {
  return {
    openPayloads(dataKey, infos, infoLengths, sealed, sealedLengths, out) {
      const bound = cut(infos, infoLengths);
      const payloads = cut(sealed, sealedLengths);
      const plaintexts = cut(out, sealedLengths.map(openedLength));
      requireEqual(bound.length, payloads.length);
      return Int32Array.from(payloads, (payload, i) =>
        Number(honest.openPayload(dataKey, at(bound, i), payload, at(plaintexts, i))),
      );
    },
    sealPayloads(dataKey, infos, infoLengths, plaintexts, plaintextLengths, out) {
      const bound = cut(infos, infoLengths);
      const sealed = plaintextLengths.map(
        (length) => COMMITMENT_BYTES + sealedLength(length, true),
      );
      const payloads = cut(out, sealed);
      for (const [i, plaintext] of cut(plaintexts, plaintextLengths).entries()) {
        void honest.sealPayload(dataKey, at(bound, i), plaintext, at(payloads, i));
      }
    },
  };
}

/** Cuts bytes into parts of these lengths, which must add up. */
function cut(bytes: Bytes, lengths: Uint32Array): Bytes[] {
  let end = 0;
  const parts = Array.from(lengths, (length) => bytes.subarray(end, (end += length)));
  requireEqual(end, bytes.length);
  return parts;
}

function requireEqual(a: number, b: number): void {
  if (a !== b) throw new RangeError("the lengths do not add up");
}

function at(parts: readonly Bytes[], i: number): Bytes {
  return parts[i] ?? new Uint8Array(0);
}

function openedLength(sealedBytes: number): number {
  const chunks = sealedBytes - COMMITMENT_BYTES;
  if (chunks < TAG_BYTES) throw new RangeError("a payload has a commitment and a final chunk");
  return chunks - Math.ceil(chunks / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

/** Returns infos of which each is the first. */
function firstOnly(infos: Bytes, lengths: Uint32Array): [Bytes, Uint32Array] {
  const info = infos.subarray(0, lengths[0]);
  return [concat(...Array.from(lengths, () => info)), lengths.map(() => info.length)];
}

/** Adds a fault to each of the four calls from an input to an output. */
function onEveryCall(
  change: (input: Bytes, out: Bytes, call: Call) => unknown,
): (honest: CryptoBackend) => Changes {
  return (honest) => ({
    sealChunks: (keys, index, plaintext, last, out) =>
      change(plaintext, out, (a, b) => honest.sealChunks(keys, index, a, last, b)) as undefined,
    openChunks: (keys, index, sealed, out) =>
      change(sealed, out, (a, b) => honest.openChunks(keys, index, a, b)) as number,
    sealPayload: (dataKey, info, plaintext, out) =>
      change(plaintext, out, (a, b) => honest.sealPayload(dataKey, info, a, b)) as undefined,
    openPayload: (dataKey, info, sealed, out) =>
      change(sealed, out, (a, b) => honest.openPayload(dataKey, info, a, b)) as number,
  });
}

type Call = (input: Bytes, out: Bytes) => unknown;

const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;

export const brokenBackends: readonly BrokenBackend[] = [
  broken("B0", "hashes with a byte too many", (honest) => ({
    sha256: (data) => honest.sha256(concat(data, Uint8Array.of(0))),
  })),
  broken("B0", "compares only the first bytes", (honest) => ({
    equal: (a, b) => honest.equal(a.subarray(0, 16), b.subarray(0, 16)),
  })),
  broken("B0", "derives from an info of at most one block", (honest) => ({
    messageKeys: (dataKey, info) => honest.messageKeys(dataKey, info.subarray(0, 128)),
    sealPayload: (dataKey, info, plaintext, out) =>
      honest.sealPayload(dataKey, info.subarray(0, 128), plaintext, out),
    openPayload: (dataKey, info, sealed, out) =>
      honest.openPayload(dataKey, info.subarray(0, 128), sealed, out),
  })),
  broken("B0", "numbers chunks in 32 bits", (honest) => ({
    sealChunks: (keys, index, plaintext, last, out) =>
      honest.sealChunks(keys, index % 2 ** 32, plaintext, last, out),
    openChunks: (keys, index, sealed, out) => honest.openChunks(keys, index % 2 ** 32, sealed, out),
  })),
  broken("B0", "accepts a payload that Wycheproof refuses", (honest) => ({
    openPayload: async (dataKey, info, sealed, out) => {
      await honest.openPayload(dataKey, info, sealed, out);
      return VERIFIED;
    },
  })),
  broken("B1", "does not compare tags", (honest) => ({
    openChunks: async (keys, index, sealed, out) => {
      await honest.openChunks(keys, index, sealed, out);
      return VERIFIED;
    },
    openPayload: async (dataKey, info, sealed, out) =>
      Math.min(VERIFIED, await honest.openPayload(dataKey, info, sealed, out)),
  })),
  broken("B1", "leaves what did not verify in out", (honest) => ({
    openChunks: async (keys, index, sealed, out) => {
      const result = await honest.openChunks(keys, index, sealed, out);
      if (result >= 0) out.subarray(result * CHUNK_BYTES, result * CHUNK_BYTES + 9).fill(1);
      return result;
    },
    openPayload: async (dataKey, info, sealed, out) => {
      const result = await honest.openPayload(dataKey, info, sealed, out);
      if (result >= 0) out.fill(1);
      return result;
    },
  })),
  broken("B1", "names the chunk by its number in the message", (honest) => ({
    openChunks: async (keys, index, sealed, out) => {
      const result = await honest.openChunks(keys, index, sealed, out);
      return result < 0 ? result : result + index;
    },
  })),
  broken("B2", "does not compare the commitment", (honest) => ({
    openPayload: async (dataKey, info, sealed, out) => {
      const { keys } = await honest.messageKeys(dataKey, info);
      return honest.openChunks(keys, 0, sealed.subarray(COMMITMENT_BYTES), out);
    },
  })),
  broken("B2", "accepts chunks in any order", (honest) => ({
    openChunks: async (keys, index, sealed, out) => {
      const result = await honest.openChunks(keys, index, sealed, out);
      return sealed.length > SEALED_CHUNK_BYTES ? VERIFIED : result;
    },
  })),
  broken("B3", "ignores that a run is the last", (honest) => ({
    sealChunks: (keys, index, plaintext, last, out) => {
      const more = last && plaintext.length % CHUNK_BYTES === 0;
      const end = more ? out.length - TAG_BYTES : out.length;
      return honest.sealChunks(keys, index, plaintext, last && !more, out.subarray(0, end));
    },
  })),
  broken("B3", "seals every chunk of a run with one nonce", (honest) => ({
    sealChunks: async (keys, index, plaintext, last, out) => {
      const count = Math.floor(plaintext.length / CHUNK_BYTES) + Number(last);
      for (let i = 0; i < count; i++) {
        await honest.sealChunks(
          keys,
          index,
          plaintext.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
          last && i === count - 1,
          out.subarray(i * SEALED_CHUNK_BYTES, (i + 1) * SEALED_CHUNK_BYTES),
        );
      }
    },
  })),
  broken("B3", "refuses an empty run", (honest) => ({
    openChunks: (keys, index, sealed, out) =>
      sealed.length === 0 ? 0 : honest.openChunks(keys, index, sealed, out),
  })),
  broken(
    "B4",
    "writes before it compares lengths",
    onEveryCall((input, out, call) => {
      if (out.length > 0) out[0] = 1;
      return call(input, out);
    }),
  ),
  broken(
    "B4",
    "writes as much as there is room for",
    onEveryCall((input, out, call) => {
      try {
        return call(input, out);
      } catch (error) {
        if (error instanceof RangeError) return VERIFIED;
        throw error;
      }
    }),
  ),
  broken(
    "B5",
    "copies an input that overlaps",
    onEveryCall((input, out, call) =>
      call(input?.buffer === out?.buffer ? input.slice() : input, out),
    ),
  ),
  broken(
    "B5",
    "refuses an input in the buffer of the output",
    onEveryCall((input, out, call) => {
      if (input?.buffer === out?.buffer) throw new RangeError("one buffer");
      return call(input, out);
    }),
  ),
  broken(
    "B5",
    "reads memory that another thread could change",
    onEveryCall((input, out, call) =>
      call(input?.buffer instanceof ArrayBuffer ? input : new Uint8Array(input), out),
    ),
  ),
  broken(
    "B5",
    "takes a detached buffer for an empty one",
    onEveryCall((input, out, call) => {
      if (input?.length === 0 || out?.length === 0) return VERIFIED;
      return call(input, out);
    }),
  ),
  broken(
    "B5",
    "wipes its input",
    onEveryCall(async (input, out, call) => {
      const result = await call(input, out);
      input.fill(0);
      return result;
    }),
  ),
  broken("B6", "keeps the bytes of a key instead of a copy", (honest) => {
    const open = (key: HmacKey): ReturnType<CryptoBackend["hmacKey"]> =>
      honest.hmacKey(key as unknown as Bytes);
    return {
      hmacKey: (raw) => raw as unknown as HmacKey,
      hmacSha512: async (key, data) => honest.hmacSha512(await open(key), data),
      messageKeys: async (key, info) => honest.messageKeys(await open(key), info),
      sealPayload: async (key, info, plaintext, out) =>
        honest.sealPayload(await open(key), info, plaintext, out),
      openPayload: async (key, info, sealed, out) =>
        honest.openPayload(await open(key), info, sealed, out),
    };
  }),
  broken("B6", "has one place for the keys of all messages", (honest) => {
    let only: ChunkKeys | undefined;
    return {
      messageKeys: async (dataKey, info) => {
        const made = await honest.messageKeys(dataKey, info);
        only = made.keys;
        return made;
      },
      sealChunks: (keys, ...rest) => honest.sealChunks(only ?? keys, ...rest),
    };
  }),
  broken("B7", "repeats its random bytes", (honest) => {
    const drawn = honest.random(4096);
    return { random: (length) => drawn.slice(0, length) };
  }),
  broken("B7", "returns a view of its supply", (honest) => {
    const drawn = honest.random(65_536);
    let used = 0;
    return {
      randomPublic: (length) => {
        used = used + length > drawn.length ? 0 : used;
        return drawn.subarray(used, (used += length));
      },
    };
  }),
  broken("B7", "returns one array for all results", (honest) => {
    const result = new Uint8Array(64);
    return {
      hmacSha512: async (key, data) => {
        result.set(await honest.hmacSha512(key, data));
        return result;
      },
    };
  }),
  broken("B8", "shares keys under a name that only one thread knows", () => {
    const own = new Map<number, ChunkKeys>();
    return {
      share: (keys) => {
        own.set(own.size, keys);
        return own.size;
      },
      adopt: (shared) => own.get(shared as number) as ChunkKeys,
    };
  }),
  broken("B8", "shares the bytes of the key", (honest) => {
    const bytes = new WeakMap<ChunkKeys, Bytes>();
    return {
      messageKeys: async (dataKey, info) => {
        const made = await honest.messageKeys(dataKey, info);
        bytes.set(made.keys, await honest.hmacSha512(dataKey, concat(info, Uint8Array.of(1))));
        return made;
      },
      share: (keys) => ({ shared: honest.share?.(keys), bytes: bytes.get(keys)?.slice(0, 32) }),
      adopt: (shared) => honest.adopt?.((shared as { shared: unknown }).shared) as ChunkKeys,
    };
  }),
  broken("B9", "binds all payloads to the first info", (honest) => {
    const { openPayloads, sealPayloads } = batches(honest);
    return {
      openPayloads: (dataKey, infos, lengths, ...rest) =>
        openPayloads(dataKey, ...firstOnly(infos, lengths), ...rest),
      sealPayloads: (dataKey, infos, lengths, ...rest) =>
        sealPayloads(dataKey, ...firstOnly(infos, lengths), ...rest),
    };
  }),
  broken("B9", "stops at the first payload that does not verify", (honest) => ({
    openPayloads: (...args) => {
      const results = batches(honest).openPayloads(...args);
      const bad = results.findIndex((result) => result !== VERIFIED);
      return bad < 0 ? results : results.fill(VERIFIED, bad + 1);
    },
  })),
  broken("B9", "ignores bytes that are left over", (honest) => ({
    openPayloads: (dataKey, infos, infoLengths, sealed, sealedLengths, out) => {
      const { openPayloads } = batches(honest);
      const room = new Uint8Array(sealedLengths.map(openedLength).reduce((a, b) => a + b, 0));
      const results = openPayloads(dataKey, infos, infoLengths, sealed, sealedLengths, room);
      out.set(room.subarray(0, out.length));
      return results;
    },
  })),
];
