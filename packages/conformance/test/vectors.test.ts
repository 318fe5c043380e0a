import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import {
  Cmk,
  decodeText,
  encodeContext,
  encodeEncryptionContext,
  Envelope,
  fromHeader,
  inspect,
  isEnvelopeError,
  type Context,
} from "@env/core";
import { describe, expect, it } from "vitest";
import { fromHex, hex } from "../src/bytes.ts";
import { callsOf, loadVectors, vectorDrivers, type EnvelopeVector } from "../src/vectors.ts";

const kinds = ["envelope", "context", "text", "local-wrap"] as const;

/** `"ok"`, or the code of the failure; anything but an EnvelopeError is a bug. */
async function outcome(run: () => unknown): Promise<string> {
  try {
    await run();
    return "ok";
  } catch (error) {
    if (isEnvelopeError(error)) return error.code;
    throw error;
  }
}

/** What core makes of a vector. */
async function read(vector: EnvelopeVector): Promise<Record<string, unknown>> {
  const drivers = vectorDrivers(vector);
  const envelope = new Envelope({ cmks: drivers.map((driver) => new Cmk(driver)) });
  let plaintext: Uint8Array | undefined;
  const code = await outcome(async () => {
    plaintext = await envelope.decrypt(Buffer.from(vector.message, "base64"), {
      // `null` stands for "not passed", which plain JavaScript can do.
      context: vector.fromHeader
        ? fromHeader(vector.fromHeader)
        : ((vector.context ?? undefined) as Context),
      aad: fromHex(vector.aad),
      keyBlock: vector.keyBlock === undefined ? undefined : Buffer.from(vector.keyBlock, "base64"),
    });
  });
  return {
    expect: code,
    kmsCalls: callsOf(drivers),
    plaintext: plaintext && {
      bytes: plaintext.length,
      sha256: createHash("sha256").update(plaintext).digest("hex"),
    },
  };
}

describe("loadVectors", () => {
  it.for(kinds)("reads every file of %s, under its name", (kind) => {
    const files = readdirSync(new URL(`../../../spec/vectors/${kind}/`, import.meta.url));
    const vectors = loadVectors(kind);
    expect(vectors.length).toBeGreaterThan(10);
    expect(vectors.map(({ name }) => `${name}.json`)).toEqual(files.toSorted());
    expect(vectors.every(({ spec }) => spec.startsWith("envelope-v1.md#"))).toBe(true);
  });
});

describe("vectorDrivers, with core as the reader", () => {
  it.for(loadVectors("envelope"))("$name", async (vector) => {
    const { expect: code, kmsCalls, plaintext } = vector;
    expect(await read(vector)).toEqual({ expect: code, kmsCalls, plaintext });
  });

  it("counts calls per driver, failed ones too, and unwraps nothing under another label", async () => {
    const [driver, failing] = vectorDrivers({
      cmks: [
        { provider: "x.test", keyId: "k", unwraps: [{ wrapped: "01", dataKey: "00".repeat(32) }] },
        { provider: "x.test", keyId: "f", fails: "ERR_ENVELOPE_KMS_THROTTLED" },
      ],
    });
    if (driver === undefined || failing === undefined) throw new Error("two drivers");
    const context = { map: {}, bytes: new Uint8Array(2) };
    const request = { wrapped: Uint8Array.of(1), context, signal: undefined };
    expect((await driver.unwrap({ ...request, keyId: "k" })).plaintext).toHaveLength(32);
    const other = await driver.unwrap({ ...request, keyId: "f" }).catch((error: unknown) => error);
    expect(driver.classify(other)).toBe("ERR_ENVELOPE_KMS_KEY_NOT_FOUND");
    const failed = await failing
      .unwrap({ ...request, keyId: "f" })
      .catch((error: unknown) => error);
    expect(failing.classify(failed)).toBe("ERR_ENVELOPE_KMS_THROTTLED");
    expect([driver.calls, failing.calls]).toEqual([2, 1]);
  });
});

describe("the vectors of contexts, with core as the writer", () => {
  it.for(loadVectors("context"))("$name", async (vector) => {
    const context = vector.context as Context;
    expect(await outcome(() => encodeContext(context))).toBe(vector.expect);
    if (vector.contextBytes === undefined || vector.kmsContextBytes === undefined) return;
    expect(hex(encodeContext(context))).toBe(vector.contextBytes);
    const sent = encodeEncryptionContext({ ...context, "env:format": "1" });
    expect(hex(sent)).toBe(vector.kmsContextBytes);
  });
});

describe("the vectors of the text form, with core as the reader", () => {
  it.for(loadVectors("text"))("$name", async (vector) => {
    let message: Uint8Array | undefined;
    const code = await outcome(() => {
      const decoded = decodeText(vector.text);
      inspect(decoded); // Refuses text of something that is no message.
      message = decoded;
    });
    expect(code).toBe(vector.expect);
    expect(message && hex(message)).toBe(vector.message);
  });
});
