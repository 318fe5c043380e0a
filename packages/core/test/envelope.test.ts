import { inspect as show } from "node:util";
import { runInNewContext } from "node:vm";
import {
  attachKeyBlock,
  Cmk,
  detachKeyBlock,
  Envelope,
  fromHeader,
  inspect,
  type EnvelopeEvent,
} from "@env/core";
import { boundaryLengths, pattern } from "@env/testkit/bytes";
import { describe, expect, it, vi } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { pump } from "./support/pump.ts";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme", purpose: "invoice" };

function operationsOf(events: readonly EnvelopeEvent[]): string[] {
  return events.flatMap((event) => (event.type === "kms-call" ? [event.operation] : []));
}

function single(options: ConstructorParameters<typeof StubKey>[1] = {}): {
  key: StubKey;
  envelope: Envelope;
} {
  const key = new StubKey("one", options);
  return { key, envelope: new Envelope({ cmks: [key.cmk] }) };
}

describe("encrypt and decrypt", () => {
  it.each(boundaryLengths)("brings %d bytes back", async (length) => {
    const { envelope } = single();
    const plaintext = pattern(length);
    const message = await envelope.encrypt(plaintext, { context });
    expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
    expect(inspect(message).plaintextBytes).toBe(length);
  });

  it("needs no generate of the driver", async () => {
    const { key, envelope } = single({ withoutGenerate: true });
    const message = await envelope.encrypt(pattern(10), { context });
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(10));
    expect(key.calls).toEqual(["wrap", "unwrap"]);
  });

  it("makes two different messages of equal arguments", async () => {
    const { envelope } = single();
    const [a, b] = await Promise.all([1, 2].map(() => envelope.encrypt(pattern(9), { context })));
    expect(a).not.toEqual(b);
  });

  // Requirements: E2
  it("begins with the fixed fields, and the flag of a stored context", async () => {
    const { envelope } = single();
    const preamble = async (storeContext: boolean): Promise<string> => {
      const message = await envelope.encrypt(pattern(9), { context, storeContext });
      return Buffer.from(message).toString("hex", 0, 8);
    };
    expect(await preamble(false)).toBe("8e454e5601010000");
    expect(await preamble(true)).toBe("8e454e5601010100");
  });

  // Requirements: E16
  it("has a fresh salt in each message, also under one data key", async () => {
    const key = new StubKey("one");
    const dataKeyCache = { maxAge: 60_000, maxMessages: 100, maxBytes: 2 ** 20 };
    const envelope = new Envelope({ cmks: [key.cmk], dataKeyCache });
    const salts = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const message = await envelope.encrypt(pattern(9), { context });
      const { headerBytes } = inspect(message);
      salts.add(Buffer.from(message).toString("hex", headerBytes, headerBytes + 24));
    }
    expect(key.calls).toEqual(["generate"]);
    expect(salts.size).toBe(20);
    // None of the 24 bytes is fixed.
    for (let at = 0; at < 48; at += 2) {
      expect(new Set([...salts].map((salt) => salt.slice(at, at + 2))).size).toBeGreaterThan(1);
    }
  });

  // Requirements: E28
  it.each(["salt", "nonce", "baseNonce", "dataKey", "suite"])(
    "does not let a caller set the %s",
    async (name) => {
      const { key, envelope } = single();
      const options = { context, [name]: new Uint8Array(32) };
      await expect(envelope.encrypt(pattern(3), options)).rejects.toThrow(/unknown option/);
      await expect(envelope.encryptText("x", options)).rejects.toThrow(/unknown option/);
      expect(() => envelope.encryptStream(options)).toThrow(/unknown option/);
      expect(key.calls).toEqual([]);
    },
  );

  it("takes the context in any order", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    const other = { purpose: "invoice", tenant: "acme" };
    expect(await envelope.decrypt(message, { context: other })).toEqual(pattern(3));
  });

  // Requirements: E21
  it("refuses another context with ERR_ENVELOPE_DECRYPT and tells what the CMK answered", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    const error = await refuses("ERR_ENVELOPE_DECRYPT", () =>
      envelope.decrypt(message, { context: { ...context, tenant: "evil" } }),
    );
    expect(error.attempts).toEqual([
      { provider: "stub", keyId: "one", code: "ERR_ENVELOPE_KMS_REJECTED" },
    ]);
  });

  it("binds the context in the derivation too, so a KMS that lets it change gains nothing", async () => {
    const key = new StubKey("one");
    // A KMS whose wrapped key was moved to another context (AWS ReEncrypt may): ignore the AAD.
    const lax = new Cmk({
      ...key.driver,
      wrap: (request) =>
        key.driver.wrap({ ...request, context: { map: {}, bytes: new Uint8Array(0) } }),
      unwrap: (request) =>
        key.driver.unwrap({ ...request, context: { map: {}, bytes: new Uint8Array(0) } }),
      generate: undefined as never,
    });
    const envelope = new Envelope({ cmks: [lax] });
    const message = await envelope.encrypt(pattern(3), { context });
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(3));
    const error = await refuses("ERR_ENVELOPE_DECRYPT", () =>
      envelope.decrypt(message, { context: { tenant: "evil" } }),
    );
    expect(error.attempts).toEqual([
      { provider: "stub", keyId: "one", code: "ERR_ENVELOPE_DECRYPT" },
    ]);
  });

  it.each([
    ["other bytes", Uint8Array.of(2)],
    ["none", undefined],
    ["a record", { id: "7" }],
  ])("refuses %s as aad", async (_, aad) => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, aad: Uint8Array.of(1) });
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.decrypt(message, { context, aad }));
  });

  it("takes a record as aad, in any order", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, aad: { table: "t", id: "7" } });
    const aad = { id: "7", table: "t" };
    expect(await envelope.decrypt(message, { context, aad })).toEqual(pattern(3));
  });

  it("refuses any flipped bit of the preamble, the wrapped key and the payload", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(5), { context });
    const { headerBytes } = inspect(message);
    for (let i = 0; i < message.length; i++) {
      const altered = message.slice();
      altered[i] = (altered[i] ?? 0) ^ 1;
      const outcome = await envelope.decrypt(altered, { context }).then(
        () => "accepted",
        (error: { code: string }) => error.code,
      );
      const allowed = [
        "ERR_ENVELOPE_FORMAT",
        "ERR_ENVELOPE_UNSUPPORTED",
        "ERR_ENVELOPE_TRUNCATED",
        "ERR_ENVELOPE_NO_KEY",
        "ERR_ENVELOPE_DECRYPT",
      ];
      expect(allowed, `byte ${i} of ${headerBytes} + payload`).toContain(outcome);
      if (i >= headerBytes) expect(outcome).toBe("ERR_ENVELOPE_DECRYPT");
    }
  });

  it.each([
    "tenant=acme",
    ["tenant"],
    new Map([["tenant", "acme"]]),
    new (class Tenant {
      readonly tenant = "acme";
    })(),
  ])("is a TypeError to pass %j as the context, before any KMS call", async (bad) => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    key.calls.length = 0;
    const wrong = { context: bad as never };
    await expect(envelope.encrypt(pattern(3), wrong)).rejects.toThrow(TypeError);
    await expect(envelope.decrypt(message, wrong)).rejects.toThrow(TypeError);
    expect(() => envelope.encryptStream(wrong)).toThrow(TypeError);
    expect(() => envelope.for(bad as never)).toThrow(TypeError);
    expect(key.calls).toEqual([]);
  });

  it.each([
    { aad: "x" },
    { aad: 7 },
    { keyBlock: "x" },
    { storeContext: "yes" },
    { headerAlignment: "4096" },
    { from: "cmk" },
    { from: [{}] },
    { contxt: {} },
  ])("is a TypeError to pass an option of another type or name: %j", async (wrong) => {
    const { envelope } = single();
    const options = { context, ...wrong } as never;
    const { message, keyBlock: _ } = detachKeyBlock(
      await envelope.encrypt(pattern(3), { context }),
    );
    const calls = [
      "aad" in wrong || "storeContext" in wrong || "headerAlignment" in wrong
        ? envelope.encrypt(pattern(3), options)
        : "from" in wrong
          ? envelope.rewrap(message, options)
          : envelope.decrypt(message, options),
    ];
    for (const call of calls) await expect(call).rejects.toThrow(TypeError);
  });

  it.each([{ n: 1 }, { "env:x": "1" }, { "": "x" }, { a: "\uD800" }])(
    "refuses the context %j before any KMS call",
    async (bad) => {
      const { key, envelope } = single();
      const message = await envelope.encrypt(pattern(3), { context });
      key.calls.length = 0;
      const wrong = { context: bad as never };
      await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => envelope.encrypt(pattern(3), wrong));
      await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => envelope.decrypt(message, wrong));
      expect(key.calls).toEqual([]);
    },
  );

  it("reads the aad before the KMS is called: changing it meanwhile changes nothing", async () => {
    const { key, envelope } = single();
    let open = (): void => undefined;
    key.gate = new Promise((resolve) => {
      open = resolve;
    });
    const aad = Uint8Array.of(1);
    const encrypting = envelope.encrypt(pattern(3), { context, aad });
    aad[0] = 2;
    open();
    const message = await encrypting;
    expect(await envelope.decrypt(message, { context, aad: Uint8Array.of(1) })).toEqual(pattern(3));
  });

  it("takes another realm's Uint8Array", async () => {
    const { envelope } = single();
    const foreign = runInNewContext("new Uint8Array([1, 2, 3])") as Uint8Array;
    const message = await envelope.encrypt(foreign, { context, aad: foreign });
    const aad = Uint8Array.of(1, 2, 3);
    expect(await envelope.decrypt(message, { context, aad })).toEqual(aad);
  });

  it.each(["ERR_ENVELOPE_KMS_KEY_STATE", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"] as const)(
    "has a code of its own where the key that could open a message is disabled or gone: %s",
    async (code) => {
      const { key, envelope } = single();
      const message = await envelope.encrypt(pattern(3), { context });
      key.fails = code;
      const error = await refuses("ERR_ENVELOPE_KEY_UNUSABLE", () =>
        envelope.decrypt(message, { context }),
      );
      expect(error.message).toMatch(/disabled, pending deletion or gone/);
      expect(error.attempts).toEqual([{ provider: "stub", keyId: "one", code }]);
    },
  );

  it("does not close CMKs that were passed in: two Envelopes may share one", async () => {
    const { key, envelope } = single();
    const other = new Envelope({ cmks: [key.cmk] });
    const message = await envelope.encrypt(pattern(3), { context });
    await envelope.close();
    expect(await other.decrypt(message, { context })).toEqual(pattern(3));
  });

  it("refuses every call after close(), and may be closed twice", async () => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    const streams = [envelope.encryptStream({ context }), envelope.decryptStream({ context })];
    await envelope.close();
    await envelope[Symbol.asyncDispose]();
    key.calls.length = 0;
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.encrypt(pattern(3), { context }));
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.decrypt(message, { context }));
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.rewrap(message, { context }));
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.fields({ context }));
    for (const stream of streams) {
      const { error } = await pump(stream, [message]);
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
    }
    expect(key.calls).toEqual([]);
  });

  it("says that a CMK is closed", async () => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    await key.cmk.close();
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.decrypt(message, { context }));
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.encrypt(pattern(3), { context }));
    await refuses("ERR_ENVELOPE_CLOSED", () => envelope.rewrap(message, { context }));
  });

  it("is a TypeError to misspell an option or to pass a string as bytes", async () => {
    const { envelope } = single();
    const misspelt = { context, addd: Uint8Array.of(1) } as never;
    await expect(envelope.encrypt(pattern(1), misspelt)).rejects.toThrow(TypeError);
    await expect(envelope.decrypt(pattern(1), misspelt)).rejects.toThrow(/unknown option "addd"/);
    await expect(envelope.encrypt("text" as never, { context })).rejects.toThrow(TypeError);
  });

  it("stops waiting for the KMS when the signal aborts, with the signal's reason", async () => {
    const { key, envelope } = single();
    key.gate = new Promise(() => undefined);
    const abort = new AbortController();
    const reason = new Error("enough");
    const promise = envelope.encrypt(pattern(1), { context, signal: abort.signal });
    abort.abort(reason);
    await expect(promise).rejects.toBe(reason);
    await expect(envelope.encrypt(pattern(1), { context, signal: abort.signal })).rejects.toBe(
      reason,
    );
    expect(key.calls).toEqual(["generate"]);
  });
});

describe("stored context", () => {
  // Requirements: E18
  it("is used only on the reader's word", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, storeContext: true });
    expect(inspect(message).storedContext).toEqual(context);
    const opted = { context: fromHeader({ require: { tenant: "acme" } }) };
    expect(await envelope.decrypt(message, opted)).toEqual(pattern(3));
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(3));
  });

  // Requirements: E18
  it("must have each required pair, before any KMS call", async () => {
    const { key, envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, storeContext: true });
    key.calls.length = 0;
    for (const require of [{ tenant: "evil" }, { missing: "x" }, { toString: "x" }]) {
      await refuses("ERR_ENVELOPE_DECRYPT", () =>
        envelope.decrypt(message, { context: fromHeader({ require }) }),
      );
    }
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.decrypt(message, { context: {} }));
    expect(key.calls).toEqual([]);
  });

  it("cannot be used where none is stored", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context });
    const opted = { context: fromHeader({ require: {} }) };
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () => envelope.decrypt(message, opted));
  });

  it("is not impersonated by a map that looks like fromHeader's result", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, storeContext: true });
    const forged = { require: "x" };
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.decrypt(message, { context: forged }));
  });
});

describe("several CMKs", () => {
  const three = (): StubKey[] => ["a", "b", "c"].map((id) => new StubKey(id));
  const cmks = (keys: readonly StubKey[]): Cmk[] => keys.map(({ cmk }) => cmk);

  it("generates with the first, wraps with the others, and opens with any", async () => {
    const keys = three();
    const message = await new Envelope({ cmks: cmks(keys) }).encrypt(pattern(3), { context });
    expect(keys.map(({ calls }) => calls)).toEqual([["generate"], ["wrap"], ["wrap"]]);
    for (const key of keys) {
      const reader = new Envelope({ cmks: [key.cmk] });
      expect(await reader.decrypt(message, { context })).toEqual(pattern(3));
    }
  });

  // Requirements: E19
  it("tries in the reader's order, one call per CMK, until one fits", async () => {
    const keys = three();
    const message = await new Envelope({ cmks: cmks(keys) }).encrypt(pattern(3), { context });
    for (const key of keys) key.calls.length = 0;
    const [a, b, c] = keys;
    if (!a || !b || !c) throw new Error("three keys");
    c.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    const reader = new Envelope({ cmks: cmks([c, a, b]) });
    expect(await reader.decrypt(message, { context })).toEqual(pattern(3));
    expect([c.calls, a.calls, b.calls]).toEqual([["unwrap"], ["unwrap"], []]);
  });

  // Requirements: E19
  it("calls a CMK once, however many entries it goes by", async () => {
    const message = await new Envelope({ cmks: cmks(three()) }).encrypt(pattern(3), { context });
    const key = new StubKey("one");
    const reader = new Envelope({ cmks: [new Cmk({ ...key.driver, matches: () => true })] });
    await refuses("ERR_ENVELOPE_DECRYPT", () => reader.decrypt(message, { context }));
    expect(key.calls).toEqual(["unwrap"]);
  });

  // Requirements: E25
  it("says ERR_ENVELOPE_NO_KEY, and which keys the message names, where no CMK is one of them", async () => {
    const message = await new Envelope({ cmks: cmks(three()) }).encrypt(pattern(3), { context });
    const other = new StubKey("other");
    const error = await refuses("ERR_ENVELOPE_NO_KEY", () =>
      new Envelope({ cmks: [other.cmk] }).decrypt(message, { context }),
    );
    expect(error.message).toContain("stub a, stub b, stub c");
    expect(other.calls).toEqual([]);
  });

  // Requirements: E21
  it.each([
    [["ERR_ENVELOPE_KMS_REJECTED", "ERR_ENVELOPE_KMS_KEY_STATE"], "ERR_ENVELOPE_KEY_UNUSABLE"],
    [["ERR_ENVELOPE_KMS_REJECTED", "ERR_ENVELOPE_KMS_ERROR"], "ERR_ENVELOPE_KMS_ERROR"],
    [
      ["ERR_ENVELOPE_KMS_ERROR", "ERR_ENVELOPE_KMS_ACCESS_DENIED"],
      "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    ],
    [
      ["ERR_ENVELOPE_KMS_ACCESS_DENIED", "ERR_ENVELOPE_KMS_THROTTLED"],
      "ERR_ENVELOPE_KMS_UNAVAILABLE",
    ],
    [
      ["ERR_ENVELOPE_KMS_UNAVAILABLE", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"],
      "ERR_ENVELOPE_KMS_UNAVAILABLE",
    ],
  ] as const)("of %j makes %s, with a line for each", async (codes, expected) => {
    const keys = [new StubKey("a"), new StubKey("b")];
    const envelope = new Envelope({ cmks: cmks(keys) });
    const message = await envelope.encrypt(pattern(3), { context });
    for (const [i, key] of keys.entries()) key.fails = codes[i];
    const error = await refuses(expected, () => envelope.decrypt(message, { context }));
    expect(error.attempts.map(({ code }) => code)).toEqual(codes);
    expect(error.retryable).toBe(expected === "ERR_ENVELOPE_KMS_UNAVAILABLE");
  });

  // Requirements: E26
  it("writes nothing unless all wrap", async () => {
    const keys = three();
    const [, b] = keys;
    if (b) b.fails = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    const error = await refuses("ERR_ENVELOPE_KMS_ACCESS_DENIED", () =>
      new Envelope({ cmks: cmks(keys) }).encrypt(pattern(3), { context }),
    );
    expect(error.attempts).toEqual([
      { provider: "stub", keyId: "b", code: "ERR_ENVELOPE_KMS_ACCESS_DENIED" },
    ]);
  });

  // Requirements: E26
  it.each([0, 1, 2])("is content with minWrapped where CMK %d fails", async (failing) => {
    const keys = three();
    const key = keys[failing];
    if (key) key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    const envelope = new Envelope({ cmks: cmks(keys), minWrapped: 2 });
    const message = await envelope.encrypt(pattern(3), { context });
    expect(inspect(message).entries?.map(({ keyId }) => keyId)).toEqual(
      ["a", "b", "c"].filter((_, i) => i !== failing),
    );
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(3));
  });

  it("fails with all attempts where fewer than minWrapped wrap", async () => {
    const keys = three();
    for (const key of keys.slice(1)) key.fails = "ERR_ENVELOPE_KMS_KEY_STATE";
    const error = await refuses("ERR_ENVELOPE_KMS_KEY_STATE", () =>
      new Envelope({ cmks: cmks(keys), minWrapped: 2 }).encrypt(pattern(3), { context }),
    );
    expect(error.attempts).toHaveLength(2);
  });

  it("names each that failed to wrap, not the first alone", async () => {
    const keys = three();
    for (const key of keys.slice(1)) key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    const error = await refuses("ERR_ENVELOPE_KMS_UNAVAILABLE", () =>
      new Envelope({ cmks: cmks(keys) }).encrypt(pattern(3), { context }),
    );
    expect(error.attempts.map(({ keyId }) => keyId)).toEqual(["b", "c"]);
  });

  // Requirements: E29
  it("refuses two CMKs that turn out to be one key", async () => {
    const key = new StubKey("canonical");
    const alias = (name: string): Cmk => new Cmk({ ...key.driver, keyId: name });
    const envelope = new Envelope({ cmks: [alias("alias/x"), alias("alias/y")] });
    await refuses("ERR_ENVELOPE_CONFIG", () => envelope.encrypt(pattern(1), { context }));
  });

  it("takes two keys that have one alias, as in two regions", async () => {
    const keys = [new StubKey("one"), new StubKey("two")];
    const byAlias = keys.map((key) => {
      const matches = (label: string): boolean => label === key.driver.keyId;
      return new Cmk({ ...key.driver, keyId: "alias/app", matches });
    });
    const envelope = new Envelope({ cmks: byAlias });
    const message = await envelope.encrypt(pattern(3), { context });
    expect(inspect(message).entries?.map(({ keyId }) => keyId)).toEqual(["one", "two"]);
    for (const key of keys) {
      const reader = new Envelope({ cmks: [key.cmk] });
      expect(await reader.decrypt(message, { context })).toEqual(pattern(3));
    }
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(3));
  });

  // Requirements: E27, E29
  it("refuses what cannot work when it is made", () => {
    const [a] = cmks(three());
    if (!a) throw new Error("a key");
    expect(() => new Envelope({ cmks: [] })).toThrow(RangeError);
    expect(() => new Envelope({ cmks: [a, a] })).toThrow(TypeError);
    expect(() => new Envelope({ cmks: [{}] as never })).toThrow(TypeError);
    expect(() => new Envelope({ cmks: [a], minWrapped: 2 })).toThrow(RangeError);
    expect(() => new Envelope({ cmks: [a], minWrapped: 0 })).toThrow(RangeError);
    expect(() => new Envelope({ cmks: [a], cache: {} } as never)).toThrow(/unknown option "cache"/);
    const many = Array.from({ length: 17 }, (_, i) => new StubKey(`k${i}`).cmk);
    expect(() => new Envelope({ cmks: many })).toThrow(RangeError);
    const dataKeyCache = { maxAge: 0, maxMessages: 1, maxBytes: 1 };
    expect(() => new Envelope({ cmks: [a], dataKeyCache })).toThrow(RangeError);
    const missing = { maxAge: 1 } as never;
    expect(() => new Envelope({ cmks: [a], dataKeyCache: missing })).toThrow(TypeError);
  });

  it("opens with sixteen and finds room for their labels", async () => {
    const many = Array.from({ length: 16 }, (_, i) => new StubKey(`k${i}`.padEnd(512, "x")));
    const envelope = new Envelope({ cmks: cmks(many) });
    const message = await envelope.encrypt(pattern(1), { context });
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(1));
  });
});

describe("text", () => {
  it("brings text back, bound to its place", async () => {
    const { envelope } = single();
    const aad = { table: "cards", column: "pan", id: "42" };
    const text = await envelope.encryptText("4111 \u{1F600}", { context, aad });
    expect(text).toMatch(/^env1\.[A-Za-z0-9_-]+$/);
    expect(await envelope.decryptText(text, { context, aad })).toBe("4111 \u{1F600}");
    await refuses("ERR_ENVELOPE_DECRYPT", () =>
      envelope.decryptText(text, { context, aad: { ...aad, id: "43" } }),
    );
  });

  it("refuses text that UTF-8 cannot carry, and bytes that are no text", async () => {
    const { envelope } = single();
    await expect(envelope.encryptText("\uD800", { context })).rejects.toThrow(TypeError);
    const message = await envelope.encrypt(Uint8Array.of(0xff), { context });
    const { encodeText } = await import("@env/core");
    await refuses("ERR_ENVELOPE_FORMAT", () =>
      envelope.decryptText(encodeText(message), { context }),
    );
  });
});

describe("detached key block", () => {
  it("opens a message whose key block is elsewhere, and only with it", async () => {
    const { envelope } = single();
    const whole = await envelope.encrypt(pattern(3), { context });
    const { message, keyBlock } = detachKeyBlock(whole);
    expect(inspect(message).entries).toBeUndefined();
    expect(await envelope.decrypt(message, { context, keyBlock })).toEqual(pattern(3));
    await refuses("ERR_ENVELOPE_NO_KEY", () => envelope.decrypt(message, { context }));
    await refuses("ERR_ENVELOPE_FORMAT", () => envelope.decrypt(whole, { context, keyBlock }));
    expect(attachKeyBlock(message, keyBlock)).toEqual(whole);
    await refuses("ERR_ENVELOPE_FORMAT", () => attachKeyBlock(whole, keyBlock));
    await refuses("ERR_ENVELOPE_FORMAT", () => detachKeyBlock(message));
  });
});

describe("header alignment", () => {
  it("pads the header to a multiple and still opens", async () => {
    const { envelope } = single();
    const message = await envelope.encrypt(pattern(3), { context, headerAlignment: 4096 });
    expect(inspect(message)).toMatchObject({ headerBytes: 4096, plaintextBytes: 3 });
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(3));
    for (const headerAlignment of [0, 1.5, 16_385]) {
      await expect(envelope.encrypt(pattern(3), { context, headerAlignment })).rejects.toThrow(
        RangeError,
      );
    }
  });
});

describe("events and errors", () => {
  // Requirements: E22
  it("tell calls, sizes and codes, and no secret", async () => {
    const secret = "sentinel-secret-value";
    const key = new StubKey("one");
    const events: EnvelopeEvent[] = [];
    const envelope = new Envelope({
      cmks: [key.cmk],
      observer: (event) => events.push(event),
      dataKeyCache: { maxAge: 1000, maxMessages: 10, maxBytes: 1000 },
    });
    const options = { context: { tenant: secret }, aad: { row: secret } };
    const text = await envelope.encryptText(secret, options);
    await envelope.decryptText(text, options);
    const error = await refuses("ERR_ENVELOPE_DECRYPT", () =>
      envelope.decryptText(text, { ...options, context: { tenant: `${secret}2` } }),
    );
    expect(events.map(({ type }) => type)).toEqual([
      "cache",
      "kms-call",
      "encrypt",
      "cache",
      "kms-call",
      "decrypt",
      "cache",
      "kms-call",
      "decrypt",
    ]);
    expect(events[2]).toMatchObject({
      type: "encrypt",
      bytes: secret.length,
      outcome: "ok",
      crypto: cryptoBackend().name,
    });
    expect(events.at(-1)).toMatchObject({ type: "decrypt", outcome: "ERR_ENVELOPE_DECRYPT" });
    const shown = show([events, error, envelope, key.cmk], { depth: 20, showHidden: true });
    expect(shown).not.toContain(secret);
  });

  it("report one call for each call to a KMS, and none for an alias that the driver remembers", async () => {
    const { driver } = new StubKey("canonical");
    let answer: boolean | Promise<boolean> = true;
    const events: EnvelopeEvent[] = [];
    const envelope = new Envelope({
      cmks: [new Cmk({ ...driver, keyId: "alias", matches: () => answer })],
      observer: (event) => events.push(event),
    });
    const message = await envelope.encrypt(pattern(2), { context });
    await envelope.decrypt(message, { context });
    expect(operationsOf(events)).toEqual(["generate", "unwrap"]);
    answer = Promise.resolve(true);
    await envelope.decrypt(message, { context });
    expect(operationsOf(events)).toEqual(["generate", "unwrap", "matches", "unwrap"]);
  });

  it("tell one question about an alias, however many decryptions wait for its answer", async () => {
    const { driver } = new StubKey("canonical");
    let answer: ((own: boolean) => void) | undefined;
    const asked: string[] = [];
    const events: EnvelopeEvent[] = [];
    const cmk = new Cmk({
      ...driver,
      keyId: "alias",
      matches(label) {
        asked.push(label);
        return new Promise<boolean>((resolve) => (answer = resolve));
      },
    });
    const envelope = new Envelope({ cmks: [cmk], observer: (event) => events.push(event) });
    const message = await envelope.encrypt(pattern(2), { context });
    const opening = Array.from({ length: 100 }, () => envelope.decrypt(message, { context }));
    await new Promise((resolve) => setImmediate(resolve));
    answer?.(true);
    await Promise.all(opening);
    expect(asked).toEqual(["canonical"]);
    expect(operationsOf(events).filter((operation) => operation === "matches")).toHaveLength(1);
  });

  it("tell how many of the CMKs wrapped, in every way of writing", async () => {
    const keys = [new StubKey("one"), new StubKey("two")] as const;
    const events: EnvelopeEvent[] = [];
    const envelope = new Envelope({
      cmks: keys.map(({ cmk }) => cmk),
      minWrapped: 1,
      observer: (event) => events.push(event),
    });
    keys[0].fails = "ERR_ENVELOPE_KMS_KEY_STATE";
    const message = await envelope.encrypt(pattern(2), { context });
    await pump(envelope.encryptStream({ context }), [pattern(9)]);
    keys[0].fails = undefined;
    const result = await envelope.rewrap(message, { context });
    expect(result).toMatchObject({ wrapped: 2, cmks: 2 });
    expect(events.filter(({ type }) => type === "encrypt" || type === "rewrap")).toMatchObject([
      { type: "encrypt", outcome: "ok", wrapped: 1, cmks: 2 },
      { type: "encrypt", outcome: "ok", wrapped: 1, cmks: 2 },
      { type: "rewrap", outcome: "ok", wrapped: 2, cmks: 2 },
    ]);
  });

  it("warn once where nobody observes that fewer CMKs wrapped than configured", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const keys = [new StubKey("one"), new StubKey("two")] as const;
    const cmks = keys.map(({ cmk }) => cmk);
    const envelope = new Envelope({ cmks, minWrapped: 1 });
    try {
      await envelope.encrypt(pattern(2), { context });
      expect(warn).not.toHaveBeenCalled();
      keys[1].fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
      await envelope.encrypt(pattern(2), { context });
      await envelope.encrypt(pattern(2), { context });
      await new Envelope({ cmks, minWrapped: 1, observer: () => undefined }).encrypt(pattern(2), {
        context,
      });
      expect(warn.mock.calls).toEqual([
        [
          expect.stringContaining("1 of 2 CMKs"),
          { type: "EnvelopeWarning", code: "ENVELOPE_FEWER_WRAPPED" },
        ],
      ]);
    } finally {
      warn.mockRestore();
    }
  });

  it("survive an observer that throws", async () => {
    const key = new StubKey("one");
    const envelope = new Envelope({
      cmks: [key.cmk],
      observer() {
        throw new Error("watching must not matter");
      },
    });
    const message = await envelope.encrypt(pattern(2), { context });
    expect(await envelope.decrypt(message, { context })).toEqual(pattern(2));
  });
});
