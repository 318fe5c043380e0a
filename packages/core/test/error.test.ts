import { describe, expect, it } from "vitest";
import { EnvelopeError, errorCodes, isEnvelopeError } from "@env/core";

describe("EnvelopeError", () => {
  it("is recognised by its brand, also in another copy of the package", () => {
    const foreign = Object.assign(new Error("x"), {
      code: "ERR_ENVELOPE_DECRYPT",
      [Symbol.for("@env/core:error")]: true,
    });
    expect(isEnvelopeError(foreign)).toBe(true);
    expect(isEnvelopeError(foreign, "ERR_ENVELOPE_DECRYPT")).toBe(true);
    expect(isEnvelopeError(foreign, "ERR_ENVELOPE_FORMAT")).toBe(false);
    expect(isEnvelopeError(Object.assign(new Error("x"), { code: "ERR_ENVELOPE_DECRYPT" }))).toBe(
      false,
    );
    expect(
      [undefined, null, "ERR_ENVELOPE_DECRYPT", 1].some((value) => isEnvelopeError(value)),
    ).toBe(false);
  });

  it("may be retried exactly where the table says so", () => {
    const retryable = Object.keys(errorCodes).filter(
      (code) => new EnvelopeError(code as keyof typeof errorCodes, "x").retryable,
    );
    expect(retryable).toEqual([
      "ERR_ENVELOPE_KMS_THROTTLED",
      "ERR_ENVELOPE_KMS_UNAVAILABLE",
      "ERR_ENVELOPE_KEYSTORE_BUSY",
    ]);
  });

  it.each(Object.entries(errorCodes))("%s says what it means and what to do next", (code, row) => {
    expect(code).toMatch(/^ERR_ENVELOPE_[A-Z_]+$/);
    expect(row.meaning).toMatch(/\.$/);
    expect(row.next).toMatch(/\.$/);
  });

  it("has a cause only where there is one", () => {
    expect("cause" in new EnvelopeError("ERR_ENVELOPE_FORMAT", "x")).toBe(false);
    expect(new EnvelopeError("ERR_ENVELOPE_FORMAT", "x", { cause: 1 }).cause).toBe(1);
  });
});
