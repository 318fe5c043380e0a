import { Envelope, inspect, type Fields } from "@env/core";
import { pattern } from "@env/testkit/bytes";
import { until } from "@env/testkit/turns";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };

function single(): { key: StubKey; envelope: Envelope; open: () => Promise<Fields> } {
  const key = new StubKey("one");
  const envelope = new Envelope({ cmks: [key.cmk] });
  return { key, envelope, open: () => envelope.fields({ context }) };
}

describe.skipIf(cryptoBackend().synchronous)("fields() where cryptography is asynchronous", () => {
  it("says so and names the way out, before any KMS call", async () => {
    const { key, open } = single();
    const error = await refuses("ERR_ENVELOPE_UNSUPPORTED", open);
    expect(error.message).toContain("encryptText()");
    expect(key.calls).toEqual([]);
  });
});

describe.runIf(cryptoBackend().synchronous)("fields()", () => {
  it("encrypts at once, after one KMS call, what Envelope can read", async () => {
    const { key, envelope, open } = single();
    const fields = await open();
    const aad = { table: "cards", id: "1" };
    const text = fields.encryptText("4111", { aad });
    const bytes = fields.encrypt(pattern(20_000));
    expect(key.calls).toEqual(["generate"]);
    expect(await envelope.decryptText(text, { context, aad })).toBe("4111");
    expect(await envelope.decrypt(bytes, { context })).toEqual(pattern(20_000));
  });

  it("decrypts at once what was prepared, each data key for one KMS call", async () => {
    const { key, envelope, open } = single();
    const writer = await open();
    const same = Array.from({ length: 50 }, (_, i) =>
      writer.encryptText(`v${i}`, { aad: { id: `${i}` } }),
    );
    const other = await envelope.encrypt(pattern(5), { context });
    const fields = await open();
    key.calls.length = 0;
    await fields.prepare([...same, other]);
    expect(key.calls).toEqual(["unwrap", "unwrap"]);
    expect(same.map((text, i) => fields.decryptText(text, { aad: { id: `${i}` } }))).toEqual(
      same.map((_, i) => `v${i}`),
    );
    expect(fields.decrypt(other)).toEqual(pattern(5));
    await fields.prepare(same);
    expect(key.calls).toHaveLength(2);
  });

  it("forgets with clearDataKeyCache(), and may fetch again", async () => {
    const { key, envelope, open } = single();
    const fields = await open();
    const text = fields.encryptText("x");
    await fields.prepare([text]);
    envelope.clearDataKeyCache();
    await refuses("ERR_ENVELOPE_NOT_HELD", () => fields.encryptText("x"));
    await refuses("ERR_ENVELOPE_NOT_HELD", () => fields.decryptText(text));
    key.calls.length = 0;
    await fields.refresh();
    await fields.prepare([text]);
    expect(key.calls).toEqual(["generate", "unwrap"]);
    expect(fields.decryptText(text)).toBe("x");
  });

  it("ends with the Envelope's close()", async () => {
    const { key, envelope, open } = single();
    const fields = await open();
    const text = fields.encryptText("x");
    await fields.prepare([text]);
    await envelope.close();
    key.calls.length = 0;
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.encryptText("x"));
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.decryptText(text));
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.refresh());
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.prepare([text]));
    expect(key.calls).toEqual([]);
  });

  it("says ERR_ENVELOPE_NOT_HELD of a value that was not prepared", async () => {
    const { open } = single();
    const [a, b] = [await open(), await open()];
    const text = a.encryptText("x");
    const error = await refuses("ERR_ENVELOPE_NOT_HELD", () => b.decryptText(text));
    expect(error.message).toContain("prepare()");
  });

  it("refuses a wrong aad, a flipped bit and another context", async () => {
    const { envelope, open } = single();
    const fields = await open();
    const message = fields.encrypt(pattern(5), { aad: { id: "1" } });
    await fields.prepare([message]);
    await refuses("ERR_ENVELOPE_DECRYPT", () => fields.decrypt(message, { aad: { id: "2" } }));
    const altered = message.slice();
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    await refuses("ERR_ENVELOPE_DECRYPT", () => fields.decrypt(altered, { aad: { id: "1" } }));
    const other = await envelope.fields({ context: { tenant: "evil" } });
    await refuses("ERR_ENVELOPE_DECRYPT", () => other.prepare([message]));
  });

  it("passes a failing KMS on from prepare", async () => {
    const { key, open } = single();
    const fields = await open();
    const text = fields.encryptText("x");
    key.fails = "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    await refuses("ERR_ENVELOPE_KMS_ACCESS_DENIED", () => fields.prepare([text]));
  });

  it("is of no use once disposed", async () => {
    const { key, open } = single();
    const fields = await open();
    const text = fields.encryptText("x");
    fields[Symbol.dispose]();
    key.calls.length = 0;
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.encryptText("x"));
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.decryptText(text));
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.prepare([text]));
    await refuses("ERR_ENVELOPE_CLOSED", () => fields.refresh());
    expect(key.calls).toEqual([]);
  });

  it("does not take two values for one because their entries run together", async () => {
    const a = new StubKey("a");
    const b = new StubKey("b");
    const both = new Envelope({ cmks: [a.cmk, b.cmk] });
    const one = new Envelope({ cmks: [a.cmk] });
    const values = [
      await both.encrypt(pattern(1), { context }),
      await one.encrypt(pattern(2), { context }),
    ];
    const fields = await one.fields({ context });
    await fields.prepare(values);
    expect(values.map((value) => fields.decrypt(value))).toEqual([pattern(1), pattern(2)]);
  });

  describe("over time", () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["performance"] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it("has its data key replaced in the background, and stops at the hard end", async () => {
      const { key, envelope } = single();
      const dataKeyCache = { maxAge: 1000, maxMessages: 100, maxBytes: 10_000 };
      const fields = await envelope.fields({ context, dataKeyCache });
      const first = fields.encrypt(pattern(1));
      vi.advanceTimersByTime(900);
      fields.encrypt(pattern(1));
      const wrapped = (message: Uint8Array): string =>
        String(inspect(message).entries?.[0]?.wrapped);
      await until(() => wrapped(fields.encrypt(pattern(1))) !== wrapped(first));
      key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
      vi.advanceTimersByTime(1000);
      await refuses("ERR_ENVELOPE_NOT_HELD", () => fields.encrypt(pattern(1)));
      await refuses("ERR_ENVELOPE_KMS_UNAVAILABLE", () => fields.refresh());
      key.fails = undefined;
      await fields.refresh();
      expect(fields.encrypt(pattern(1))).toBeInstanceOf(Uint8Array);
    });

    it("protects at most the allowed number of messages and bytes", async () => {
      const { envelope } = single();
      const dataKeyCache = { maxAge: 1000, maxMessages: 3, maxBytes: 10 };
      const fields = await envelope.fields({ context, dataKeyCache });
      await refuses("ERR_ENVELOPE_LIMIT", () => fields.encrypt(pattern(11)));
      for (let i = 0; i < 3; i++) fields.encrypt(pattern(1));
      await refuses("ERR_ENVELOPE_NOT_HELD", () => fields.encrypt(pattern(1)));
      await fields.refresh();
      fields.encrypt(pattern(6));
      await refuses("ERR_ENVELOPE_NOT_HELD", () => fields.encrypt(pattern(5)));
      await fields.refresh(); // The held key has room, but not for what was refused.
      expect(fields.encrypt(pattern(5))).toBeInstanceOf(Uint8Array);
    });
  });
});
