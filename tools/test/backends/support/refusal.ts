import { isEnvelopeError, type EnvelopeError } from "@env/core";
import { rejection } from "@env/testkit/refusal";

/** Returns the error that a call was refused with. */
export async function refusal(call: Promise<unknown>): Promise<EnvelopeError> {
  const error = await rejection(call);
  if (isEnvelopeError(error)) return error;
  throw new Error("the call was not refused with an EnvelopeError", { cause: error });
}
