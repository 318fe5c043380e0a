import { Cmk, Envelope, fromHeader, inspect, detachKeyBlock, encodeText } from "@env/core";
import type { EnvelopeEvent } from "@env/core";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };
const payloadOf = (message: Uint8Array): Uint8Array =>
  message.subarray(inspect(message).headerBytes);

describe("rewrap", () => {
  // Requirements: E31
  it.each([
    [
      "inside the KMS, verified by one more rewrap",
      { withRewrap: true },
      false,
      ["rewrap", "rewrap"],
    ],
    ["in this process, verified by one more unwrap", {}, true, ["unwrap", "wrap", "unwrap"]],
  ] as const)(
    "after a rotation works %s, without aad and payload",
    async (_, options, seen, calls) => {
      const key = new StubKey("one", options);
      const envelope = new Envelope({ cmks: [key.cmk] });
      const aad = Uint8Array.of(7);
      const message = await envelope.encrypt(pattern(99), { context, aad });
      key.rotate();
      key.calls.length = 0;
      const result = await envelope.rewrap(message, { context });
      expect(key.calls).toEqual(calls);
      expect(result).toMatchObject({ changed: true, plaintextSeen: seen, keyBlock: undefined });
      expect(result.entries).toEqual([
        { provider: "stub", keyId: "one", action: "rewrapped", fromVersion: "1", keyVersion: "2" },
      ]);
      expect(payloadOf(result.message)).toEqual(payloadOf(message));
      expect(await envelope.decrypt(result.message, { context, aad })).toEqual(pattern(99));
      const { headerBytes } = inspect(message);
      const header = await envelope.rewrap(message.subarray(0, headerBytes), { context });
      expect(inspect(header.message).payloadBytes).toBe(0);
    },
  );

  it.each([{ withRewrap: true }, {}])(
    "changes nothing where the version is current (%j)",
    async (options) => {
      const key = new StubKey("one", options);
      const envelope = new Envelope({ cmks: [key.cmk] });
      const message = await envelope.encrypt(pattern(9), { context });
      const result = await envelope.rewrap(message, { context });
      expect(result.changed).toBe(false);
      expect(result.message).toEqual(message);
      expect(result.entries).toMatchObject([
        { action: "current", fromVersion: "1", keyVersion: "1" },
      ]);
    },
  );

  it("wraps anew where the KMS tells no versions", async () => {
    const key = new StubKey("one", { withoutVersions: true });
    const envelope = new Envelope({ cmks: [key.cmk] });
    const message = await envelope.encrypt(pattern(9), { context });
    const result = await envelope.rewrap(message, { context });
    expect(result.changed).toBe(true);
    expect(await envelope.decrypt(result.message, { context })).toEqual(pattern(9));
  });

  it("adds CMKs, keeps those of others, and leaves those of `from`", async () => {
    const [a, b, c] = ["a", "b", "c"].map((id) => new StubKey(id));
    if (!a || !b || !c) throw new Error("three keys");
    const message = await new Envelope({ cmks: [a.cmk, b.cmk] }).encrypt(pattern(9), { context });
    const mover = new Envelope({ cmks: [c.cmk] });
    const result = await mover.rewrap(message, { context, from: [a.cmk] });
    expect(result.entries).toEqual([
      {
        provider: "stub",
        keyId: "a",
        action: "removed",
        fromVersion: undefined,
        keyVersion: undefined,
      },
      { provider: "stub", keyId: "c", action: "added", fromVersion: undefined, keyVersion: "1" },
      {
        provider: "stub",
        keyId: "b",
        action: "kept",
        fromVersion: undefined,
        keyVersion: undefined,
      },
    ]);
    expect(result.plaintextSeen).toBe(true);
    expect(await mover.decrypt(result.message, { context })).toEqual(pattern(9));
    expect(await new Envelope({ cmks: [b.cmk] }).decrypt(result.message, { context })).toEqual(
      pattern(9),
    );
    await refuses("ERR_ENVELOPE_NO_KEY", () =>
      new Envelope({ cmks: [a.cmk] }).decrypt(result.message, { context }),
    );
  });

  it("follows an alias to a new key, through alsoUnwrap, and leaves one entry", async () => {
    const old = new StubKey("key-1");
    const next = new StubKey("key-2");
    const message = await new Envelope({ cmks: [old.cmk] }).encrypt(pattern(9), { context });
    const driver = {
      ...next.driver,
      keyId: "alias/app",
      matches: (label: string) => label === "key-2",
      unwrap: (request: Parameters<typeof next.driver.unwrap>[0]) =>
        (request.keyId === "key-1" ? old : next).driver.unwrap(request),
    };
    const moved = new Envelope({ cmks: [new Cmk(driver, { alsoUnwrap: ["key-1"] })] });
    const result = await moved.rewrap(message, { context });
    expect(inspect(result.message).entries?.map(({ keyId }) => keyId)).toEqual(["key-2"]);
    expect(await moved.decrypt(result.message, { context })).toEqual(pattern(9));
  });

  it("asks each CMK once whether an entry is its own, also when another is added", async () => {
    const [old, next] = [new StubKey("old"), new StubKey("next")];
    const asked: string[] = [];
    const alias = (key: StubKey): Cmk =>
      new Cmk({
        ...key.driver,
        keyId: `alias/${key.driver.keyId}`,
        async matches(label) {
          asked.push(`${key.driver.keyId}: ${label}`);
          return label === key.driver.keyId;
        },
      });
    const message = await new Envelope({ cmks: [old.cmk] }).encrypt(pattern(9), { context });
    const both = new Envelope({ cmks: [alias(next), alias(old)] });
    const result = await both.rewrap(message, { context });
    expect(asked).toEqual(["next: old", "old: old"]);
    expect(await new Envelope({ cmks: [next.cmk] }).decrypt(result.message, { context })).toEqual(
      pattern(9),
    );
  });

  it("refuses another context and leaves the message alone", async () => {
    const key = new StubKey("one");
    const envelope = new Envelope({ cmks: [key.cmk] });
    const message = await envelope.encrypt(pattern(9), { context });
    const before = message.slice();
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () =>
      envelope.rewrap(message, { context: { tenant: "x" } }),
    );
    expect(message).toEqual(before);
  });

  it("refuses a message that names none of the CMKs", async () => {
    const message = await new Envelope({ cmks: [new StubKey("a").cmk] }).encrypt(pattern(9), {
      context,
    });
    const other = new Envelope({ cmks: [new StubKey("b").cmk] });
    await refuses("ERR_ENVELOPE_NO_KEY", () => other.rewrap(message, { context }));
  });

  // Requirements: E32
  it("notices a KMS that does not give back what it wrapped, before the old entry is dropped", async () => {
    const key = new StubKey("one");
    const faulty = new Cmk({
      ...key.driver,
      wrap: (request) => key.driver.wrap({ ...request, plaintext: new Uint8Array(32) }),
    });
    const message = await new Envelope({ cmks: [key.cmk] }).encrypt(pattern(9), { context });
    key.rotate();
    await refuses("ERR_ENVELOPE_DRIVER", () =>
      new Envelope({ cmks: [faulty] }).rewrap(message, { context }),
    );
  });

  // Requirements: E32
  it("notices a KMS that rewraps to what does not open, before the old entry is dropped", async () => {
    const key = new StubKey("one", { withRewrap: true });
    const faulty = new Cmk({
      ...key.driver,
      async rewrap(request) {
        const made = await key.driver.rewrap?.(request);
        if (made === undefined) throw new Error("the stub rewraps");
        const altered = made.wrapped.map((byte, i) => (i === 20 ? byte ^ 1 : byte));
        return { ...made, wrapped: altered };
      },
    });
    const message = await new Envelope({ cmks: [key.cmk] }).encrypt(pattern(9), { context });
    key.rotate();
    const envelope = new Envelope({ cmks: [faulty] });
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () => envelope.rewrap(message, { context }));
  });

  // Requirements: E31
  it.each([
    ["from a further key", "old", true, ["decline", "unwrap", "wrap", "unwrap"]],
    ["within its key", "new", false, ["rewrap", "rewrap"]],
  ] as const)(
    "says whether the data key was here, of a KMS that rewraps within one key: %s",
    async (_, from, seen, calls) => {
      const log: string[] = [];
      const keys = { old: new StubKey("old"), new: new StubKey("new", { withRewrap: true }) };
      const { driver } = keys.new;
      const cmk = new Cmk(
        {
          ...driver,
          async rewrap(request) {
            if (request.keyId === "new") return driver.rewrap?.(request);
            log.push("decline");
            return undefined;
          },
          // The stub of one key stands for a KMS that has both.
          unwrap: (request) => keys[request.keyId as "old" | "new"].driver.unwrap(request),
        },
        { alsoUnwrap: ["old"] },
      );
      const message = await new Envelope({ cmks: [keys[from].cmk] }).encrypt(pattern(9), {
        context,
      });
      keys.new.rotate();
      const observer = (event: EnvelopeEvent): void => {
        if (event.type === "kms-call") log.push(event.operation);
      };
      const envelope = new Envelope({ cmks: [cmk], observer });
      const result = await envelope.rewrap(message, { context });
      expect(result).toMatchObject({ changed: true, plaintextSeen: seen });
      expect(log).toEqual(calls);
      expect(inspect(result.message).entries).toMatchObject([{ keyId: "new" }]);
      const reader = new Envelope({ cmks: [keys.new.cmk] });
      expect(await reader.decrypt(result.message, { context })).toEqual(pattern(9));
    },
  );

  // Requirements: E31
  it("does not say that the data key was not here after a try that failed", async () => {
    const keys = { old: new StubKey("old"), new: new StubKey("new", { withRewrap: true }) };
    const both = new Envelope({ cmks: [keys.old.cmk, keys.new.cmk] });
    const message = await both.encrypt(pattern(9), { context });
    keys.new.rotate();
    keys.old.fails = "ERR_ENVELOPE_KMS_KEY_STATE";
    const { driver } = keys.new;
    const cmk = new Cmk(
      {
        ...driver,
        rewrap: async (request) => (request.keyId === "new" ? driver.rewrap?.(request) : undefined),
        unwrap: (request) => keys[request.keyId as "old" | "new"].driver.unwrap(request),
      },
      { alsoUnwrap: ["old"] },
    );
    const result = await new Envelope({ cmks: [cmk] }).rewrap(message, { context });
    expect(result).toMatchObject({ changed: true, plaintextSeen: true });
    expect(inspect(result.message).entries).toMatchObject([{ keyId: "new" }]);
  });

  it("takes a driver for broken that will not rewrap within its own key", async () => {
    const key = new StubKey("one", { withRewrap: true });
    const message = await new Envelope({ cmks: [key.cmk] }).encrypt(pattern(9), { context });
    key.rotate();
    for (const answers of [[], [1]]) {
      const cmk = new Cmk({
        ...key.driver,
        // Neither the rewrap nor the second one, which is its proof.
        rewrap: async (request) =>
          answers.pop() === undefined ? undefined : key.driver.rewrap?.(request),
      });
      await refuses("ERR_ENVELOPE_DRIVER", () =>
        new Envelope({ cmks: [cmk] }).rewrap(message, { context }),
      );
    }
  });

  it("follows a moved alias by its configured name, without asking for labels", async () => {
    const old = new StubKey("key-1");
    const next = new StubKey("key-2");
    const message = await new Envelope({ cmks: [old.cmk] }).encrypt(pattern(9), { context });
    const byAlias = new Cmk(
      {
        ...next.driver,
        keyId: "alias/app",
        unwrap: (request) => (request.keyId === "key-1" ? old : next).driver.unwrap(request),
      },
      { alsoUnwrap: ["key-1"] },
    );
    const { entries } = await new Envelope({ cmks: [byAlias] }).rewrap(message, { context });
    expect(entries).toMatchObject([{ keyId: "key-2", action: "rewrapped" }]);
  });

  it("keeps the length of a padded header, or grows it to the next 4096 bytes", async () => {
    const a = new StubKey("a");
    const large = new StubKey("b".repeat(512));
    const one = new Envelope({ cmks: [a.cmk] });
    const message = await one.encrypt(pattern(9), { context, headerAlignment: 512 });
    a.rotate();
    const same = await one.rewrap(message, { context });
    expect(inspect(same.message).headerBytes).toBe(512);
    const grown = await new Envelope({ cmks: [a.cmk, large.cmk] }).rewrap(message, { context });
    expect(inspect(grown.message).headerBytes).toBe(4096);
    expect(await one.decrypt(grown.message, { context })).toEqual(pattern(9));
  });

  it("works on text, on detached key blocks and from a stored context", async () => {
    const key = new StubKey("one");
    const envelope = new Envelope({ cmks: [key.cmk] });
    const message = await envelope.encrypt(pattern(9), { context, storeContext: true });
    key.rotate();
    const stored = { context: fromHeader({ require: context }) };
    const text = await envelope.rewrap(encodeText(message), stored);
    expect(text.message).toMatch(/^env1\./);
    const { message: bare, keyBlock } = detachKeyBlock(message);
    const detached = await envelope.rewrap(bare, { ...stored, keyBlock });
    expect(detached.message).toEqual(bare);
    const opened = await envelope.decrypt(bare, { context, keyBlock: detached.keyBlock });
    expect(opened).toEqual(pattern(9));
    await refuses("ERR_ENVELOPE_NO_KEY", () => envelope.rewrap(bare, stored));
  });
});
