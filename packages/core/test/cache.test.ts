import {
  detachKeyBlock,
  Envelope,
  inspect,
  type DataKeyCacheOptions,
  type EnvelopeEvent,
} from "@env/core";
import { messageWriter, parseHeader } from "@env/core/message";
import { pattern, pieces } from "@env/testkit/bytes";
import { until } from "@env/testkit/turns";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { concat } from "../src/bytes.ts";
import { encodeKeyBlock } from "../src/key-block.ts";
import { pump } from "./support/pump.ts";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };
const generous: DataKeyCacheOptions = { maxAge: 60_000, maxMessages: 2 ** 20, maxBytes: 2 ** 30 };

function cached(limits: Partial<DataKeyCacheOptions> = {}): {
  key: StubKey;
  envelope: Envelope;
  events: EnvelopeEvent[];
} {
  const key = new StubKey("one");
  const events: EnvelopeEvent[] = [];
  const envelope = new Envelope({
    cmks: [key.cmk],
    dataKeyCache: { ...generous, ...limits },
    observer: (event) => events.push(event),
  });
  return { key, envelope, events };
}

/** Lets everything that needs no timer run. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

const wrappedOf = (message: Uint8Array): string =>
  Buffer.from(inspect(message).entries?.[0]?.wrapped ?? []).toString("hex");

describe("without a cache", () => {
  it("every message has a data key of its own", async () => {
    const key = new StubKey("one");
    const envelope = new Envelope({ cmks: [key.cmk] });
    const a = await envelope.encrypt(pattern(1), { context });
    const b = await envelope.encrypt(pattern(1), { context });
    expect(wrappedOf(a)).not.toBe(wrappedOf(b));
    await envelope.decrypt(a, { context });
    await envelope.decrypt(a, { context });
    expect(key.calls).toEqual(["generate", "generate", "unwrap", "unwrap"]);
  });
});

describe("single flight", () => {
  it("makes 1 KMS call of 3,000 concurrent first encryptions", async () => {
    const { key, envelope } = cached();
    const messages = await Promise.all(
      Array.from({ length: 3000 }, () => envelope.encrypt(pattern(10), { context })),
    );
    expect(key.calls).toEqual(["generate"]);
    expect(new Set(messages.map(wrappedOf)).size).toBe(1);
    expect(new Set(messages.map((message) => Buffer.from(message).toString("hex"))).size).toBe(
      3000,
    );
  });

  it("makes 1 KMS call of 3,000 concurrent first decryptions", async () => {
    const { key, envelope } = cached();
    const message = await envelope.encrypt(pattern(10), { context });
    const reader = new Envelope({ cmks: [key.cmk], dataKeyCache: generous });
    key.calls.length = 0;
    await Promise.all(Array.from({ length: 3000 }, () => reader.decrypt(message, { context })));
    expect(key.calls).toEqual(["unwrap"]);
  });

  it("gives a failure to all who wait and does not keep it", async () => {
    const { key, envelope } = cached();
    key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    const calls = Array.from({ length: 10 }, () =>
      refuses("ERR_ENVELOPE_KMS_UNAVAILABLE", () => envelope.encrypt(pattern(1), { context })),
    );
    await Promise.all(calls);
    expect(key.calls).toEqual(["generate"]);
    key.fails = undefined;
    await envelope.encrypt(pattern(1), { context });
    expect(key.calls).toEqual(["generate", "generate"]);
  });

  it("goes on for the others when one caller aborts, and is aborted when all have", async () => {
    const { key, envelope } = cached();
    let open = (): void => undefined;
    key.gate = new Promise((resolve) => {
      open = resolve;
    });
    const impatient = new AbortController();
    const first = envelope.encrypt(pattern(1), { context, signal: impatient.signal });
    const second = envelope.encrypt(pattern(2), { context });
    await quiet();
    impatient.abort(new Error("impatient"));
    await expect(first).rejects.toThrow("impatient");
    open();
    expect(await envelope.decrypt(await second, { context })).toEqual(pattern(2));
    expect(key.count("generate")).toBe(1);
  });

  it("aborts the KMS call once nobody waits, and starts anew for who comes then", async () => {
    const { key, envelope, events } = cached();
    key.gate = new Promise(() => undefined);
    const abort = new AbortController();
    const gone = envelope.encrypt(pattern(1), { context, signal: abort.signal });
    await quiet();
    abort.abort(new Error("gone"));
    await expect(gone).rejects.toThrow("gone");
    await quiet();
    expect(events.find(({ type }) => type === "kms-call")).toMatchObject({ outcome: "aborted" });
    key.gate = undefined;
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(2);
  });
});

describe("events", () => {
  const outcomes = (events: readonly EnvelopeEvent[]): string[] =>
    events.flatMap((event) => (event.type === "cache" ? [event.outcome] : []));

  it("tell one miss for one fetch, and that the other callers joined it", async () => {
    const { envelope, events } = cached();
    const messages = await Promise.all(
      [1, 2, 3].map(() => envelope.encrypt(pattern(1), { context })),
    );
    await envelope.encrypt(pattern(1), { context });
    expect(outcomes(events)).toEqual(["miss", "joined", "joined", "hit"]);
    events.length = 0;
    const [message] = messages;
    if (message === undefined) throw new Error("no message");
    await Promise.all([1, 2, 3].map(() => envelope.decrypt(message, { context })));
    await envelope.decrypt(message, { context });
    expect(outcomes(events)).toEqual(["miss", "joined", "joined", "hit"]);
  });

  it("tell no miss where an aborted caller fetches nothing", async () => {
    const { envelope, events, key } = cached();
    const message = await new Envelope({ cmks: [key.cmk] }).encrypt(pattern(1), { context });
    const signal = AbortSignal.abort();
    await expect(envelope.decrypt(message, { context, signal })).rejects.toBe(signal.reason);
    await expect(envelope.encrypt(pattern(1), { context, signal })).rejects.toBe(signal.reason);
    expect(outcomes(events)).toEqual([]);
  });

  it("tell one hit for one decryption, also where the keys of several entries are held", async () => {
    const keys = [new StubKey("one"), new StubKey("two")];
    const message = await new Envelope({ cmks: keys.map(({ cmk }) => cmk) }).encrypt(pattern(1), {
      context,
    });
    const events: EnvelopeEvent[] = [];
    const envelope = new Envelope({
      cmks: keys.map(({ cmk }) => cmk),
      dataKeyCache: generous,
      observer: (event) => events.push(event),
    });
    // Each entry alone first, so that both keys are held.
    for (const keyBlock of (inspect(message).entries ?? []).map((entry) =>
      encodeKeyBlock([entry]),
    )) {
      await envelope.decrypt(detachKeyBlock(message).message, { context, keyBlock });
    }
    events.length = 0;
    await envelope.decrypt(message, { context });
    expect(outcomes(events)).toEqual(["hit"]);
  });
});

describe("a driver that never answers", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ["encrypt", 60_000],
    ["decrypt", 60_000],
  ] as const)("keeps nobody who comes to %s a minute later", async (operation, age) => {
    const { key, envelope } = cached({ maxAge: 10 * 60_000 });
    const message = await new Envelope({ cmks: [key.cmk] }).encrypt(pattern(1), { context });
    const call = (): Promise<unknown> =>
      operation === "encrypt"
        ? envelope.encrypt(pattern(1), { context })
        : envelope.decrypt(message, { context });
    key.gate = new Promise(() => undefined);
    const kmsCalls = key.calls.length;
    void call();
    await until(() => key.calls.length > kmsCalls);
    key.gate = undefined;
    vi.advanceTimersByTime(age);
    await call();
    expect(key.calls.length - kmsCalls).toBe(2);
  });
});

describe("limits", () => {
  it("are exact to the message, also for concurrent calls", async () => {
    const { key, envelope } = cached({ maxMessages: 10 });
    const messages = await Promise.all(
      Array.from({ length: 95 }, () => envelope.encrypt(pattern(1), { context })),
    );
    const uses = new Map<string, number>();
    for (const message of messages) {
      uses.set(wrappedOf(message), (uses.get(wrappedOf(message)) ?? 0) + 1);
    }
    expect(Math.max(...uses.values())).toBeLessThanOrEqual(10);
    expect(key.count("generate")).toBeLessThanOrEqual(12);
  });

  it("are kept to the byte", async () => {
    const { envelope } = cached({ maxBytes: 100 });
    const used = new Map<string, number>();
    for (let i = 0; i < 40; i++) {
      const message = await envelope.encrypt(pattern(7), { context });
      used.set(wrappedOf(message), (used.get(wrappedOf(message)) ?? 0) + 7);
    }
    expect(Math.max(...used.values())).toBeLessThanOrEqual(100);
  });

  it("give a message larger than maxBytes its own data key, and do not use up the cached one", async () => {
    const { key, envelope } = cached({ maxBytes: 100 });
    const small = await envelope.encrypt(pattern(1), { context });
    const large = await envelope.encrypt(pattern(101), { context });
    const next = await envelope.encrypt(pattern(1), { context });
    expect(wrappedOf(large)).not.toBe(wrappedOf(small));
    expect(wrappedOf(next)).toBe(wrappedOf(small));
    expect(key.count("generate")).toBe(2);
  });

  it("hold one data key per context, and maxEntries of them", async () => {
    const { key, envelope } = cached({ maxEntries: 2 });
    for (const tenant of ["a", "b", "a", "b"]) {
      await envelope.encrypt(pattern(1), { context: { tenant } });
    }
    expect(key.count("generate")).toBe(2);
    await envelope.encrypt(pattern(1), { context: { tenant: "c" } }); // Pushes out a, the oldest used.
    await envelope.encrypt(pattern(1), { context: { tenant: "b" } });
    expect(key.count("generate")).toBe(3);
    await envelope.encrypt(pattern(1), { context: { tenant: "a" } });
    expect(key.count("generate")).toBe(4);
  });

  it("hold for streams of unknown length: each has a data key of its own", async () => {
    const { key, envelope } = cached({ maxBytes: 50_000 });
    await envelope.encrypt(pattern(1), { context });
    const streams = await Promise.all(
      Array.from({ length: 20 }, () =>
        pump(envelope.encryptStream({ context }), pieces(pattern(20_000), 10_000)),
      ),
    );
    await envelope.encrypt(pattern(1), { context });
    expect(new Set(streams.map(({ output }) => wrappedOf(output))).size).toBe(20);
    expect(key.count("generate")).toBe(21);
  });

  it("let streams whose length is announced share a data key", async () => {
    const { key, envelope } = cached();
    const plaintextBytes = 20_000;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        pump(envelope.encryptStream({ context, plaintextBytes }), [pattern(plaintextBytes)]),
      ),
    );
    expect(key.calls).toEqual(["generate"]);
  });

  it("reserve a stream of known length at its start", async () => {
    const { key, envelope } = cached({ maxBytes: 50_000 });
    const front = await messageWriter(envelope, { context, plaintextBytes: 50_000 }).start();
    expect(parseHeader(front).length).toBe(front.length - 56);
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(2);
  });

  it("work where a data key serves one message only", async () => {
    const { key, envelope } = cached({ maxMessages: 1 });
    await Promise.all(Array.from({ length: 20 }, () => envelope.encrypt(pattern(1), { context })));
    expect(key.count("generate")).toBeGreaterThanOrEqual(20);
  });

  it("fetch exactly the data keys that a burst of messages needs, all at once", async () => {
    const { key, envelope } = cached({ maxMessages: 3 });
    let open = (): void => undefined;
    key.gate = new Promise((resolve) => {
      open = resolve;
    });
    const burst = Array.from({ length: 1000 }, () => envelope.encrypt(pattern(1), { context }));
    await quiet();
    expect(key.count("generate")).toBe(334); // Before one has answered.
    open();
    await Promise.all(burst);
    expect(key.count("generate")).toBe(334);
  });

  it.each([
    [{ maxEntires: 10 }, TypeError],
    [{ maxAge: "1000" }, TypeError],
    [{ maxMessages: 1.5 }, RangeError],
    [{ maxAge: 0.5 }, RangeError],
    [{ maxBytes: 0 }, RangeError],
    [{ maxEntries: 2 ** 25 }, RangeError],
  ])("that are misspelt, of another type or out of range are refused: %j", async (wrong, type) => {
    const dataKeyCache = { ...generous, ...wrong } as DataKeyCacheOptions;
    const { cmk } = new StubKey("one");
    expect(() => new Envelope({ cmks: [cmk], dataKeyCache })).toThrow(type);
    expect(() => new Envelope({ cmks: [cmk], dataKeyCache })).toThrow(/dataKeyCache/);
    if (!cryptoBackend().synchronous) return; // There are no fields().
    const fields = new Envelope({ cmks: [cmk] }).fields({ context, dataKeyCache });
    await expect(fields).rejects.toThrow(type);
  });

  it("end where the KMS is slower than maxAge", async () => {
    const { key, envelope } = cached({ maxAge: 1 });
    key.gate = new Promise((resolve) => setTimeout(resolve, 20));
    const messages = await Promise.all(
      [1, 2, 3].map(() => envelope.encrypt(pattern(1), { context })),
    );
    expect(messages).toHaveLength(3);
  });
});

describe("age", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends a data key for encryption", async () => {
    const { key, envelope } = cached({ maxAge: 1000 });
    await envelope.encrypt(pattern(1), { context });
    vi.advanceTimersByTime(799);
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(1);
    vi.advanceTimersByTime(201);
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(2);
  });

  it("ends a data key for decryption", async () => {
    const { key, envelope } = cached({ maxAge: 1000 });
    const message = await envelope.encrypt(pattern(1), { context });
    await envelope.decrypt(message, { context });
    vi.advanceTimersByTime(999);
    await envelope.decrypt(message, { context });
    expect(key.count("unwrap")).toBe(1);
    vi.advanceTimersByTime(1);
    await envelope.decrypt(message, { context });
    expect(key.count("unwrap")).toBe(2);
  });

  it("has a data key replaced in the background while it still serves", async () => {
    const { key, envelope, events } = cached({ maxAge: 1000 });
    const first = await envelope.encrypt(pattern(1), { context });
    vi.advanceTimersByTime(800);
    const second = await envelope.encrypt(pattern(1), { context });
    expect(wrappedOf(second)).toBe(wrappedOf(first));
    await until(() => events.filter(({ type }) => type === "kms-call").length === 2);
    await quiet();
    expect(key.count("generate")).toBe(2);
    expect(events).toContainEqual({ type: "cache", side: "encrypt", outcome: "refresh" });
    const third = await envelope.encrypt(pattern(1), { context });
    expect(wrappedOf(third)).not.toBe(wrappedOf(first));
  });

  it("has one refresh under way at a time, and lets a failing KMS breathe", async () => {
    const { key, envelope } = cached({ maxAge: 1000 });
    await envelope.encrypt(pattern(1), { context });
    key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    vi.advanceTimersByTime(800);
    for (let i = 0; i < 100; i++) {
      await envelope.encrypt(pattern(1), { context });
      await quiet();
    }
    expect(key.count("generate")).toBe(2);
    // A quarter of the time that is left when it is first replaced.
    vi.advanceTimersByTime(50);
    await envelope.encrypt(pattern(1), { context });
    await quiet();
    expect(key.count("generate")).toBe(3);
  });

  it.each([
    ["messages", { maxMessages: 10 }],
    ["bytes", { maxBytes: 1000 }],
  ])("has a data key replaced once it has served four fifths of its %s", async (_, limits) => {
    const { envelope, events } = cached(limits);
    const refreshes = (): number =>
      events.filter((event) => event.type === "cache" && event.outcome === "refresh").length;
    for (let i = 0; i < 7; i++) await envelope.encrypt(pattern(100), { context });
    expect(refreshes()).toBe(0);
    await envelope.encrypt(pattern(100), { context });
    expect(refreshes()).toBe(1);
  });

  it("never lets a data key serve past its end, even if no other can be had", async () => {
    const { key, envelope } = cached({ maxAge: 1000 });
    await envelope.encrypt(pattern(1), { context });
    key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    vi.advanceTimersByTime(999);
    await envelope.encrypt(pattern(1), { context });
    vi.advanceTimersByTime(1);
    await refuses("ERR_ENVELOPE_KMS_UNAVAILABLE", () => envelope.encrypt(pattern(1), { context }));
  });
});

describe("separation", () => {
  it("two envelopes share nothing", async () => {
    const key = new StubKey("one");
    const make = (): Envelope => new Envelope({ cmks: [key.cmk], dataKeyCache: generous });
    await make().encrypt(pattern(1), { context });
    await make().encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(2);
  });

  it("what was encrypted here is not decrypted without the KMS's word", async () => {
    const { key, envelope } = cached();
    const message = await envelope.encrypt(pattern(1), { context });
    key.fails = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    await refuses("ERR_ENVELOPE_KMS_ACCESS_DENIED", () => envelope.decrypt(message, { context }));
  });

  it("a data key unwrapped for one context does not open for another", async () => {
    const { key, envelope } = cached();
    const message = await envelope.encrypt(pattern(1), { context });
    await envelope.decrypt(message, { context });
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      envelope.decrypt(message, { context: { tenant: "evil" } }),
    );
    expect(key.count("unwrap")).toBe(2);
  });

  it("a held data key that is another message's makes way for the next held one", async () => {
    const one = new StubKey("one");
    const two = new StubKey("two");
    const writer = new Envelope({ cmks: [one.cmk, two.cmk] });
    const message = await writer.encrypt(pattern(9), { context });
    const other = await writer.encrypt(pattern(9), { context });
    // The first entry is swapped: it opens, and is not this message's key.
    const own = inspect(message).entries?.slice(1) ?? [];
    const foreign = inspect(other).entries?.slice(0, 1) ?? [];
    const header = parseHeader(message);
    const mixed = concat(
      message.subarray(0, header.keyBlockOffset),
      encodeKeyBlock([...foreign, ...own]),
      message.subarray(header.length),
    );
    const reader = new Envelope({ cmks: [one.cmk, two.cmk], dataKeyCache: generous });
    expect(await reader.decrypt(mixed, { context })).toEqual(pattern(9));
    one.calls.length = two.calls.length = 0;
    expect(await reader.decrypt(mixed, { context })).toEqual(pattern(9));
    expect([...one.calls, ...two.calls]).toEqual([]);
  });

  it("a wrong aad does not spoil the cached data key", async () => {
    const { key, envelope } = cached();
    const message = await envelope.encrypt(pattern(1), { context });
    const aad = Uint8Array.of(1);
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.decrypt(message, { context, aad }));
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(1));
    expect(key.count("unwrap")).toBe(1);
  });

  it("clearing drops the data keys of both sides", async () => {
    const { key, envelope } = cached();
    const message = await envelope.encrypt(pattern(1), { context });
    await envelope.decrypt(message, { context });
    envelope.clearDataKeyCache();
    await envelope.decrypt(message, { context });
    await envelope.encrypt(pattern(1), { context });
    expect([key.count("generate"), key.count("unwrap")]).toEqual([2, 2]);
  });

  it("clearing also drops data keys that are being fetched", async () => {
    const { key, envelope } = cached();
    await envelope.encrypt(pattern(1), { context });
    envelope.clearDataKeyCache();
    let open = (): void => undefined;
    key.gate = new Promise((resolve) => {
      open = resolve;
    });
    const under = envelope.encrypt(pattern(1), { context });
    await quiet();
    envelope.clearDataKeyCache();
    open();
    await under;
    await envelope.encrypt(pattern(1), { context });
    expect(key.count("generate")).toBe(3);
  });
});
