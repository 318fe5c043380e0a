import {
  decryptMany,
  detachKeyBlock,
  encodeText,
  Envelope,
  fromHeader,
  type EnvelopeEvent,
} from "@env/core";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

const context = { tenant: "acme" };
const aad = (id: number): Record<string, string> => ({ id: String(id) });
const dataKeyCache = { maxAge: 60_000, maxMessages: 1000, maxBytes: 2 ** 30 };

function open(cached = true): { key: StubKey; envelope: Envelope; events: EnvelopeEvent[] } {
  const key = new StubKey("one");
  const events: EnvelopeEvent[] = [];
  const observer = (event: EnvelopeEvent): void => void events.push(event);
  const envelope = new Envelope({
    cmks: [key.cmk],
    observer,
    ...(cached && { dataKeyCache }),
  });
  return { key, envelope, events };
}

async function rows(envelope: Envelope, count: number) {
  const made: { message: Uint8Array; aad: Record<string, string> }[] = [];
  for (let id = 0; id < count; id++) {
    made.push({
      message: await envelope.encrypt(pattern(id), { context, aad: aad(id) }),
      aad: aad(id),
    });
  }
  return made;
}

describe("decryptMany", () => {
  it("opens messages of several data keys in order, with one KMS call for each data key", async () => {
    const { key, envelope } = open();
    const messages = await rows(envelope, 40);
    envelope.clearDataKeyCache();
    messages.push(...(await rows(envelope, 40)));
    const reader = new Envelope({ cmks: [key.cmk] });
    key.calls.length = 0;
    const results = await decryptMany(reader, messages, { context });
    expect(results).toEqual(
      [...Array(40).keys(), ...Array(40).keys()].map((id) => ({
        status: "fulfilled",
        value: pattern(id),
      })),
    );
    expect(key.calls).toEqual(["unwrap", "unwrap"]);
  });

  it("calls no KMS for data keys that are held, and reports each message", async () => {
    const { key, envelope, events } = open();
    const messages = await rows(envelope, 3);
    await decryptMany(envelope, messages, { context });
    key.calls.length = events.length = 0;
    await decryptMany(envelope, messages, { context });
    expect(key.calls).toEqual([]);
    expect(events.filter(({ type }) => type === "decrypt")).toMatchObject(
      [0, 1, 2].map((bytes) => ({ bytes, outcome: "ok", crypto: cryptoBackend().name })),
    );
  });

  it("lets what is damaged or elsewhere fail alone, with the code of decrypt", async () => {
    const { envelope } = open();
    const good = await rows(envelope, 6);
    const flipped = good[5]?.message.map((byte, i, { length }) =>
      i === length - 1 ? byte ^ 1 : byte,
    );
    const messages = [
      good[1],
      { message: good[2]?.message, aad: aad(3) },
      { ...good[3], message: good[3]?.message.subarray(0, 90) },
      { message: "env1.AAAA" },
      { ...good[5], message: flipped },
      { message: encodeText(good[4]?.message ?? new Uint8Array(0)), aad: aad(4) },
    ];
    const results = await decryptMany(envelope, messages as never, { context });
    const codes = await Promise.all(
      messages.slice(0, 5).map(async (one) =>
        (typeof one?.message === "string"
          ? envelope.decryptText(one.message, { context })
          : envelope.decrypt(one?.message as Uint8Array, { context, aad: one?.aad })
        ).then(
          () => "ok",
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(
      results.map((one) =>
        one.status === "fulfilled" ? "ok" : (one.reason as { code: string }).code,
      ),
    ).toEqual([...codes, "ok"]);
    expect(codes.filter((code) => code !== "ok")).toHaveLength(4);
    expect(results[5]).toEqual({ status: "fulfilled", value: pattern(4) });
  });

  it("makes no call per message for messages that no data key opens", async () => {
    const { key, envelope } = open(false);
    const messages = (await rows(open().envelope, 1)).flatMap((one) => Array(50).fill(one));
    const own = (await envelope.encrypt(pattern(1), { context })) as Uint8Array;
    key.calls.length = 0;
    const wrong = Array.from({ length: 50 }, (_, id) => ({ message: own, aad: aad(id) }));
    const results = await decryptMany(envelope, [...wrong, ...messages] as never, { context });
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(key.calls.filter((call) => call === "unwrap").length).toBeLessThanOrEqual(2);
  });

  it("reads the context from the header, and takes a detached key block", async () => {
    const { envelope } = open();
    const whole = await envelope.encrypt(pattern(9), { context, storeContext: true });
    const { message, keyBlock } = detachKeyBlock(whole);
    const options = { context: fromHeader({ require: context }) };
    const results = await decryptMany(envelope, [{ message, keyBlock }], options);
    expect(results).toEqual([{ status: "fulfilled", value: pattern(9) }]);
    expect(await decryptMany(envelope, [], { context })).toEqual([]);
  });

  it("opens small and large messages alike", async () => {
    const { envelope } = open();
    const lengths = [0, 16_384, 2_000_000, 5, 40_000];
    const messages = [];
    for (const n of lengths)
      messages.push({ message: await envelope.encrypt(pattern(n), { context }) });
    const results = await decryptMany(envelope, messages, { context });
    expect(results.map((one) => one.status === "fulfilled" && one.value.length)).toEqual(lengths);
  });

  it("ends as a whole for misuse, an abort and a closed envelope", async () => {
    const { envelope } = open();
    const messages = await rows(envelope, 2);
    await expect(decryptMany(envelope, messages, { context, aad: {} } as never)).rejects.toThrow(
      TypeError,
    );
    await expect(decryptMany(envelope, [{ message: 5 } as never], { context })).rejects.toThrow(
      TypeError,
    );
    await expect(
      decryptMany(envelope, [{ message: messages[0]?.message, add: 1 } as never], { context }),
    ).rejects.toThrow("unknown option");
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(decryptMany(envelope, messages, { context, signal })).rejects.toThrow("stop");
    await envelope.close();
    await refuses("ERR_ENVELOPE_CLOSED", () => decryptMany(envelope, messages, { context }));
  });
});
