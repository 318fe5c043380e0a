import { createHash } from "node:crypto";
import { Cmk, Envelope, fromHeader, isEnvelopeError, type Context } from "@env/core";
import { cryptoBackend, useCryptoBackend } from "@env/core/crypto";
import { callsOf, loadVectors, vectorDrivers } from "@env/conformance/vectors";
import { beforeAll, describe, expect, it } from "vitest";
import { isBuilt, native } from "./support/native.ts";

const bytesOf = (text: string, encoding: "hex" | "base64"): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(text, encoding));

describe.skipIf(!isBuilt)("the vectors of the specification, on the native backend", () => {
  beforeAll(() => useCryptoBackend(native()));

  it("are read with this backend", () => {
    expect(cryptoBackend().name).toBe("native");
  });

  it.each(loadVectors("envelope"))("$name", async (vector) => {
    const drivers = vectorDrivers(vector);
    const envelope = new Envelope({ cmks: drivers.map((driver) => new Cmk(driver)) });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- some vectors test illegal contexts
    const context = vector.context as Context | null;
    const read = async (): Promise<string> => {
      const plaintext = await envelope.decrypt(bytesOf(vector.message, "base64"), {
        ...(vector.fromHeader !== undefined
          ? { context: fromHeader(vector.fromHeader) }
          : context !== null && { context }),
        ...(vector.aad !== "" && { aad: bytesOf(vector.aad, "hex") }),
        ...(vector.keyBlock !== undefined && { keyBlock: bytesOf(vector.keyBlock, "base64") }),
      } as Parameters<Envelope["decrypt"]>[1]);
      return createHash("sha256").update(plaintext).digest("hex");
    };
    const result = await read().catch((error: unknown) => {
      if (isEnvelopeError(error)) return error.code;
      throw error;
    });
    expect(result).toBe(vector.plaintext?.sha256 ?? vector.expect);
    expect(callsOf(drivers)).toBe(vector.kmsCalls);
  });
});
