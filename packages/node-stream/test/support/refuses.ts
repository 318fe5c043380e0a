import { expect } from "vitest";
import { isEnvelopeError, type EnvelopeError, type EnvelopeErrorCode } from "@env/core";

/** Asserts that `call` fails with `code`, and gives the error for further looks. */
export async function refuses(
  code: EnvelopeErrorCode,
  call: () => unknown,
): Promise<EnvelopeError> {
  let result: unknown;
  try {
    result = await call();
  } catch (error) {
    if (!isEnvelopeError(error)) throw error;
    expect(error.code, error.message).toBe(code);
    return error;
  }
  throw new Error(`expected ${code}, got ${String(result)}`);
}
