/** What is written under three KMSs opens while any one of them is there. */
import { Envelope, inspect, type EnvelopeErrorCode } from "@env/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refusal } from "./support/refusal.ts";
import {
  startClouds,
  startLocal,
  startVault,
  watchCalls,
  type Remote,
} from "./support/backends.ts";

const context = { tenant: "acme" };
const plaintext = new TextEncoder().encode("4111 1111 1111 1111");

const orders: readonly (readonly number[])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];
const subsets: readonly (readonly number[])[] = [[0], [1], [2], [0, 1], [0, 2], [1, 2]];

const pick = <T>(from: readonly T[], indexes: readonly number[]): T[] =>
  from.filter((_, index) => indexes.includes(index));

const attemptsOf = (clouds: readonly Remote[], code: EnvelopeErrorCode) =>
  clouds.map(({ provider, label }) => ({ provider, keyId: label, code }));

const entriesOf = (message: Uint8Array) =>
  inspect(message).entries?.map(({ provider, keyId }) => [provider, keyId]);

describe("a message under three KMSs", () => {
  it.each(orders)("has an entry of each, in the order configured: %i %i %i", async (...order) => {
    const started = await startClouds();
    const clouds = order.map((index) => started[index]).filter((cloud) => cloud !== undefined);
    const { calls, observer } = watchCalls();
    const cmks = clouds.map((cloud) => cloud.open());
    const message = await new Envelope({ cmks, observer }).encrypt(plaintext, { context });
    expect(entriesOf(message)).toEqual(clouds.map(({ provider, label }) => [provider, label]));
    const [first, ...others] = clouds.map(({ provider }) => provider);
    // Cloud KMS makes no data keys: its first call is a wrap, too.
    expect(calls[0]).toBe(`${first} ${first === "gcp-kms" ? "wrap" : "generate"} ok`);
    // Side by side, so in the order of their answers.
    expect(calls.slice(1).toSorted()).toEqual(others.map((each) => `${each} wrap ok`).toSorted());
    for (const cmk of cmks) {
      expect(await new Envelope({ cmks: [cmk] }).decrypt(message, { context })).toEqual(plaintext);
    }
  });

  it("has wrapped keys of the length that docs/backends.md tells", async () => {
    const [, gcp, vault] = await startClouds();
    const backends = [gcp, vault, await startVault("aad"), await startLocal()];
    const lengths: (number | undefined)[] = [];
    for (const backend of backends) {
      const envelope = new Envelope({ cmks: [backend.open()] });
      const message = await envelope.encrypt(plaintext, { context });
      lengths.push(inspect(message).entries?.[0]?.wrapped.length);
    }
    expect(lengths).toEqual([113, 89, 89, 93]);
  });

  it("is opened by the first of them, and the others are not asked", async () => {
    const clouds = await startClouds();
    const { calls, observer } = watchCalls();
    const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()), observer });
    const message = await envelope.encrypt(plaintext, { context });
    calls.length = 0;
    const before = clouds.map((cloud) => cloud.requests());
    expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
    expect(calls).toEqual(["aws-kms unwrap ok"]);
    const asked = clouds.map((cloud, index) => cloud.requests() - (before[index] ?? 0));
    expect(asked).toEqual([1, 0, 0]);
  });

  describe.each(["stopped", "unavailable", "reset"] as const)("some of which are %s", (how) => {
    it.each(subsets.map((down) => [down]))("opens without %j", async (down) => {
      const clouds = await startClouds();
      const { calls, observer } = watchCalls();
      const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()), observer });
      const message = await envelope.encrypt(plaintext, { context });
      calls.length = 0;
      for (const cloud of pick(clouds, down)) await bring(cloud, how);
      expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
      const up = [0, 1, 2].findIndex((index) => !down.includes(index));
      expect(calls).toEqual([
        ...clouds.slice(0, up).map(({ provider }) => unavailable(provider, "unwrap")),
        `${clouds[up]?.provider} unwrap ok`,
      ]);
    });

    it("says so where it is all of them, of each in the order configured", async () => {
      const clouds = await startClouds();
      const { calls, observer } = watchCalls();
      const cmks = clouds.map((cloud) => cloud.open());
      const envelope = new Envelope({ cmks, observer, minWrapped: 1 });
      const message = await envelope.encrypt(plaintext, { context });
      calls.length = 0;
      for (const cloud of clouds) await bring(cloud, how);
      const unopened = await refusal(envelope.decrypt(message, { context }));
      const unwritten = await refusal(envelope.encrypt(plaintext, { context }));
      for (const error of [unopened, unwritten]) {
        expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_UNAVAILABLE", retryable: true });
        expect(error.attempts).toEqual(attemptsOf(clouds, "ERR_ENVELOPE_KMS_UNAVAILABLE"));
      }
      expect(calls).toEqual([
        ...clouds.map(({ provider }) => unavailable(provider, "unwrap")),
        unavailable("aws-kms", "generate"),
        unavailable("gcp-kms", "wrap"),
        unavailable("vault-transit", "generate"),
      ]);
    });
  });

  it("is not waited for without end where all are silent: each has its time", async () => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open({ timeout: 150 }));
    const patient = new Envelope({ cmks: clouds.map((cloud) => cloud.open()) });
    const message = await patient.encrypt(plaintext, { context });
    for (const cloud of clouds) cloud.fail("stall");
    const error = await refusal(new Envelope({ cmks }).decrypt(message, { context }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_UNAVAILABLE", retryable: true });
    expect(error.attempts).toEqual(attemptsOf(clouds, "ERR_ENVELOPE_KMS_UNAVAILABLE"));
    expect(error.cause).toMatchObject({ name: "TimeoutError", hint: "no answer within 150 ms" });
  });

  it("is given up where the caller leaves, and nobody else is asked", async () => {
    const clouds = await startClouds();
    const { calls, observer } = watchCalls();
    const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()), observer });
    const message = await envelope.encrypt(plaintext, { context });
    calls.length = 0;
    clouds[0].fail("stall");
    const leaving = new AbortController();
    const reason = new Error("the caller has left");
    const arrived = clouds[0].nextRequest();
    const reading = envelope.decrypt(message, { context, signal: leaving.signal });
    const outcome = reading.catch((error: unknown) => error);
    await arrived;
    leaving.abort(reason);
    expect(await outcome).toBe(reason);
    expect(calls).toEqual(["aws-kms unwrap aborted"]);
  });

  it.each([0, 1, 2])("opens for a reader who knows but one of them: %i", async (known) => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const message = await new Envelope({ cmks }).encrypt(plaintext, { context });
    const before = clouds.map((cloud) => cloud.requests());
    const { calls, observer } = watchCalls();
    const reader = new Envelope({ cmks: pick(cmks, [known]), observer });
    expect(await reader.decrypt(message, { context })).toEqual(plaintext);
    expect(calls).toEqual([`${clouds[known]?.provider} unwrap ok`]);
    const asked = clouds.map((cloud, index) => cloud.requests() - (before[index] ?? 0));
    expect(asked).toEqual([0, 1, 2].map((index) => Number(index === known)));
  });

  it("is of no use to who knows none of them, and nobody is asked", async () => {
    const clouds = await startClouds();
    const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()) });
    const message = await envelope.encrypt(plaintext, { context });
    const before = clouds.map((cloud) => cloud.requests());
    const { calls, observer } = watchCalls();
    const stranger = new Envelope({ cmks: [(await startLocal()).open()], observer });
    const error = await refusal(stranger.decrypt(message, { context }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_NO_KEY", attempts: [] });
    for (const { provider, label } of clouds) {
      expect(error.message).toContain(`${provider} ${label}`);
    }
    expect(calls).toEqual([]);
    expect(clouds.map((cloud) => cloud.requests())).toEqual(before);
  });

  it("opens while any that wrapped it is up, and else says which were not: for all ways", async () => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const some = fc.subarray([0, 1, 2]);
    const failure = fc.constantFrom("unavailable", "reset");
    await fc.assert(
      fc.asyncProperty(some, some, fc.integer({ min: 1, max: 3 }), failure, async (...drawn) => {
        const [writing, reading, minWrapped, how] = drawn;
        const envelope = new Envelope({ cmks, minWrapped });
        const setUp = (up: readonly number[]): void => {
          for (const [index, cloud] of clouds.entries()) {
            cloud.fail(up.includes(index) ? undefined : how);
          }
        };
        setUp(writing);
        const writes = envelope.encrypt(plaintext, { context });
        if (writing.length < minWrapped) {
          expect(await refusal(writes)).toMatchObject({ code: "ERR_ENVELOPE_KMS_UNAVAILABLE" });
          return;
        }
        const message = await writes;
        const wrote = pick(clouds, writing);
        expect(entriesOf(message)).toEqual(wrote.map(({ provider, label }) => [provider, label]));
        setUp(reading);
        const reads = envelope.decrypt(message, { context });
        if (writing.some((index) => reading.includes(index))) {
          expect(await reads).toEqual(plaintext);
        } else {
          const error = await refusal(reads);
          expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_UNAVAILABLE", retryable: true });
          expect(error.attempts).toEqual(attemptsOf(wrote, "ERR_ENVELOPE_KMS_UNAVAILABLE"));
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("a data-key cache over three KMSs", () => {
  const dataKeyCache = { maxAge: 60_000, maxMessages: 1000, maxBytes: 2 ** 30 };
  const texts = Array.from({ length: 20 }, (_, n) => new TextEncoder().encode(`message ${n}`));

  it("asks once for many messages, and then not even those that are down", async () => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const writing = watchCalls();
    const { observer } = writing;
    const writer = new Envelope({ cmks, dataKeyCache, observer });
    const messages: Uint8Array[] = [];
    for (const text of texts) messages.push(await writer.encrypt(text, { context }));
    expect(writing.calls.toSorted()).toEqual([
      "aws-kms generate ok",
      "gcp-kms wrap ok",
      "vault-transit wrap ok",
    ]);

    await clouds[0].stop();
    const reading = watchCalls();
    const reader = new Envelope({ cmks, dataKeyCache, observer: reading.observer });
    const read = async (message: Uint8Array | undefined) =>
      reader.decrypt(message ?? new Uint8Array(), { context });
    expect(await read(messages[0])).toEqual(texts[0]);
    await clouds[1].stop();
    await clouds[2].stop();
    for (const [n, text] of texts.entries()) expect(await read(messages[n])).toEqual(text);
    expect(reading.calls).toEqual([unavailable("aws-kms", "unwrap"), "gcp-kms unwrap ok"]);

    reader.clearDataKeyCache();
    expect(await refusal(read(messages[0]))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    });
  });

  it("asks once for many readers at once", async () => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const message = await new Envelope({ cmks }).encrypt(plaintext, { context });
    clouds[0].fail("unavailable");
    const { calls, observer } = watchCalls();
    const reader = new Envelope({ cmks, dataKeyCache, observer });
    const all = await Promise.all(texts.map(() => reader.decrypt(message, { context })));
    expect(all).toEqual(texts.map(() => plaintext));
    expect(calls).toEqual([unavailable("aws-kms", "unwrap"), "gcp-kms unwrap ok"]);
  });
});

async function bring(cloud: Remote, how: "stopped" | "unavailable" | "reset"): Promise<void> {
  if (how === "stopped") await cloud.stop();
  else cloud.fail(how);
}

function unavailable(provider: string, operation: string): string {
  return `${provider} ${operation} ERR_ENVELOPE_KMS_UNAVAILABLE`;
}
