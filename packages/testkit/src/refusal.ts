/**
 * Errors that a call is expected to end with.
 *
 * @module
 */
import { expect } from "vitest";

/** Returns the error that the promise is rejected with. Any other outcome is an error itself. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error("the promise was not rejected with an error");
}

/**
 * Returns an assertion: `refuses(code, call)` fails unless `call` throws, or is rejected with, an error
 * that has this code. It returns the error.
 *
 * @param isRefusal - Whether something that was thrown is such an error; anything else is thrown again.
 */
export function refusing<Refusal extends Error & { readonly code: string }>(
  isRefusal: (error: unknown) => error is Refusal,
): (code: Refusal["code"], call: () => unknown) => Promise<Refusal> {
  return async (code, call) => {
    let result: unknown;
    try {
      result = await call();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      expect(error.code, error.message).toBe(code);
      return error;
    }
    throw new Error(`expected ${code}, got ${String(result)}`);
  };
}
