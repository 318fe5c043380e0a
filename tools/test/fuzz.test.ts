import { Envelope, EnvelopeError } from "@env/core";
import { headerLength, parseHeader } from "@env/core/message";
import { encryptedS3 } from "@env/s3";
import { s3EncryptionClient } from "@env/s3/s3ec";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { attempt, vectorSeeds } from "../fuzz.ts";
import { decisions, engine, limits, type Engine } from "../fuzz/decisions.ts";
import { layoutOf, mutate, type Bytes } from "../fuzz/mutate.ts";
import { Objects, type Stores } from "../fuzz/objects.ts";
import { Random } from "../fuzz/random.ts";
import { Messages } from "../fuzz/streams.ts";
import { Finding, readers, targets, type Readers } from "../fuzz/targets.ts";

/** Fuzzes objects of S3 for a fixed number of inputs; gives what was found first. */
async function firstFindingOfObjects(stores: Stores, inputs: number): Promise<string | undefined> {
  const random = new Random(1);
  const objects = await Objects.create(stores);
  try {
    for (const seed of objects.seeds) await objects.check(seed);
    for (let i = 0; i < inputs; i++) await objects.check(objects.mutated(random));
    return undefined;
  } catch (error) {
    if (error instanceof Finding) return error.message;
    throw error;
  }
}

/** Fuzzes all targets for a fixed number of inputs; gives what was found first. */
function firstFinding(read: Readers, inputs = 3000): string | undefined {
  const random = new Random(1);
  const seeds = vectorSeeds();
  for (let i = 0; i < inputs; i++) {
    const input = mutate(random.pick(seeds), seeds, random);
    for (const target of Object.values(targets)) {
      try {
        target(input, read);
      } catch (error) {
        if (error instanceof Finding) return error.message;
        throw error;
      }
    }
  }
  return undefined;
}

describe("objects of S3", () => {
  const stores: Stores = { encryptedS3, s3EncryptionClient };

  it("are opened as they were written, or refused", async () => {
    expect(await firstFindingOfObjects(stores, 300)).toBeUndefined();
  });

  it("are found where a reader gives other bytes, or fails without a code", async () => {
    const giving = await firstFindingOfObjects(
      {
        ...stores,
        s3EncryptionClient: (options) =>
          Object.assign(s3EncryptionClient(options), { get: async () => ({ body: Buffer.of(1) }) }),
      },
      0,
    );
    expect(giving).toBe("get of s3ec gave what nobody encrypted");
    const copy = async (): Promise<never> => {
      throw new RangeError("Invalid typed array length");
    };
    const failing = await firstFindingOfObjects(
      { ...stores, encryptedS3: (options) => Object.assign(encryptedS3(options), { copy }) },
      0,
    );
    expect(failing).toBe("copy threw RangeError: Invalid typed array length");
  });
});

describe("the targets", () => {
  it("find nothing in the readers as they are", () => {
    expect(firstFinding(readers, 500)).toBeUndefined();
  });

  const broken: Readonly<Record<string, Partial<Readers>>> = {
    "throws a RangeError for a length it believed": {
      parseHeader(bytes) {
        const length = ((bytes[8] ?? 0) << 8) | (bytes[9] ?? 0);
        if (length > 0x7fff) throw new RangeError("Invalid typed array length");
        return parseHeader(bytes);
      },
    },
    "refuses with a code that says something else": {
      parseHeader(bytes) {
        try {
          return parseHeader(bytes);
        } catch {
          throw new EnvelopeError("ERR_ENVELOPE_DECRYPT", "no");
        }
      },
    },
    "does not look at the padding": {
      parseHeader(bytes) {
        const { keyBlock, entries } = layoutOf(bytes);
        const end = entries.at(-1)?.[1];
        if (keyBlock === undefined || end === undefined) return parseHeader(bytes);
        return parseHeader(new Uint8Array(bytes).fill(0, end, headerLength(bytes)));
      },
      headerLength,
    },
    "takes the reserved byte for granted": {
      parseHeader: (bytes) => parseHeader(withoutReserved(bytes)),
      headerLength: (bytes) => headerLength(withoutReserved(bytes)),
    },
    "tells the length of a header before it can know": {
      headerLength: (bytes) => headerLength(bytes) ?? (bytes.length > 8 ? 10 : undefined),
    },
    "sees no end of the header in pieces": {
      headerLength: (bytes) => (bytes.length < 200 ? undefined : headerLength(bytes)),
      parseHeader: (bytes) => parseHeader(bytes),
    },
    "reads text that has spaces around it": {
      decodeText: (text) => readers.decodeText(text.trim()),
    },
    "inspects what cannot be parsed": {
      inspect: () => readers.inspect("env1.jkVOVgEBAAAAAA"),
    },
    "attaches a key block without looking": {
      attachKeyBlock: (message, keyBlock) =>
        new Uint8Array([...message.subarray(0, 8), ...keyBlock]),
    },
  };
  for (const [name, part] of Object.entries(broken)) {
    it(`find a reader that ${name}`, () => {
      expect(firstFinding({ ...readers, ...part })).toBeDefined();
    });
  }

  function withoutReserved(bytes: Uint8Array): Uint8Array {
    const out = bytes.slice();
    if (out.length > 7) out[7] = 0;
    return out;
  }
});

describe("whole messages", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("end alike in decrypt and decryptStream, altered or not", async () => {
    const messages = await Messages.create();
    const random = new Random(7);
    const [first = new Uint8Array(0), ...rest] = messages.seeds;
    for (const seed of messages.seeds) {
      await expect(messages.check(seed, random)).resolves.toBeUndefined();
      const altered = mutate(seed, [first, ...rest], random);
      await expect(messages.check(altered, random)).resolves.toBeUndefined();
    }
  });

  it("are found to end differently where one reader accepts everything", async () => {
    const messages = await Messages.create();
    vi.spyOn(Envelope.prototype, "decrypt").mockResolvedValue(new Uint8Array(0));
    const altered = (messages.seeds[4] ?? new Uint8Array(0)).slice(0, -1);
    await expect(messages.check(altered, new Random(1))).rejects.toThrow(Finding);
  });

  it("are found to call a KMS more than once per CMK", async () => {
    const messages = await Messages.create();
    const honest: Envelope["decrypt"] = Reflect.get(Envelope.prototype, "decrypt");
    const decrypt = vi.spyOn(Envelope.prototype, "decrypt");
    decrypt.mockImplementation(async function thrice(this: Envelope, ...call) {
      for (let i = 0; i < 2; i++) await honest.apply(this, call);
      return honest.apply(this, call);
    });
    const [message = new Uint8Array(0)] = messages.seeds;
    await expect(messages.check(message, new Random(1))).rejects.toThrow(
      "decrypt made 3 KMS calls for two CMKs",
    );
  });
});

describe("an input", () => {
  it("is a finding when it is slow every time, and not when the machine paused once", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const run = { execs: 0, slowestMs: 0 };
    let calls = 0;
    await attempt(run, () => void vi.advanceTimersByTime(calls++ === 0 ? 250 : 0), 200);
    expect(run).toEqual({ execs: 1, slowestMs: 0 });
    const slow = attempt(run, () => void vi.advanceTimersByTime(250), 200);
    await expect(slow).rejects.toThrow("one input takes 250 ms");
  });
});

describe("mutations", () => {
  it("come back for the same seed", () => {
    const seeds = vectorSeeds();
    const some = (seed: number): Bytes[] => {
      const random = new Random(seed);
      return Array.from({ length: 50 }, () => mutate(random.pick(seeds), seeds, random));
    };
    expect(some(3)).toEqual(some(3));
    expect(some(3)).not.toEqual(some(4));
  });

  it("know where lengths, counts and entries are", () => {
    const preamble = [0x8e, 0x45, 0x4e, 0x56, 1, 1, 1, 0];
    const context = [0, 8, 0, 1, 0, 1, 0x61, 0, 1, 0x62];
    const entry = [1, 0x70, 0, 1, 0x6b, 0, 2, 9, 9];
    const bytes = Uint8Array.from([...preamble, ...context, 0, 12, 1, ...entry, 0, 0, 5, 5]);
    expect(layoutOf(bytes)).toEqual({
      keyBlock: 18,
      entries: [[21, 30]],
      lengths: [
        { at: 8, width: 2 },
        { at: 10, width: 2 },
        { at: 12, width: 2 },
        { at: 15, width: 2 },
        { at: 18, width: 2 },
        { at: 20, width: 1 },
        { at: 21, width: 1 },
        { at: 23, width: 2 },
        { at: 26, width: 2 },
      ],
    });
  });
});

describe("the decisions", () => {
  /** What is found first in so many requests. */
  function first(broken: Partial<Engine>, requests = 30): string | undefined {
    const random = new Random(1);
    try {
      for (let i = 0; i < requests; i++) decisions(random.bytes(4), { ...engine, ...broken });
    } catch (error) {
      if (error instanceof Finding) return error.message;
      throw error;
    }
    return undefined;
  }
  /** Goes on by so much each time that it is asked. */
  const clock = (stepMs: number): (() => number) => {
    let now = 0;
    return () => (now += stepMs);
  };

  it("find nothing in the engine as it is", () => {
    expect(first({ clock: clock(0) }, 10)).toBeUndefined();
  });

  it("find a decision that takes more steps than it may", () => {
    const greedy: Engine["judge"] = (request, meter) => {
      const verdict = engine.judge(request);
      try {
        meter?.spend(Infinity);
      } catch {
        // Goes on all the same.
      }
      return verdict;
    };
    expect(first({ clock: clock(0), judge: greedy })).toBe(
      "a decision took more steps than it may",
    );
  });

  it("find one request that takes different steps", () => {
    let more = 0;
    const random: Engine["judge"] = (_, meter) => {
      meter?.spend((more += 1));
      return { because: "no-key-policy-allows", deciding: [] };
    };
    expect(first({ clock: clock(0), judge: random })).toBe(
      "one request takes two numbers of steps",
    );
  });

  it("find what takes the processor too long, however often it is tried", () => {
    expect(first({ clock: clock(limits.read + 1) })).toBe("reading a policy takes 251 ms");
    expect(first({ clock: clock(limits.decide + 1) })).toBe("a decision takes 101 ms");
  });
});
