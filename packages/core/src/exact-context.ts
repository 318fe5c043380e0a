/**
 * Calls of a CMK for data keys of another format than this package's, such as the objects of the Amazon S3
 * Encryption Client: the KMS gets exactly the pairs that the other format prescribes.
 *
 * What must stay true: every data key of an envelope message was wrapped with the pair `env:format`, and
 * no context here may contain it. So no reader of another format can be led to unwrap such a key.
 *
 * @module
 */
import { callsOf, type Cmk, type CmkCallOptions } from "./cmk.ts";
import type { GeneratedDataKey, WrappedDataKey } from "./cmk-calls.ts";
import { BoundContext, encodeEncryptionContext, type Context } from "./context.ts";
import type { DataKey } from "./data-key.ts";
import { EnvelopeError, isEnvelopeError } from "./error.ts";

type Options = Omit<CmkCallOptions, "context">;

/** The calls of a CMK under one exact encryption context. They throw what those of `Cmk` throw. */
export interface ExactContextCalls {
  generateDataKey(options?: Options): Promise<GeneratedDataKey>;
  wrapDataKey(dataKey: DataKey, options?: Options): Promise<WrappedDataKey>;
  /**
   * Unwraps with the CMK's own key and, where that refuses, with each key of its `alsoUnwrap`: formats of
   * others carry no label to choose by.
   */
  unwrapDataKey(wrapped: Uint8Array, options?: Options): Promise<DataKey>;
}

/**
 * Returns the calls of a CMK with an encryption context that goes to the KMS as it is, without `env:format`. Names that
 * begin with `aws:` are allowed.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT` for a name that begins with `env:`.
 */
export function withExactContext(cmk: Cmk, context: Context): ExactContextCalls {
  if (Object.keys(context).some((name) => name.startsWith("env:"))) {
    throw new EnvelopeError(
      "ERR_ENVELOPE_INVALID_CONTEXT",
      "context: names that begin with env: belong to envelope messages",
    );
  }
  const map: Context = Object.freeze(Object.assign(Object.create(null), context));
  const bound = new BoundContext(map, encodeEncryptionContext(map));
  bound.forKms = bound;
  const calls = callsOf(cmk);
  return {
    generateDataKey: (options = {}) => calls.generate(bound, options),
    wrapDataKey: (dataKey, options = {}) => calls.wrap(dataKey, bound, options),
    unwrapDataKey(bytes, options = {}) {
      const wrapped = new Uint8Array(bytes);
      const { provider, keyId: own, alsoUnwrap } = calls;
      const unwrap = (keyId: string): Promise<DataKey> =>
        calls.unwrap({ provider, keyId, wrapped }, keyId, bound, options);
      return alsoUnwrap.reduce(
        (result, keyId) =>
          result.catch((error: unknown) => {
            if (!isEnvelopeError(error, "ERR_ENVELOPE_KMS_REJECTED")) throw error;
            return unwrap(keyId);
          }),
        unwrap(own),
      );
    },
  };
}
