import { Envelope, inspect } from "@env/core";
import {
  contextHash,
  DataKeys,
  deriveHmacKey,
  hmacWith,
  openPayload,
  openPayloads,
  sealPayload,
  sealPayloads,
} from "@env/core/data-keys";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };
const aad = { key: "1" };
const info = [new TextEncoder().encode("test\0"), pattern(9)];

function open(): { key: StubKey; envelope: Envelope; keys: DataKeys } {
  const key = new StubKey("one");
  const envelope = new Envelope({ cmks: [key.cmk] });
  return { key, envelope, keys: new DataKeys(envelope) };
}

describe("DataKeys", () => {
  it("keeps a data key as a message that the envelope decrypts, inspects and rewraps", async () => {
    const { envelope, keys } = open();
    const message = await keys.create("k", { context, aad });
    expect(await envelope.decrypt(message, { context, aad })).toHaveLength(0);
    expect(inspect(message)).toMatchObject({ plaintextBytes: 0, entries: [{ keyId: "one" }] });
    const rewrapped = await envelope.rewrap(message, { context });
    const payload = await sealPayload(
      await keys.open("k", message, { context, aad }),
      info,
      pattern(5),
    );
    keys.clear();
    const again = await keys.open("k", rewrapped.message, { context, aad });
    expect(await openPayload(again, info, payload)).toEqual(pattern(5));
  });

  it("unwraps once for all concurrent callers, and then holds the data key by its name", async () => {
    const { key, keys } = open();
    const message = await keys.create("k", { context, aad });
    keys.clear();
    key.calls.length = 0;
    expect(keys.held("k")).toBeUndefined();
    await Promise.all([1, 2, 3].map(() => keys.open("k", message, { context, aad })));
    expect(keys.held("k")).toBeDefined();
    await keys.open("k", message, { context, aad });
    expect(key.calls).toEqual(["unwrap"]);
  });

  // Requirements: C2
  it("refuses a data key in another context, of another place, and a message with a plaintext", async () => {
    const { envelope, keys } = open();
    const message = await keys.create("k", { context, aad });
    await refuses("ERR_ENVELOPE_DECRYPT", async () =>
      keys.open("a", message, { context: { tenant: "other" }, aad }),
    );
    await refuses("ERR_ENVELOPE_DECRYPT", async () =>
      keys.open("b", message, { context, aad: { key: "2" } }),
    );
    const altered = new Uint8Array(message);
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    await refuses("ERR_ENVELOPE_DECRYPT", async () => keys.open("c", altered, { context, aad }));
    const full = await envelope.encrypt(pattern(1), { context, aad });
    await refuses("ERR_ENVELOPE_FORMAT", async () => keys.open("d", full, { context, aad }));
    expect(["a", "b", "c", "d"].map((name) => keys.held(name))).toEqual(Array(4).fill(undefined));
  });

  it("is emptied by the envelope, and refuses once the envelope is closed", async () => {
    const { envelope, keys } = open();
    await keys.create("k", { context });
    envelope.clearDataKeyCache();
    expect(keys.held("k")).toBeUndefined();
    await envelope.close();
    await refuses("ERR_ENVELOPE_CLOSED", async () => keys.create("k", { context }));
    await refuses("ERR_ENVELOPE_CLOSED", async () => keys.held("k"));
  });
});

describe("payloads under a data key", () => {
  it("takes 72 bytes more than a small plaintext, and is bound to its info", async () => {
    const { keys } = open();
    const dataKey = await keys.open("k", await keys.create("k", { context }), { context });
    const payload = await sealPayload(dataKey, info, pattern(17));
    expect(payload).toHaveLength(17 + 72);
    expect(await openPayload(dataKey, info, payload)).toEqual(pattern(17));
    await refuses("ERR_ENVELOPE_DECRYPT", async () => openPayload(dataKey, [pattern(9)], payload));
    await refuses("ERR_ENVELOPE_TRUNCATED", async () =>
      openPayload(dataKey, info, payload.subarray(0, 71)),
    );
  });

  it("opens many at once, and leaves out those that do not verify", async () => {
    const { keys } = open();
    const dataKey = await keys.open("k", await keys.create("k", { context }), { context });
    const payloads = await Promise.all(
      [1, 2, 20_000].map(async (n) => sealPayload(dataKey, info, pattern(n))),
    );
    const altered = payloads.map((one, at) =>
      at === 1 ? one.map((byte, i) => (i === 60 ? byte ^ 1 : byte)) : one,
    );
    expect(
      await openPayloads(dataKey, [info, info, info], [...altered, pattern(3)].slice(0, 3)),
    ).toEqual([pattern(1), undefined, pattern(20_000)]);
  });

  it("seals many at once, each with a salt of its own", async () => {
    const { keys } = open();
    const dataKey = await keys.open("k", await keys.create("k", { context }), { context });
    const plaintexts = [5, 20_000, 0].map((length) => pattern(length));
    const infos = [info, [pattern(3)], info];
    const payloads = await sealPayloads(dataKey, infos, plaintexts);
    expect(await openPayloads(dataKey, infos, payloads)).toEqual(plaintexts);
    expect(await openPayload(dataKey, [pattern(3)], payloads[1] ?? pattern(0))).toHaveLength(
      20_000,
    );
    expect(new Set(payloads.map((one) => String(one.subarray(0, 24)))).size).toBe(3);
    expect(await sealPayloads(dataKey, [], [])).toEqual([]);
    // A value must not be bound to nothing by mistake.
    expect(() => sealPayloads(dataKey, [info], plaintexts)).toThrow(RangeError);
  });

  it("derives HMAC keys that differ by label", async () => {
    const { keys } = open();
    const dataKey = await keys.open("k", await keys.create("k", { context }), { context });
    const [a, b] = [
      await deriveHmacKey(dataKey, pattern(1)),
      await deriveHmacKey(dataKey, pattern(2)),
    ];
    const hashes = await Promise.all([a, b, dataKey].map(async (key) => hmacWith(key, pattern(4))));
    expect(new Set(hashes.map(String)).size).toBe(3);
    expect(await contextHash(context)).toHaveLength(32);
  });
});
