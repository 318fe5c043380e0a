/** What a call was refused with. */
import { isEnvelopeError, type EnvelopeError } from "@env/core";

export async function refusal(call: Promise<unknown>): Promise<EnvelopeError> {
  const outcome: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (isEnvelopeError(outcome)) return outcome;
  throw new Error("the call was not refused with an EnvelopeError", { cause: outcome });
}
