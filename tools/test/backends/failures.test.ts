/** Under several KMSs: some do not wrap, and some answer wrongly, each in its own way. */
import { inspect as show } from "node:util";
import { Envelope, inspect, type EnvelopeErrorCode, type EnvelopeEvent } from "@env/core";
import { describe, expect, it } from "vitest";
import { refusal } from "./support/refusal.ts";
import { startClouds, watchCalls, wrongKey, type Failure } from "./support/backends.ts";

const context = { tenant: "acme" };
const plaintext = new TextEncoder().encode("4111 1111 1111 1111");

const payloadOf = (message: Uint8Array): Uint8Array =>
  message.subarray(inspect(message).headerBytes);

const entriesOf = (message: Uint8Array) => inspect(message).entries ?? [];

const providersOf = (message: Uint8Array): string[] =>
  entriesOf(message).map(({ provider }) => provider);

describe.each([0, 1, 2])("where number %i of three KMSs does not answer", (down) => {
  it("minWrapped says whether a message is written, and a later rewrap completes it", async () => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const out = clouds[down] ?? clouds[0];
    const others = clouds.filter((cloud) => cloud !== out);
    const attempts = [
      { provider: out.provider, keyId: out.label, code: "ERR_ENVELOPE_KMS_UNAVAILABLE" },
    ];
    const strict = new Envelope({ cmks }); // minWrapped: 3
    out.fail("unavailable");
    expect(await refusal(strict.encrypt(plaintext, { context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      attempts,
    });

    const message = await new Envelope({ cmks, minWrapped: 2 }).encrypt(plaintext, { context });
    expect(providersOf(message)).toEqual(others.map(({ provider }) => provider));
    for (const [index, cmk] of cmks.entries()) {
      const reads = new Envelope({ cmks: [cmk] }).decrypt(message, { context });
      if (index === down)
        expect(await refusal(reads)).toMatchObject({ code: "ERR_ENVELOPE_NO_KEY" });
      else expect(await reads).toEqual(plaintext);
    }

    const before = message.slice();
    expect(await refusal(strict.rewrap(message, { context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
      attempts,
    });
    expect(message).toEqual(before);

    out.fail(undefined);
    const { calls, observer } = watchCalls();
    const complete = await new Envelope({ cmks, observer }).rewrap(message, { context });
    expect(complete).toMatchObject({ changed: true, plaintextSeen: true });
    expect(
      complete.entries.map(({ provider, action }) => `${provider} ${action}`).toSorted(),
    ).toEqual(clouds.map((cloud) => `${cloud.provider} ${cloud === out ? "added" : "current"}`));
    expect(calls.slice(-2)).toEqual([`${out.provider} wrap ok`, `${out.provider} unwrap ok`]);
    expect(payloadOf(complete.message)).toEqual(payloadOf(message));
    expect(providersOf(complete.message).toSorted()).toEqual(
      clouds.map(({ provider }) => provider),
    );
    for (const cmk of cmks) {
      const reader = new Envelope({ cmks: [cmk] });
      expect(await reader.decrypt(complete.message, { context })).toEqual(plaintext);
    }
    const again = await strict.rewrap(complete.message, { context });
    expect(again).toMatchObject({ changed: false, message: complete.message });
  });
});

it("is not written where fewer wrap than minWrapped asks for, and says why of each", async () => {
  const clouds = await startClouds();
  const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()), minWrapped: 2 });
  clouds[0].fail("denied");
  clouds[2].fail("unavailable");
  const error = await refusal(envelope.encrypt(plaintext, { context }));
  expect(error.code).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
  expect(error.attempts).toEqual([
    { provider: "aws-kms", keyId: clouds[0].label, code: "ERR_ENVELOPE_KMS_ACCESS_DENIED" },
    { provider: "vault-transit", keyId: clouds[2].label, code: "ERR_ENVELOPE_KMS_UNAVAILABLE" },
  ]);
  clouds[2].fail(undefined);
  expect(providersOf(await envelope.encrypt(plaintext, { context }))).toEqual([
    "gcp-kms",
    "vault-transit",
  ]);
});

/** What an attempt says of it. */
const codes: Readonly<Partial<Record<Failure, EnvelopeErrorCode>>> = {
  unavailable: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  reset: "ERR_ENVELOPE_KMS_UNAVAILABLE",
  denied: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  nonsense: "ERR_ENVELOPE_KMS_ERROR",
  "wrong key": "ERR_ENVELOPE_DECRYPT",
};

type Failures = readonly [Failure, Failure, Failure];
const sums: readonly (readonly [Failures, EnvelopeErrorCode])[] = [
  [["denied", "unavailable", "wrong key"], "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [["denied", "reset", "nonsense"], "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [["denied", "wrong key", "nonsense"], "ERR_ENVELOPE_KMS_ACCESS_DENIED"],
  [["nonsense", "wrong key", "wrong key"], "ERR_ENVELOPE_KMS_ERROR"],
  [["wrong key", "wrong key", "wrong key"], "ERR_ENVELOPE_DECRYPT"],
];
/** Each failure at each of the KMSs. */
const everywhere = sums.flatMap(([[a, b, c], code]) =>
  (
    [
      [a, b, c],
      [b, c, a],
      [c, a, b],
    ] as const
  ).map((failures) => [failures, code] as const),
);

it.each(everywhere)("%j add up to %s, and tell no secret", async (failures, code) => {
  const secret = "context-value-that-nobody-sees";
  const sensitive = { tenant: secret };
  const clouds = await startClouds();
  const cmks = clouds.map((cloud) => cloud.open());
  const message = await new Envelope({ cmks }).encrypt(plaintext, { context: sensitive });
  const entries = entriesOf(message);
  const [entry] = entries;
  if (entry === undefined) throw new Error("a message has entries");
  using dataKey = await (cmks[0] ?? expect.fail("there are three")).unwrapDataKey(entry, {
    context: sensitive,
  });
  for (const [index, cloud] of clouds.entries()) cloud.fail(failures[index]);
  const events: EnvelopeEvent[] = [];
  const observer = (event: EnvelopeEvent): void => void events.push(event);
  const error = await refusal(
    new Envelope({ cmks, observer }).decrypt(message, { context: sensitive }),
  );
  expect(error.code).toBe(code);
  expect(error.retryable).toBe(code === "ERR_ENVELOPE_KMS_UNAVAILABLE");
  expect(error.attempts).toEqual(
    clouds.map(({ provider, label }, index) => ({
      provider,
      keyId: label,
      code: codes[failures[index] ?? "stall"],
    })),
  );

  const told = shown([error, events]);
  const keys = [dataKey.use((bytes) => bytes.slice()), wrongKey];
  // They would be found.
  for (const key of keys) {
    for (const form of [key, Buffer.from(key)]) {
      expect(spellings(key).some((each) => shown({ form }).includes(each))).toBe(true);
    }
  }
  const wrapped = entries.map((each) => each.wrapped);
  const secrets = [...keys, ...wrapped, plaintext].flatMap(spellings);
  const credentials = clouds.flatMap(({ credential }) => credential ?? []);
  expect(credentials).not.toEqual([]);
  for (const each of [secret, ...secrets, ...credentials]) expect(told).not.toContain(each);
});

it.each(["wrong key", "nonsense", "denied"] as const)(
  "does not stop at the first that fails: %s",
  async (failure) => {
    const clouds = await startClouds();
    const cmks = clouds.map((cloud) => cloud.open());
    const { calls, observer } = watchCalls();
    const envelope = new Envelope({ cmks, observer });
    const message = await envelope.encrypt(plaintext, { context });
    calls.length = 0;
    clouds[0].fail(failure);
    clouds[1].fail(failure);
    expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
    // That it is another message's key shows only in the commitment, after the call.
    const outcome = failure === "wrong key" ? "ok" : codes[failure];
    expect(calls).toEqual([
      `aws-kms unwrap ${outcome}`,
      `gcp-kms unwrap ${outcome}`,
      "vault-transit unwrap ok",
    ]);
  },
);

it("opens while one key is left, and then says what became of each", async () => {
  const clouds = await startClouds();
  const envelope = new Envelope({ cmks: clouds.map((cloud) => cloud.open()) });
  const message = await envelope.encrypt(plaintext, { context });
  await clouds[0].retire();
  await clouds[1].retire();
  expect(await envelope.decrypt(message, { context })).toEqual(plaintext);
  await clouds[2].retire();
  const error = await refusal(envelope.decrypt(message, { context }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEY_UNUSABLE", retryable: false });
  expect(error.attempts.map(({ code }) => code)).toEqual([
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "ERR_ENVELOPE_KMS_KEY_STATE",
    "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  ]);
});

/** As a log would show it, on one line. */
function shown(value: unknown): string {
  return show(value, { depth: 20, showHidden: true }).replaceAll(/\s+/g, " ");
}

/** How bytes could show, whole or from their middle on. */
function spellings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  const middle = buffer.subarray(buffer.length >> 1, (buffer.length >> 1) + 8);
  return [
    buffer.toString("base64").replaceAll("=", ""),
    buffer.toString("latin1"),
    middle.toString("hex"),
    middle.toString("hex").replaceAll(/(..)(?!$)/g, "$1 "),
    [...middle].join(", "),
  ];
}
