import { inspect as show } from "node:util";
import { Cmk, DataKey, type Entry, type EnvelopeEvent } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };

function broken(change: Partial<CmkDriver>): Cmk {
  return new Cmk({ ...new StubKey("one").driver, ...change });
}

describe("Cmk", () => {
  it("generates, wraps and unwraps the same data key", async () => {
    const { cmk } = new StubKey("one");
    const { dataKey, entry } = await cmk.generateDataKey({ context });
    const again = await cmk.wrapDataKey(dataKey, { context });
    using a = await cmk.unwrapDataKey(entry, { context });
    using b = await cmk.unwrapDataKey(again.entry, { context });
    expect(a.equals(dataKey) && b.equals(dataKey)).toBe(true);
    expect(again).toMatchObject({ keyVersion: "1", entry: { provider: "stub", keyId: "one" } });
  });

  it("holds data keys in buffers of their own and wipes the driver's", async () => {
    const pool = new Uint8Array(1000);
    const plaintext = pool.subarray(100, 132).fill(7);
    const cmk = broken({ unwrap: () => Promise.resolve({ plaintext }) });
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(10) };
    const dataKey = await cmk.unwrapDataKey(entry, { context });
    expect(plaintext).toEqual(new Uint8Array(32));
    const held = dataKey.use((bytes) => bytes);
    expect(held.buffer.byteLength).toBe(32);
    dataKey[Symbol.dispose]();
    expect(held).toEqual(new Uint8Array(32));
  });

  it("lends the driver a copy of the data key, wiped after the call", async () => {
    let seen: Uint8Array | undefined;
    const { driver } = new StubKey("one");
    const cmk = broken({
      wrap: (request) => {
        seen = request.plaintext;
        return driver.wrap(request);
      },
    });
    const dataKey = new DataKey(pattern(32));
    await cmk.wrapDataKey(dataKey, { context });
    expect(seen).toEqual(new Uint8Array(32));
    expect(dataKey.use((bytes) => bytes)).toEqual(pattern(32));
  });

  it("wipes a plaintext that comes after the caller has gone", async () => {
    const plaintext = pattern(32);
    let answer: (late: { plaintext: typeof plaintext }) => void = () => undefined;
    const cmk = broken({ unwrap: () => new Promise((resolve) => (answer = resolve)) });
    const abort = new AbortController();
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(10) };
    const call = cmk.unwrapDataKey(entry, { context, signal: abort.signal });
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("gone"));
    await expect(call).rejects.toThrow("gone");
    answer({ plaintext });
    await new Promise((resolve) => setImmediate(resolve));
    expect(plaintext).toEqual(new Uint8Array(32));
  });

  it.each<[string, Partial<CmkDriver>, string]>([
    [
      "an empty wrapped key",
      { generate: async () => ({ plaintext: pattern(32), wrapped: pattern(0), keyId: "k" }) },
      "1 to 4096",
    ],
    [
      "a wrapped key of 4097 bytes",
      { generate: async () => ({ plaintext: pattern(32), wrapped: pattern(4097), keyId: "k" }) },
      "1 to 4096",
    ],
    [
      "an empty key id",
      { generate: async () => ({ plaintext: pattern(32), wrapped: pattern(9), keyId: "" }) },
      "names the key",
    ],
    [
      "a key id with a newline",
      { generate: async () => ({ plaintext: pattern(32), wrapped: pattern(9), keyId: "a\nb" }) },
      "names the key",
    ],
    [
      "a data key of 16 bytes",
      { generate: async () => ({ plaintext: pattern(16), wrapped: pattern(9), keyId: "k" }) },
      "32 bytes",
    ],
    [
      "no bytes at all",
      { generate: async () => ({ plaintext: "x" as never, wrapped: pattern(9), keyId: "k" }) },
      "Uint8Array",
    ],
    [
      "a failure it does not name",
      { generate: () => Promise.reject(new Error("x")), classify: () => "nonsense" as never },
      "classify",
    ],
  ])("calls a driver that answers %s broken", async (_, change, clause) => {
    const error = await refuses("ERR_ENVELOPE_DRIVER", () =>
      broken(change).generateDataKey({ context }),
    );
    expect(error.message).toContain(clause);
  });

  // Requirements: E15
  it("takes an unwrapped 16 bytes for somebody else's, not for a broken driver", async () => {
    const cmk = broken({ unwrap: async () => ({ plaintext: pattern(16) }) });
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(10) };
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () => cmk.unwrapDataKey(entry, { context }));
  });

  // Requirements: E7, E25
  it("calls only configured keys, whatever an entry says", async () => {
    const called: string[] = [];
    const { driver } = new StubKey("own");
    const spy: CmkDriver = {
      ...driver,
      matches: (label) => label === "canonical",
      unwrap: (request) => {
        called.push(request.keyId);
        return driver.unwrap(request);
      },
    };
    const cmk = new Cmk(spy, { alsoUnwrap: ["old"] });
    const { entry } = await cmk.generateDataKey({ context });
    for (const keyId of ["own", "old", "canonical"]) {
      await cmk.unwrapDataKey({ ...entry, keyId }, { context });
    }
    expect(called).toEqual(["own", "old", "own"]);
    await refuses("ERR_ENVELOPE_NO_KEY", () =>
      cmk.unwrapDataKey({ ...entry, keyId: "evil" }, { context }),
    );
    await refuses("ERR_ENVELOPE_NO_KEY", () =>
      cmk.unwrapDataKey({ ...entry, provider: "evil" }, { context }),
    );
    expect(called).toHaveLength(3);
  });

  it("keeps the driver's error as cause, once, with one attempt", async () => {
    const key = new StubKey("one");
    key.fails = "ERR_ENVELOPE_KMS_THROTTLED";
    const error = await refuses("ERR_ENVELOPE_KMS_THROTTLED", () =>
      key.cmk.generateDataKey({ context }),
    );
    expect(error.cause).toMatchObject({ name: "MemoryKmsError" });
    expect(error).toMatchObject({
      retryable: true,
      attempts: [{ provider: "stub", keyId: "one", code: "ERR_ENVELOPE_KMS_THROTTLED" }],
    });
  });

  it("survives a Buffer as data key or wrapped key: its slices are views", async () => {
    const { cmk, driver } = new StubKey("one");
    const dataKey = new DataKey(Buffer.from(pattern(32)));
    const { entry } = await cmk.wrapDataKey(dataKey, { context });
    expect(dataKey.use((bytes) => [...bytes])).toEqual([...pattern(32)]);
    const greedy = new Cmk({
      ...driver,
      async unwrap(request) {
        const answer = await driver.unwrap(request);
        request.wrapped.fill(0);
        return answer;
      },
    });
    const wrapped = Buffer.from(entry.wrapped) as never;
    using again = await greedy.unwrapDataKey({ ...entry, wrapped }, { context });
    expect(again.equals(dataKey)).toBe(true);
    expect(Buffer.compare(wrapped, entry.wrapped)).toBe(0);
  });

  it("copies what a driver answers, which may reuse its buffer", async () => {
    const shared = pattern(50);
    const cmk = broken({ wrap: async () => ({ wrapped: shared, keyId: "one" }) });
    const { entry } = await cmk.wrapDataKey(new DataKey(pattern(32)), { context });
    shared.fill(0);
    expect(entry.wrapped).toEqual(pattern(50));
  });

  it.each<[string, Entry]>([
    ["an empty wrapped key", { provider: "stub", keyId: "one", wrapped: pattern(0) }],
    ["5000 bytes", { provider: "stub", keyId: "one", wrapped: pattern(5000) }],
    ["a string", { provider: "stub", keyId: "one", wrapped: "x" as never }],
    ["a control character", { provider: "stub", keyId: "\u001B[2J", wrapped: pattern(9) }],
    ["nothing", undefined as never],
  ])("takes an entry with %s for misuse, before the driver sees it", async (_, entry) => {
    const key = new StubKey("one");
    await expect(key.cmk.unwrapDataKey(entry, { context })).rejects.toThrow(TypeError);
    await expect(key.cmk.rewrapEntry(entry, { context })).rejects.toThrow(TypeError);
    expect(key.calls).toEqual([]);
  });

  it("survives a driver whose late answer is invalid, and a driver whose classify throws", async () => {
    let answer: (late: never) => void = () => undefined;
    const late = broken({ unwrap: () => new Promise((resolve) => (answer = resolve)) });
    const abort = new AbortController();
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(10) };
    const call = late.unwrapDataKey(entry, { context, signal: abort.signal });
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("gone"));
    await expect(call).rejects.toThrow("gone");
    answer(undefined as never);
    await new Promise((resolve) => setImmediate(resolve));

    const cause = new Error("down");
    const events: EnvelopeEvent[] = [];
    const clumsy = broken({
      unwrap: () => Promise.reject(cause),
      classify() {
        throw new TypeError("oops");
      },
    });
    const observer = (event: EnvelopeEvent): void => void events.push(event);
    const error = await refuses("ERR_ENVELOPE_DRIVER", () =>
      clumsy.unwrapDataKey(entry, { context, observer }),
    );
    expect(error.cause).toBe(cause);
    expect(events).toMatchObject([{ type: "kms-call", outcome: "ERR_ENVELOPE_DRIVER" }]);
  });

  it("reports a data key of another length as rejected, also to the observer", async () => {
    const events: EnvelopeEvent[] = [];
    const cmk = broken({ unwrap: async () => ({ plaintext: pattern(16) }) });
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(10) };
    const observer = (event: EnvelopeEvent): void => void events.push(event);
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () =>
      cmk.unwrapDataKey(entry, { context, observer }),
    );
    expect(events).toMatchObject([{ outcome: "ERR_ENVELOPE_KMS_REJECTED" }]);
  });

  it("closes its driver once and refuses calls afterwards", async () => {
    let closed = 0;
    const cmk = broken({
      async close() {
        closed++;
      },
    });
    expect(cmk.close()).toBe(cmk.close());
    await cmk.close();
    expect(closed).toBe(1);
    const entry: Entry = { provider: "stub", keyId: "one", wrapped: pattern(9) };
    await refuses("ERR_ENVELOPE_CLOSED", () => cmk.matches(entry));
    await refuses("ERR_ENVELOPE_CLOSED", () => cmk.generateDataKey({ context }));
  });

  it("refuses a provider or key id the format cannot carry", () => {
    const { driver } = new StubKey("one");
    for (const provider of ["", "Upper", "-x", "a".repeat(33)]) {
      expect(() => new Cmk({ ...driver, provider })).toThrow(TypeError);
    }
    for (const keyId of ["", "a\0", "x".repeat(513), "\uD800"]) {
      expect(() => new Cmk({ ...driver, keyId })).toThrow(TypeError);
      expect(() => new Cmk(driver, { alsoUnwrap: [keyId] })).toThrow(TypeError);
    }
    expect(() => new Cmk(driver, { alsoUnwrap: "abc" as never })).toThrow(TypeError);
    expect(() => new Cmk(driver, { alsoUnwarp: [] } as never)).toThrow(/unknown option/);
  });

  it("reports each call with its outcome and time", async () => {
    const events: EnvelopeEvent[] = [];
    const key = new StubKey("one");
    const observer = (event: EnvelopeEvent): void => void events.push(event);
    await key.cmk.generateDataKey({ context, observer });
    key.fails = "ERR_ENVELOPE_KMS_KEY_STATE";
    await refuses("ERR_ENVELOPE_KMS_KEY_STATE", () =>
      key.cmk.generateDataKey({ context, observer }),
    );
    expect(events).toMatchObject([
      { type: "kms-call", operation: "generate", provider: "stub", keyId: "one", outcome: "ok" },
      { type: "kms-call", operation: "generate", outcome: "ERR_ENVELOPE_KMS_KEY_STATE" },
    ]);
    expect(events.every((event) => "durationMs" in event && event.durationMs >= 0)).toBe(true);
  });
});

describe("DataKey", () => {
  it("shows nothing of itself", () => {
    const dataKey = new DataKey(new Uint8Array(32).fill(0xab));
    const shown = [
      show(dataKey, { showHidden: true, depth: 9 }),
      String(dataKey),
      JSON.stringify({ dataKey }),
    ];
    for (const text of shown) expect(text).not.toMatch(/ab|171/i);
  });

  it("is of no use once disposed", async () => {
    const dataKey = new DataKey(pattern(32));
    dataKey[Symbol.dispose]();
    dataKey[Symbol.dispose]();
    await refuses("ERR_ENVELOPE_CLOSED", () => dataKey.use((bytes) => bytes));
  });

  // Requirements: E15
  it("has 32 bytes", () => {
    expect(() => new DataKey(pattern(31))).toThrow(RangeError);
  });
});
