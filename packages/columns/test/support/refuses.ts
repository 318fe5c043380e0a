import { isEnvelopeError, type EnvelopeError, type EnvelopeErrorCode } from "@env/core";
import { refusing } from "@env/testkit/refusal";

/** Asserts that `call` fails with `code`, and returns the error. */
export const refuses: (code: EnvelopeErrorCode, call: () => unknown) => Promise<EnvelopeError> =
  refusing(isEnvelopeError);
